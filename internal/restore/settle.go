package restore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tidwall/gjson"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"plan/internal/kube"
	"plan/internal/objects"
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

// open are the volumes that are not done: unfinished ones, and those whose claims were made just now.
func (e *execution) open() map[objects.ID]*volume {
	open := map[objects.ID]*volume{}
	for _, item := range e.plan.Items {
		if item.ID.Kind == volumeKind && (item.State == Unfinished || e.made[item.Pair]) && item.State != Different {
			open[item.ID] = &volume{item: item}
		}
	}
	return open
}

// poll looks at all claims and volumes once, and takes those that are done out of open. A claim is told that it is bound after its volume,
// so with a claim that is, both are.
func (e *execution) poll(ctx context.Context, open map[objects.ID]*volume) error {
	claims := map[objects.ID]bool{}
	for _, v := range open {
		if v.item.Pair.Name != "" {
			claims[v.item.Pair] = false
		}
	}
	err := each(ctx, e.client, kube.Resource{Version: "v1", Resource: "persistentvolumeclaims"}, func(raw json.RawMessage) error {
		if id := objects.IDOf(raw); gjson.GetBytes(raw, "status.phase").String() == "Bound" {
			if _, waited := claims[id]; waited {
				claims[id] = true
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	bound, err := e.look(ctx, open, claims)
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
		}
	}
	return nil
}

// look reads the volumes that are waited for, and gives those that are bound or have nobody to be bound to.
func (e *execution) look(ctx context.Context, open map[objects.ID]*volume, claims map[objects.ID]bool) ([]*volume, error) {
	seen := map[objects.ID]bool{}
	var bound []*volume
	err := each(ctx, e.client, kube.Resource{Version: "v1", Resource: "persistentvolumes"}, func(raw json.RawMessage) error {
		id := objects.IDOf(raw)
		if v := open[id]; v != nil {
			seen[id], v.live = true, raw
			if v.item.Pair.Name == "" || claims[v.item.Pair] && isBound(raw, v.item.Pair) {
				bound = append(bound, v)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var problems []error
	for id := range open {
		if !seen[id] {
			problems = append(problems, fmt.Errorf("%s is gone: somebody has deleted it meanwhile", id))
		}
	}
	return bound, joined(problems)
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

// isBound tells whether a volume is bound to that claim.
func isBound(volume json.RawMessage, claim objects.ID) bool {
	return gjson.GetBytes(volume, "status.phase").String() == "Bound" && claimID(volume) == claim && gjson.GetBytes(volume, "spec.claimRef.uid").String() != ""
}

// unbound says which volumes have not found their claims, and what to do.
func unbound(open map[objects.ID]*volume) error {
	var problems []error
	for id, v := range open {
		policy := ""
		if to := annotation(v.live, policyAnnotation); to != "" {
			policy = fmt.Sprintf("; it keeps reclaim policy Retain, to be %s when it is bound", to)
		}
		problems = append(problems, fmt.Errorf("%s is not bound to %s, but %s%s; see why (kubectl describe pvc -n %s %s), then restore again with the same key",
			id, v.item.Pair, gjson.GetBytes(v.live, "status.phase").String(), policy, v.item.Pair.Namespace, v.item.Pair.Name))
	}
	return joined(problems)
}

// pause waits longer from try to try, at most 5 s.
func pause(ctx context.Context, try int) error {
	timer := time.NewTimer(min(200*time.Millisecond<<min(try-1, 10), 5*time.Second))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
