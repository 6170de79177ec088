package restore

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"plan/internal/kube"
	"plan/internal/objects"
	"plan/internal/pause"
)

// settle waits until the volumes that were made, or whose claims were, are bound, and puts their reclaim policies back. It ends a little
// before ctx does, so that it can say which are not.
func (e *execution) settle(ctx context.Context) error {
	open := e.open()
	total := int64(len(open))
	ctx, cancel := before(ctx)
	defer cancel()
	for try := 1; len(open) > 0; try++ {
		e.options.Progress("waiting for volumes to be bound", total-int64(len(open)), total, "volumes")
		err := e.poll(ctx, open)
		if err == nil && len(open) > 0 {
			err = e.options.Pause(ctx, try)
		}
		if errors.Is(err, context.DeadlineExceeded) && errors.Is(context.Cause(ctx), errNotBound) {
			return unbound(open)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// errNotBound ends the wait for volumes.
var errNotBound = errors.New("not bound in time")

// before is ctx with an earlier end.
func before(ctx context.Context) (context.Context, context.CancelFunc) {
	end, bounded := ctx.Deadline()
	if !bounded {
		return context.WithCancel(ctx)
	}
	left := time.Until(end)
	return context.WithTimeoutCause(ctx, left-min(left/10, 5*time.Second), errNotBound)
}

// volume is a volume that is waited for.
type volume struct {
	item *Item
	live json.RawMessage // as last seen; nil before
}

// open are the volumes that are not done: unfinished ones, those that were made or changed just now or whose claims were, those that an
// earlier attempt has made with their claims and that are not bound yet, and those of the cluster that are to take a claim.
func (e *execution) open() map[objects.ID]*volume {
	open := map[objects.ID]*volume{}
	for _, item := range e.plan.Items {
		switch {
		case item.waits && item.State == Same:
			id := volumeID(item.Want)
			open[id] = &volume{item: &Item{Object: Object{ID: id}, State: Same, Pair: item.ID}}
		case item.ID.Kind != volumeKind || item.State == Different:
		case item.State == Unfinished || item.Pair.Name != "" && (e.made[item.ID] || e.made[item.Pair]) || e.unbound(item):
			open[item.ID] = &volume{item: item}
		}
	}
	return open
}

// inOrder are the volumes by name.
func inOrder(open map[objects.ID]*volume) []*volume {
	return slices.SortedFunc(maps.Values(open), func(x, y *volume) int { return strings.Compare(x.item.ID.Name, y.item.ID.Name) })
}

// unbound tells of a volume that is there with its claim whether the two have yet to find each other.
func (e *execution) unbound(item *Item) bool {
	claim := e.items[item.Pair]
	if claim == nil {
		return item.Pair.Name != "" && item.State == Same && !(item.claimBound && item.bound)
	}
	return claim.State == Same && item.State == Same && !(claim.bound && item.bound)
}

// poll looks at all claims and volumes once, and takes those that are done out of open. A claim is told that it is bound after its volume,
// so with a claim that is, both are.
func (e *execution) poll(ctx context.Context, open map[objects.ID]*volume) error {
	waited := map[objects.ID]bool{}
	for _, v := range open {
		waited[v.item.Pair] = true
	}
	claims := map[objects.ID]json.RawMessage{} // those that are there
	var problems []error
	err := each(ctx, e.client, kube.Resource{Version: "v1", Resource: "persistentvolumeclaims"}, func(raw json.RawMessage) error {
		if id := objects.IDOf(raw); waited[id] {
			if err := dying(id, raw); err != nil {
				problems = append(problems, err)
				return nil
			}
			claims[id] = raw
		}
		return nil
	})
	if err != nil {
		return err
	}
	bound, more, err := e.look(ctx, open, claims)
	if err != nil {
		return err
	}
	for _, v := range bound {
		done, err := e.finish(ctx, v)
		if err != nil {
			return err
		}
		if done {
			delete(open, v.item.ID)
			if err := e.recognise(v.item.Pair, claims[v.item.Pair]); err != nil {
				return err
			}
		}
	}
	return joined(append(problems, more...))
}

// recognise looks once more at a claim that was different for lack of its volume's name alone.
func (e *execution) recognise(id objects.ID, live json.RawMessage) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	item := e.items[id]
	if item == nil || item.State != Different || live == nil {
		return nil
	}
	err := item.compare(live, e.plan.key)
	if item.State == Same {
		e.report.Unchanged++
	}
	return err
}

// look reads the volumes that are waited for, and gives those that are bound or have nobody to be bound to, and what is wrong with others.
func (e *execution) look(ctx context.Context, open map[objects.ID]*volume, claims map[objects.ID]json.RawMessage) (bound []*volume, problems []error, err error) {
	seen := map[objects.ID]bool{}
	err = each(ctx, e.client, kube.Resource{Version: "v1", Resource: "persistentvolumes"}, func(raw json.RawMessage) error {
		id := objects.IDOf(raw)
		if v := open[id]; v != nil {
			seen[id], v.live = true, raw
			done, err := ready(v.item, raw, claims[v.item.Pair])
			switch {
			case err != nil:
				problems = append(problems, err)
			case done:
				bound = append(bound, v)
			}
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	for _, v := range inOrder(open) {
		if !seen[v.item.ID] {
			problems = append(problems, fmt.Errorf("%s is gone: somebody has deleted it meanwhile", v.item.ID))
		}
	}
	return bound, problems, nil
}

// ready tells whether a volume is done: bound to its claim, or kept for one that is not here. The second is believed only of a volume that
// the cluster calls Available: one that belongs to a claim, be it one that is gone, must keep its data. An error is what no wait mends.
func ready(item *Item, live, claim json.RawMessage) (bool, error) {
	if err := dying(item.ID, live); err != nil {
		return false, err
	}
	if item.Pair.Name != "" {
		return claim != nil && isBound(live, claim), nil
	}
	switch phase := phaseOf(live); {
	case tiedUID(live) != "", phase != "Available" && phase != "Pending" && phase != "":
		return false, fmt.Errorf("%s belongs to a claim %s that was not here (it is %s) and keeps reclaim policy %s: restore again if the claim is here now, else see who has deleted it",
			item.ID, claimOf(live), cmp.Or(phase, "in no phase yet"), reclaimPolicy(live))
	default:
		return phase == "Available", nil
	}
}

// finish puts the reclaim policy of a volume back. A volume that has changed since it was read is looked at again.
func (e *execution) finish(ctx context.Context, v *volume) (done bool, err error) {
	if annotation(v.live, restoreAnnotation) == e.plan.key && annotation(v.live, policyAnnotation) != "" {
		_, err := e.client.Patch(ctx, resourceOf(v.item.ID), v.item.ID.Name, putBack(v.live), kube.WriteOptions{})
		switch {
		case apierrors.IsConflict(err), errors.Is(err, kube.ErrUnanswered) && ctx.Err() == nil:
			return false, nil
		case err != nil:
			return false, err
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.made[v.item.ID] && v.item.State == Unfinished {
		e.report.Created++ // an earlier run had made it
	}
	v.item.State = Same
	return true, nil
}

// isBound tells whether a volume and a claim are bound to each other: a claim of that name may be another one than the volume's, whose
// phase then changes only later.
func isBound(volume, claim json.RawMessage) bool {
	uid := tiedUID(volume)
	return phaseOf(volume) == "Bound" && phaseOf(claim) == "Bound" && claimID(volume) == objects.IDOf(claim) && volumeID(claim) == objects.IDOf(volume) &&
		uid != "" && uid == gjson.GetBytes(claim, "metadata.uid").String()
}

// unbound says which volumes have not found their claims, and what to do.
func unbound(open map[objects.ID]*volume) error {
	var problems []error
	for _, v := range inOrder(open) {
		policy := ""
		if to := annotation(v.live, policyAnnotation); to != "" {
			policy = fmt.Sprintf("; it keeps reclaim policy Retain, to be %s when it is bound", to)
		}
		phase := cmp.Or(phaseOf(v.live), "in no phase yet")
		if v.item.Pair.Name == "" {
			problems = append(problems, fmt.Errorf("%s is not Available, but %s%s; see whether the cluster's volume controller works, then restore again with the same key", v.item.ID, phase, policy))
			continue
		}
		problems = append(problems, fmt.Errorf("%s is not bound to %s, but %s%s; see why (kubectl describe pvc -n %s %s), then restore again with the same key",
			v.item.ID, v.item.Pair, phase, policy, v.item.Pair.Namespace, v.item.Pair.Name))
	}
	return joined(problems)
}

// wait waits longer from try to try, at most 5 s.
func wait(ctx context.Context, try int) error {
	return pause.For(ctx, min(200*time.Millisecond<<min(try-1, 10), 5*time.Second))
}
