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
		if why := dangerous(item, live); why != "" {
			e.refuse(item, why)
			return nil
		}
		patch, err := difference(item.Have, item.Want, live)
		if err != nil {
			return fmt.Errorf("overwrite %s: %w", item.ID, err)
		}
		_, err = e.client.Patch(ctx, resourceOf(item.ID), item.ID.Name, patch, kube.WriteOptions{})
		switch {
		case err == nil:
			e.overwritten(item, Same)
			return nil
		case apierrors.IsInvalid(err):
			e.refuse(item, "the API server does not allow it: "+err.Error())
			return nil
		case !apierrors.IsConflict(err) || try == maxTries || e.options.Pause(ctx, try) != nil:
			return err
		}
	}
}

func (e *execution) overwritten(item *Item, state State) {
	e.mu.Lock()
	defer e.mu.Unlock()
	item.State = state
	e.report.Created++
}

func (e *execution) refuse(item *Item, why string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.refused = append(e.refused, fmt.Errorf("%s is different (%s) and cannot be changed in place: %s; delete it first if the backup's is wanted",
		item.ID, first(item.Paths), why))
}

// dangerous says why a change of a volume or claim would tear a pair apart or delete data; empty if it would not.
func dangerous(item *Item, live json.RawMessage) string {
	get := func(object json.RawMessage, path string) string { return gjson.GetBytes(object, path).String() }
	switch item.ID.Kind {
	case volumeKind:
		phase := get(live, "status.phase")
		if was := claimOf(live); was != claimOf(item.Want) && get(live, "spec.claimRef.uid") != "" {
			return fmt.Sprintf("it is %s and belongs to claim %s", phase, was)
		}
		if (phase == "Released" || phase == "Failed") && reclaimPolicy(live) != reclaimPolicy(item.Want) && reclaimPolicy(item.Want) != retain {
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
