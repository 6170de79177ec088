// Package restore brings back what a backup describes: classes, volumes and claims, and labels and taints of nodes.
//
// A restore is decided first and done afterwards: Survey compares the backup with the cluster and refuses before anything is written,
// Execute makes what is missing. Nothing that is there is changed unless that was asked for. Whoever dies in between runs it again: what is
// there already is recognised by its content, and what is half done by an annotation.
package restore

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"plan/internal/backup"
	"plan/internal/objects"
	"plan/internal/objectstore"
)

// Object is an object of a backup in the form in which it is created.
type Object struct {
	ID   objects.ID
	Want json.RawMessage // objects.Clean of what was backed up

	phase string // of a volume: its status.phase in the backup
}

// released tells of a volume whether its claim was gone already when it was backed up.
func (o Object) released() bool { return o.phase == "Released" || o.phase == "Failed" }

// goodVersion is a version of Kubernetes' API. What stands in a backup becomes part of a path on the server.
var goodVersion = regexp.MustCompile(`^v[0-9]+((alpha|beta)[0-9]+)?$`)

// sound tells whether an object is of a kind that is restored, and has a name that is one.
func sound(id objects.ID, artefact backup.Artefact) bool {
	part := func(s string) bool { return s != "." && s != ".." && !strings.ContainsAny(s, "/%") }
	_, version, named := strings.Cut(id.APIVersion, "/")
	if !named {
		version = id.APIVersion
	}
	return restorable(artefact, id.APIVersion, id.Kind) && goodVersion.MatchString(version) &&
		id.Name != "" && part(id.Name) && part(id.Namespace) && (id.Kind == claimKind) == (id.Namespace != "")
}

// Backup is a sound backup in memory.
type Backup struct {
	backup.Verified
	Objects []Object         // in the order in which they are restored
	Left    map[string]int64 // what is not restored, by apiVersion and kind
}

// Read reads a backup whole and finds it sound (backup.Verify) before it gives anything of it. A backup of another artefact is an error.
func Read(ctx context.Context, store objectstore.Store, key string, artefact backup.Artefact) (Backup, error) {
	verified, err := backup.Verify(ctx, store, key)
	if err != nil {
		return Backup{}, err
	}
	if got := verified.Meta.Artefact; got != artefact {
		return Backup{}, fmt.Errorf("backup %s is of %s, not of %s: restore it with restore-%s", key, got, artefact, got)
	}
	b := Backup{Verified: verified, Left: map[string]int64{}}
	seen := map[objects.ID]bool{}
	for o, err := range backup.Objects(ctx, store, key) {
		if err != nil {
			return Backup{}, err
		}
		if !restorable(artefact, o.APIVersion, o.Kind) {
			b.Left[o.APIVersion+" "+o.Kind]++
			continue
		}
		clean, err := objects.Clean(o.Raw)
		if err != nil {
			return Backup{}, fmt.Errorf("read backup %s: %w", key, err)
		}
		id := objects.IDOf(clean)
		// The normal form is judged, for it is what is sent: it has each field once.
		if seen[id] || !sound(id, artefact) {
			return Backup{}, fmt.Errorf("read backup %s: %w: %s (%s) is there twice, or has no name, namespace or version of its own", key, backup.ErrDamaged, id, id.APIVersion)
		}
		seen[id] = true
		phase := ""
		if id.Kind == volumeKind {
			// A backup that was made in the middle of another restore has the policy in the annotation.
			clean, phase = finished(clean), gjson.GetBytes(o.Raw, "status.phase").String()
		}
		b.Objects = append(b.Objects, Object{ID: id, Want: clean, phase: phase})
	}
	slices.SortStableFunc(b.Objects, func(x, y Object) int { return rank(x.ID) - rank(y.ID) })
	return b, nil
}

// Origin says where the backup comes from, in one line.
func (b Backup) Origin() string {
	return fmt.Sprintf("the backup %s is of cluster %s (UID %s), made %s, Kubernetes %s, %d objects",
		b.Key, b.Meta.Cluster, b.Meta.ClusterUID, b.Key.Started.Format(time.RFC3339), b.Index.KubernetesVersion, b.Index.Objects)
}
