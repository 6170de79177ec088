package objects

import (
	"encoding/json"
	"slices"
	"strings"
)

// serverMetadata is what the server owns in metadata, and what would tie a restored object to one that is gone.
var serverMetadata = []string{
	"uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink",
	"managedFields", "ownerReferences", "finalizers",
}

// bookkeeping are annotations in which a tool or controller remembers what it has applied. "x/" is everything below x.
var bookkeeping = []string{
	"kubectl.kubernetes.io/last-applied-configuration",
	"objectset.rio.cattle.io/", // k3s' deploy controller; its label of that name, too
	"longhorn.io/last-applied-configmap",
}

// bindings are annotations of volumes and claims that the volume controllers and provisioners set while they bind.
var bindings = map[string][]string{
	"PersistentVolume": {"pv.kubernetes.io/bound-by-controller"},
	"PersistentVolumeClaim": {
		"pv.kubernetes.io/bound-by-controller", "pv.kubernetes.io/bind-completed", "volume.kubernetes.io/selected-node",
		"volume.kubernetes.io/storage-provisioner", "volume.beta.kubernetes.io/storage-provisioner",
	},
}

// classAnnotation is how a class was named before storageClassName; where it is set, it counts.
const classAnnotation = "volume.beta.kubernetes.io/storage-class"

// Clean is the normal form of an object: canonical JSON without what the server owns. Two objects with equal Clean are the same for a
// restore, and what Clean gives can be created.
//
// It leaves out status, the metadata that the server keeps, owners and finalizers, and annotations of bookkeeping. Of a PersistentVolume
// it leaves out UID and version of its claim, of both sides of a binding what the controllers note in annotations. Where the API has two
// forms for one thing, it takes one: a claimRef says that it is a PersistentVolumeClaim of v1, and a claim that names its volume and no
// class has the class "", so that no default class is given to it. Of a Namespace there is metadata only.
func Clean(raw []byte) (json.RawMessage, error) {
	object, err := Decode(raw)
	if err != nil {
		return nil, err
	}
	delete(object, "status")
	kind, _ := object["kind"].(string)
	if meta, ok := object["metadata"].(map[string]any); ok {
		cleanMetadata(meta, bindings[kind])
	}
	if object["apiVersion"] == "v1" {
		cleanCore(kind, object)
	}
	return Encode(object), nil
}

func cleanMetadata(meta map[string]any, binding []string) {
	for _, field := range serverMetadata {
		delete(meta, field)
	}
	owned := append(slices.Clone(bookkeeping), binding...)
	for _, field := range []string{"annotations", "labels"} {
		entries, ok := meta[field].(map[string]any)
		for name := range entries {
			if slices.ContainsFunc(owned, func(o string) bool { return name == o || strings.HasSuffix(o, "/") && strings.HasPrefix(name, o) }) {
				delete(entries, name)
			}
		}
		if ok && len(entries) == 0 || meta[field] == nil {
			delete(meta, field)
		}
	}
}

func cleanCore(kind string, object map[string]any) {
	spec, _ := object["spec"].(map[string]any)
	switch kind {
	case "Namespace":
		delete(object, "spec")
	case "PersistentVolume":
		if claim, ok := spec["claimRef"].(map[string]any); ok {
			delete(claim, "uid")
			delete(claim, "resourceVersion")
			claim["apiVersion"], claim["kind"] = "v1", "PersistentVolumeClaim"
		}
	case "PersistentVolumeClaim":
		volume, _ := spec["volumeName"].(string)
		if volume != "" && spec["storageClassName"] == nil && annotation(object, classAnnotation) == "" {
			spec["storageClassName"] = ""
		}
	}
}

func annotation(object map[string]any, name string) string {
	meta, _ := object["metadata"].(map[string]any)
	annotations, _ := meta["annotations"].(map[string]any)
	value, _ := annotations[name].(string)
	return value
}
