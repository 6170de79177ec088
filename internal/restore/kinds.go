package restore

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"plan/internal/backup"
	"plan/internal/kube"
	"plan/internal/objects"
)

// The kinds that this package knows more about.
const (
	namespaceKind = "Namespace"
	volumeKind    = "PersistentVolume"
	claimKind     = "PersistentVolumeClaim"
	nodeKind      = "Node"
)

// kind is a kind of object that is restored.
type kind struct {
	name     string
	group    string
	resource string
	words    []string // besides the name in lower case, for patterns; those of kubectl
}

// kinds are in the order in which they are restored: a claim finds its volume, a volume its class.
var kinds = []kind{
	{namespaceKind, "", "namespaces", []string{"ns"}},
	{"StorageClass", "storage.k8s.io", "storageclasses", []string{"sc"}},
	{"VolumeSnapshotClass", "snapshot.storage.k8s.io", "volumesnapshotclasses", []string{"vsclass"}},
	{volumeKind, "", "persistentvolumes", []string{"pv"}},
	{claimKind, "", "persistentvolumeclaims", []string{"pvc"}},
}

var nodes = kind{nodeKind, "", "nodes", []string{"no"}}

// of is the entry of an object, and its place.
func of(group, name string) (kind, int) {
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == name && k.group == group })
	switch {
	case i >= 0:
		return kinds[i], i
	case nodes.name == name && group == "":
		return nodes, len(kinds)
	}
	return kind{}, -1
}

func rank(id objects.ID) int {
	_, place := of(id.Group(), id.Kind)
	return place
}

func restorable(artefact backup.Artefact, apiVersion, name string) bool {
	k, place := of(objects.ID{APIVersion: apiVersion}.Group(), name)
	return place >= 0 && (k.name == nodeKind) == (artefact == backup.Nodes)
}

// resourceOf is where an object is on the server.
func resourceOf(id objects.ID) kube.Resource {
	k, _ := of(id.Group(), id.Kind)
	version := id.APIVersion
	if k.group != "" {
		version = strings.TrimPrefix(id.APIVersion, k.group+"/")
	}
	return kube.Resource{Group: k.group, Version: version, Resource: k.resource, Namespace: id.Namespace}
}

// Extra tells whether an API server may do without a resource: a restore then misses it only where the backup has objects of it.
func Extra(r kube.Resource) bool { return r.Group == "snapshot.storage.k8s.io" }

// Resources are those whose objects a restore of volumes makes, for permissions.
func Resources() []kube.Resource {
	list := make([]kube.Resource, len(kinds))
	for i, k := range kinds {
		list[i] = kube.Resource{Group: k.group, Version: "v1", Resource: k.resource}
	}
	return list
}

// Unrestored says in lines what of the backup is not restored, and what to do about it.
func (b Backup) Unrestored() []string {
	var lines []string
	var longhorn int64
	for _, what := range slices.Sorted(maps.Keys(b.Left)) {
		switch {
		case strings.HasPrefix(what, "longhorn.io/"):
			longhorn += b.Left[what]
		case strings.HasSuffix(what, " VolumeAttachment"): // diagnosis only; the cluster makes its own
		default:
			lines = append(lines, fmt.Sprintf("not restored: %d objects of %s", b.Left[what], what))
		}
	}
	if longhorn > 0 {
		lines = append(lines, fmt.Sprintf("not restored: %d objects of Longhorn. Bring the volumes back with Longhorn itself, from its backup target "+
			"(a volume's spec.fromBackup takes a backup's URL), best under their old names and before their PersistentVolumes are restored; "+
			"names that change go into handles", longhorn))
	}
	return lines
}
