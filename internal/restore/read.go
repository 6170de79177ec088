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
	"slices"
	"time"

	"plan/internal/backup"
	"plan/internal/objects"
	"plan/internal/objectstore"
)

// Object is an object of a backup in the form in which it is created.
type Object struct {
	ID   objects.ID
	Want json.RawMessage // objects.Clean of what was backed up
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
		if id.Name == "" || seen[id] || (id.Kind == claimKind) != (id.Namespace != "") {
			return Backup{}, fmt.Errorf("read backup %s: %w: %s is there twice, or has no name or namespace of its own", key, backup.ErrDamaged, id)
		}
		seen[id] = true
		if id.Kind == volumeKind {
			// A backup that was made in the middle of another restore has the policy in the annotation.
			clean = finished(clean)
		}
		b.Objects = append(b.Objects, Object{ID: id, Want: clean})
	}
	slices.SortStableFunc(b.Objects, func(x, y Object) int { return rank(x.ID) - rank(y.ID) })
	return b, nil
}

// Origin says where the backup comes from, in one line.
func (b Backup) Origin() string {
	return fmt.Sprintf("the backup %s is of cluster %s (UID %s), made %s, Kubernetes %s, %d objects",
		b.Key, b.Meta.Cluster, b.Meta.ClusterUID, b.Key.Started.Format(time.RFC3339), b.Index.KubernetesVersion, b.Index.Objects)
}
