package jobs

import (
	"context"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"plan/internal/errclass"
	"plan/internal/kube"
	"plan/internal/pause"
	"plan/internal/workload"
)

// Start creates what is missing of the objects, in an order that starts nothing before all is there, and starts the workload. It may be called
// again after any end of it: what is there and ours is adopted. On an error nothing was started, unless it is errclass.ErrLost.
func (r *Runner) Start(ctx context.Context, o *workload.Objects) (Handle, error) {
	h, err := r.create(ctx, o)
	if err != nil {
		return h, err
	}
	if !h.Started {
		if err := r.note(h, false); err != nil {
			return h, err
		}
		o.Own(h.UID)
		if err := r.parts(ctx, o); err != nil {
			return h, err
		}
		return h, r.release(ctx, h, o)
	}
	return h, nil
}

func (r *Runner) note(h Handle, removing bool) error {
	n := noted{r.Namespace, r.Name, h.UID, int64(r.TTL.Seconds()), removing}
	if r.Deployment {
		n.TTL = -1
	}
	data, err := json.Marshal(n)
	if err == nil {
		err = r.Note(r.Key, string(data))
	}
	if err != nil {
		return fmt.Errorf("note %s: %w", r.what(), err)
	}
	return nil
}

// create makes the workload, stopped, or takes the one that this attempt has made before.
func (r *Runner) create(ctx context.Context, o *workload.Objects) (Handle, error) {
	var body any = o.Job
	if r.Deployment {
		body = o.Deployment
	}
	data, existed, err := r.ensure(ctx, r.Resource(), r.Name, body)
	if err != nil {
		return Handle{}, fmt.Errorf("create %s: %w", r.what(), err)
	}
	var stored object
	if err := json.Unmarshal(data, &stored); err != nil {
		return Handle{}, fmt.Errorf("create %s: read the answer: %w", r.what(), err)
	}
	h := r.handle(&stored)
	switch {
	case !existed:
		h.Hash = o.Hash
	case !stored.mine(labelsOf(o)):
		return h, fmt.Errorf("create %s: it is there already: %w: choose another name, or delete it if it is not needed", r.what(), ErrForeign)
	case stored.Metadata.DeletionTimestamp != "":
		return h, fmt.Errorf("create %s: somebody is deleting it: %w", r.what(), errclass.ErrLost)
	case h.Hash != o.Hash && !h.Started:
		if err := r.Remove(ctx, h); err != nil {
			return h, err
		}
		return h, fmt.Errorf("create %s: an earlier process has created it, and did not start it, and %w: it was removed; start a new attempt", r.what(), ErrChanged)
	}
	return h, nil
}

// labelsOf are the labels of the workload in o.
func labelsOf(o *workload.Objects) map[string]string {
	if o.Deployment != nil {
		return o.Deployment.Labels
	}
	return o.Job.Labels
}

// mine tells whether a stored workload is of the attempt whose labels these are.
func (o *object) mine(labels map[string]string) bool {
	for _, name := range []string{workload.ManagedBy, workload.LabelRun, workload.LabelStep, workload.LabelInstance, workload.LabelAttempt} {
		if o.Metadata.Labels[name] != labels[name] {
			return false
		}
	}
	return o.ours()
}

// ours tells whether plan has made it, for whatever run.
func (o *object) ours() bool {
	return o.Metadata.Labels[workload.ManagedBy] == workload.Manager && o.Metadata.Labels[workload.LabelRun] != "" && o.Metadata.Annotations[workload.AnnotationHash] != ""
}

// ensure creates an object, or reads the one of that name. After an answer that does not tell, it looks before it tries again.
func (r *Runner) ensure(ctx context.Context, res kube.Resource, name string, object any) (data json.RawMessage, existed bool, err error) {
	body, err := json.Marshal(object)
	if err != nil {
		return nil, false, err
	}
	for delay := firstDelay; ; delay = min(2*delay, lastDelay) {
		data, err := r.Kube.Create(ctx, res, name, body, kube.WriteOptions{})
		switch {
		case err == nil:
			return data, false, nil
		case !apierrors.IsAlreadyExists(err) && !kube.Passing(err):
			return nil, false, err
		}
		data, getErr := r.read(ctx, res, name)
		if data != nil {
			return data, true, nil
		}
		if getErr != nil || pause.For(ctx, delay) != nil {
			return nil, false, err
		}
	}
}

