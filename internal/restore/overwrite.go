package restore

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/tidwall/gjson"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"plan/internal/kube"
)

// overwrite changes what is there to what the backup has, by a patch of what differs, if it still is what was read. What the API server
// does not allow to change, and what could cost data, is left as it is and told.
func (e *execution) overwrite(ctx context.Context, item *Item) error {
	for try := 1; ; try++ {
		live, err := e.client.Get(ctx, resourceOf(item.ID), item.ID.Name)
		if err != nil {
			return err
		}
		if err := dying(item.ID, live); err != nil {
			return err
		}
		e.mu.Lock()
		err = item.compare(live, e.plan.key)
		state := item.State
		e.mu.Unlock()
		if err != nil {
			return err
		}
		if state != Different {
			e.overwritten(item, state)
			return nil
		}
		alone, err := e.abandoned(ctx, item, live)
		if err != nil {
			return err
		}
		if why := dangerous(item, live, alone); why != "" {
			e.refuse(item, why)
			return nil
		}
		want, state := e.target(item)
		patch, err := difference(item.Have, want, live)
		if err != nil {
			return fmt.Errorf("overwrite %s: %w", item.ID, err)
		}
		_, err = e.client.Patch(ctx, resourceOf(item.ID), item.ID.Name, patch, kube.WriteOptions{})
		switch {
		case err == nil:
			e.overwritten(item, state)
			return nil
		case apierrors.IsInvalid(err):
			e.refuse(item, "the API server does not allow it: "+err.Error())
			return nil
		case !apierrors.IsConflict(err) || try == maxTries || e.options.Pause(ctx, try) != nil:
			return err
		}
	}
}

// target is what an object is changed to, and what it is then. A volume that is not bound yet to the claim that it is for keeps its data
// until it is, like one that is made.
func (e *execution) target(item *Item) (json.RawMessage, State) {
	if item.ID.Kind == volumeKind && item.Pair.Name != "" && !item.bound {
		return unfinished(item.Want, e.plan.key), Unfinished
	}
	return item.Want, Same
}

// abandoned tells whether a volume belongs to a claim that is gone or going, or has another volume, whatever its phase says: that follows.
func (e *execution) abandoned(ctx context.Context, item *Item, volume json.RawMessage) (bool, error) {
	if item.ID.Kind != volumeKind || tiedUID(volume) == "" {
		return false, nil
	}
	id := claimID(volume)
	claim, err := e.client.Get(ctx, resourceOf(id), id.Name)
	if apierrors.IsNotFound(err) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	other := volumeID(claim).Name
	return gjson.GetBytes(claim, "metadata.uid").String() != tiedUID(volume) || dying(id, claim) != nil || other != "" && other != item.ID.Name, nil
}

// overwritten counts an object that is now what it should be. A volume or claim has yet to be seen bound.
func (e *execution) overwritten(item *Item, state State) {
	e.mu.Lock()
	defer e.mu.Unlock()
	item.State = state
	e.made[item.ID] = true
	e.report.Created++
}

func (e *execution) refuse(item *Item, why string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.refused = append(e.refused, fmt.Errorf("%s is different (%s) and cannot be changed in place: %s; delete it first if the backup's is wanted",
		item.ID, first(item.Paths), why))
}

// dangerous says why a change of a volume or claim would tear a pair apart or delete data; empty if it would not. alone is whether a
// volume's claim is gone.
func dangerous(item *Item, live json.RawMessage, alone bool) string {
	get := func(object json.RawMessage, path string) string { return gjson.GetBytes(object, path).String() }
	switch item.ID.Kind {
	case volumeKind:
		phase := get(live, "status.phase")
		if was := claimOf(live); was != claimOf(item.Want) && get(live, "spec.claimRef.uid") != "" {
			return fmt.Sprintf("it is %s and belongs to claim %s", phase, was)
		}
		if (alone || phase == "Released" || phase == "Failed") && reclaimPolicy(live) != reclaimPolicy(item.Want) && reclaimPolicy(item.Want) != retain {
			if alone {
				phase += ", its claim is gone"
			}
			return fmt.Sprintf("it is %s, and with reclaim policy %s its data would go", phase, reclaimPolicy(item.Want))
		}
	case claimKind:
		if was := get(live, "spec.volumeName"); was != "" && was != get(item.Want, "spec.volumeName") {
			return "it is bound to volume " + was
		}
	}
	return ""
}

// difference is the merge patch from one normal form to the other, for the version of the object that was read.
func difference(have, want, live json.RawMessage) ([]byte, error) {
	patch, err := jsonpatch.CreateMergePatch(have, want)
	if err != nil {
		return nil, err
	}
	version, err := json.Marshal(map[string]any{"metadata": map[string]any{"resourceVersion": gjson.GetBytes(live, "metadata.resourceVersion").String()}})
	if err != nil {
		return nil, err
	}
	return jsonpatch.MergeMergePatches(patch, version)
}
