package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dustin/go-humanize/english"
	"github.com/tidwall/gjson"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"

	"plan/internal/errclass"
	"plan/internal/kube"
	"plan/internal/pause"
	"plan/internal/workload"
)

// podGrace is how many seconds the pods of a workload that is taken away get to end: less than whoever waits for it has.
const podGrace = 2

// Remove takes the very workload away, with its pods, ConfigMaps and Secrets, and returns when the cluster has none of its pods any more. What
// cannot be confirmed until ctx ends is errclass.ErrLost: it may be working still.
func (r *Runner) Remove(ctx context.Context, h Handle) error {
	asked := false
	for delay := 50 * time.Millisecond; ; delay = min(2*delay, 500*time.Millisecond) {
		gone, err := r.remove(ctx, h, &asked)
		if err == nil && gone {
			return nil
		}
		if err != nil && !kube.Passing(err) {
			return fmt.Errorf("delete %s: %w: %w", r.what(), errclass.ErrLost, err)
		}
		if pause.For(ctx, delay) != nil {
			return fmt.Errorf("delete %s: it was asked to go, and its end was not seen: %w", r.what(), errors.Join(errclass.ErrLost, err))
		}
	}
}

// remove takes the next step: it asks for the deletion until the server has taken it, then looks.
func (r *Runner) remove(ctx context.Context, h Handle, asked *bool) (gone bool, err error) {
	if !*asked {
		err := r.Kube.Remove(ctx, r.Resource(), r.Name, kube.Removal{UID: h.UID, Propagation: "Foreground"})
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) { // a conflict: another of that name
			return false, err
		}
		*asked = true
	}
	pods, err := r.pods(ctx, h)
	if err != nil {
		return false, err
	}
	for _, name := range pods {
		err := r.Kube.Remove(ctx, r.podResource(h), name, kube.Removal{Grace: new(int64(podGrace))})
		if err != nil && !apierrors.IsNotFound(err) {
			return false, err
		}
	}
	if len(pods) > 0 {
		return false, nil
	}
	data, err := r.Kube.Get(ctx, r.Resource(), r.Name)
	if apierrors.IsNotFound(err) || err == nil && gjson.GetBytes(data, "metadata.uid").String() != h.UID {
		return true, nil
	}
	return false, err
}

// podResource are the pods of a workload. A Job's controller puts its UID on them.
func (r *Runner) podResource(h Handle) kube.Resource {
	res := kube.Resource{Version: "v1", Resource: "pods", Namespace: r.Namespace, Selector: "batch.kubernetes.io/controller-uid=" + h.UID}
	if r.Deployment {
		res.Selector = r.Selector
	}
	return res
}

// pods are the names of those that still are there and not asked to go with so little grace.
func (r *Runner) pods(ctx context.Context, h Handle) (names []string, err error) {
	for page, err := range r.Kube.List(ctx, r.podResource(h), 0) {
		if err != nil {
			return nil, err
		}
		for _, item := range page.Items {
			names = append(names, gjson.GetBytes(item, "metadata.name").String())
		}
	}
	return names, nil
}

// Replace takes away a workload of that name that plan has made, for another run or attempt; one of this attempt stays, any other is
// ErrForeign.
func (r *Runner) Replace(ctx context.Context, o *workload.Objects) error {
	there, err := r.get(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("look for %s: %w", r.what(), err)
	case there == nil || there.mine(labelsOf(o)):
		return nil
	case !there.ours():
		return fmt.Errorf("replace %s: %w, nor by any other of plan", r.what(), ErrForeign)
	}
	old, h := *r, r.handle(there)
	old.Selector = labels.Set(there.Spec.Selector.MatchLabels).String() // of a Deployment: its pods have other labels than ours will have
	pods, err := old.pods(ctx, h)
	if err != nil {
		return fmt.Errorf("replace %s: %w", r.what(), err)
	}
	r.Log("%s of run %s is replaced; it has %s", r.what(), there.Metadata.Labels[workload.LabelRun], english.Plural(len(pods), "pod", ""))
	return old.Remove(ctx, h)
}

// Abandon takes away what an attempt has made that ends without an outcome; gone tells whether there was something. Without a handle the
// workload is looked for by its name, and left if its labels are not those given. One that cannot be looked for may be at work: errclass.ErrLost.
func (r *Runner) Abandon(ctx context.Context, h *Handle, labels map[string]string) (gone bool, err error) {
	if h == nil || h.UID == "" {
		there, err := r.get(ctx)
		switch {
		case err != nil:
			return false, fmt.Errorf("look for %s: %w: %w", r.what(), errclass.ErrLost, err)
		case there == nil || !there.mine(labels):
			return false, nil
		}
		found := r.handle(there)
		h = &found
	}
	// So that a process which finds it gone knows why. Where that cannot be noted any more, it will not know, and say so.
	if err := r.note(*h, true); err != nil {
		r.Log("%v", err)
	}
	return true, r.Remove(ctx, *h)
}

// Found is a workload that is there under the name.
type Found struct{ object *object }

// Ours tells whether plan has made it.
func (f *Found) Ours() bool { return f.object.ours() }

// Look reads the workload of that name; nil if there is none.
func (r *Runner) Look(ctx context.Context) (*Found, error) {
	o, err := r.get(ctx)
	if err != nil {
		return nil, fmt.Errorf("look for %s: %w", r.what(), err)
	}
	if o == nil {
		return nil, nil
	}
	return &Found{o}, nil
}

// Mine tells whether what was found is this attempt's.
func (r *Runner) Mine(f *Found, o *workload.Objects) bool { return f.object.mine(labelsOf(o)) }