// parts makes the ConfigMaps and Secrets.
func (r *Runner) parts(ctx context.Context, o *workload.Objects) error {
	for _, m := range o.ConfigMaps {
		if err := r.part(ctx, "configmaps", m.Name, m, string(m.OwnerReferences[0].UID)); err != nil {
			return err
		}
	}
	for _, s := range o.Secrets {
		if err := r.part(ctx, "secrets", s.Name, s, string(s.OwnerReferences[0].UID)); err != nil {
			return err
		}
	}
	return nil
}

// part makes one. One that is there must be of this very workload: then it is ours, whole, and since it is immutable as it was made. One of a
// workload of the same name that was replaced is waited out: the cluster's garbage collector is about to remove it.
func (r *Runner) part(ctx context.Context, resource, name string, object any, owner string) error {
	res := kube.Resource{Version: "v1", Resource: resource, Namespace: r.Namespace}
	for {
		data, existed, err := r.ensure(ctx, res, name, object)
		if err != nil {
			return fmt.Errorf("create %s %s/%s: %w", resource, r.Namespace, name, err)
		}
		var stored struct {
			Metadata struct {
				OwnerReferences []struct{ Name, UID string }
				Labels          map[string]string
			}
			Immutable bool
		}
		if err := json.Unmarshal(data, &stored); err != nil {
			return fmt.Errorf("create %s %s/%s: read the answer: %w", resource, r.Namespace, name, err)
		}
		owners := stored.Metadata.OwnerReferences
		switch {
		case !existed || len(owners) == 1 && owners[0].UID == owner && stored.Immutable:
			return nil
		case len(owners) != 1 || owners[0].Name != r.Name || owners[0].UID == owner || stored.Metadata.Labels[workload.ManagedBy] != workload.Manager:
			return fmt.Errorf("create %s %s/%s: it is there already: %w", resource, r.Namespace, name, ErrForeign)
		}
		if err := pause.For(ctx, firstDelay); err != nil {
			return fmt.Errorf("create %s %s/%s: wait for the one of an earlier workload to go: %w", resource, r.Namespace, name, err)
		}
	}
}

// release starts the workload: the one write that does. When its answer is lost, the object tells.
func (r *Runner) release(ctx context.Context, h Handle, o *workload.Objects) error {
	patch := map[string]any{"metadata": map[string]any{"uid": h.UID}, "spec": map[string]any{"suspend": false}}
	switch {
	case r.Deployment:
		patch["spec"] = map[string]any{"replicas": o.Replicas}
	case o.Queue != "":
		patch = map[string]any{"metadata": map[string]any{"uid": h.UID, "labels": map[string]string{workload.LabelQueue: o.Queue}}}
	}
	body, err := json.Marshal(patch)
	if err != nil {
		return fmt.Errorf("start %s: %w", r.what(), err)
	}
	for delay := firstDelay; ; delay = min(2*delay, lastDelay) {
		_, err := r.Kube.Patch(ctx, r.Resource(), r.Name, body, kube.WriteOptions{})
		if err == nil {
			return nil
		}
		if !kube.Passing(err) {
			return fmt.Errorf("start %s: %w", r.what(), err)
		}
		stored, getErr := r.get(ctx)
		switch {
		case getErr != nil:
			return fmt.Errorf("start %s: %w: %w", r.what(), errclass.ErrLost, err)
		case stored == nil || stored.Metadata.UID != h.UID:
			return fmt.Errorf("start %s: it is gone: %w", r.what(), errclass.ErrLost)
		case r.handle(stored).Started:
			return nil
		}
		if pause.For(ctx, delay) != nil {
			return fmt.Errorf("start %s: %w: %w", r.what(), errclass.ErrLost, err)
		}
	}
}
