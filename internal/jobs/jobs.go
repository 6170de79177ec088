// Package jobs starts the workloads of package workload on a cluster, follows them to their end and takes them away.
//
// A workload is created stopped, then what it needs, and one patch starts it: a crash in between leaves a thing that does nothing and is found
// by its name. Before that patch its UID is noted for good; so whoever comes later can tell one that was never started from one that is gone.
package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"plan/internal/errclass"
	"plan/internal/kube"
	"plan/internal/pause"
	"plan/internal/workload"
)

// ErrForeign means that an object of the name is there that is not of this attempt. It is never changed.
var ErrForeign = errors.New("it was not made by this attempt")

// ErrRemoved means that an earlier process of this attempt has taken the workload away: it is gone, with its pods.
var ErrRemoved = errors.New("an earlier process has taken it away")

// ErrChanged means that the workload was created of something else than there is now, and was never started.
var ErrChanged = errors.New("what it was made of has changed since")

// Runner does the work for one attempt.
type Runner struct {
	Kube       *kube.Client
	Namespace  string
	Name       string
	Deployment bool
	Selector   string // of a Deployment's pods
	TTL        time.Duration

	// Note keeps a value for good before it returns, and Noted is what was kept by earlier processes and attempts of the step. Key is where
	// this attempt's workload is noted.
	Note  func(key, value string) error
	Noted map[string]string
	Key   string

	Log func(format string, args ...any)
}

// Handle is a workload that is there.
type Handle struct {
	Name, UID string
	Started   bool
	Hash      string // of what it was created from
	Commit    string // the git commit it works with
}

// noted is what is kept of a workload.
type noted struct {
	Namespace, Name, UID string
	TTL                  int64 `json:",omitempty"` // seconds; -1: it is a Deployment, and stays
	Removing             bool  `json:",omitempty"` // it was to be taken away, whatever has become of that
}

// Resource is what the workload is an object of.
func (r *Runner) Resource() kube.Resource {
	if r.Deployment {
		return kube.Resource{Group: "apps", Version: "v1", Resource: "deployments", Namespace: r.Namespace}
	}
	return kube.Resource{Group: "batch", Version: "v1", Resource: "jobs", Namespace: r.Namespace}
}

// what names the workload in messages.
func (r *Runner) what() string {
	if r.Deployment {
		return "deployment " + r.Namespace + "/" + r.Name
	}
	return "job " + r.Namespace + "/" + r.Name
}

// object is what matters here of a Job or Deployment.
type object struct {
	Metadata struct {
		Name, UID         string
		DeletionTimestamp string
		Generation        int64
		Labels            map[string]string
		Annotations       map[string]string
	}
	Spec struct {
		Suspend  *bool
		Replicas *int32
		Selector struct{ MatchLabels map[string]string }
	}
}

// handle tells what is there of a stored object. A Job in a queue of Kueue counts as started once it has its label.
func (r *Runner) handle(o *object) Handle {
	started := o.Spec.Suspend != nil && !*o.Spec.Suspend || o.Metadata.Labels[workload.LabelQueue] != ""
	if r.Deployment {
		started = o.Spec.Replicas != nil && *o.Spec.Replicas > 0
	}
	annotations := o.Metadata.Annotations
	return Handle{
		Name: o.Metadata.Name, UID: o.Metadata.UID, Started: started,
		Hash: annotations[workload.AnnotationHash], Commit: annotations[workload.AnnotationCommit],
	}
}

// get reads the workload from the server itself, which never answers from an old state; nil if there is none. It asks until it is answered.
func (r *Runner) get(ctx context.Context) (*object, error) {
	data, err := r.read(ctx, r.Resource(), r.Name)
	if data == nil || err != nil {
		return nil, err
	}
	o := &object{}
	if err := json.Unmarshal(data, o); err != nil {
		return nil, fmt.Errorf("read %s: %w", r.what(), err)
	}
	return o, nil
}

// read gets an object, nil if there is none; what passes by itself is waited for.
func (r *Runner) read(ctx context.Context, res kube.Resource, name string) (json.RawMessage, error) {
	for delay := firstDelay; ; delay = min(2*delay, lastDelay) {
		data, err := r.Kube.Get(ctx, res, name)
		switch {
		case err == nil:
			return data, nil
		case apierrors.IsNotFound(err):
			return nil, nil
		case !kube.Passing(err) || pause.For(ctx, delay) != nil:
			return nil, err
		}
	}
}

// The waits between tries of a request that passes by itself.
const (
	firstDelay = 200 * time.Millisecond
	lastDelay  = 5 * time.Second
)

// Adopt looks for the workload that an earlier process has noted: the handle of one that was started, or nil where there is all to do. One
// that was noted and is gone cannot be told from one that did its work: errclass.ErrLost. One that was being taken away is seen gone first: ErrRemoved.
func (r *Runner) Adopt(ctx context.Context) (*Handle, error) {
	text, known := r.Noted[r.Key]
	if !known {
		return nil, nil
	}
	var n noted
	if err := json.Unmarshal([]byte(text), &n); err != nil {
		return nil, fmt.Errorf("read what was noted of %s: %w", r.what(), err)
	}
	if n.Removing {
		if err := r.Remove(ctx, Handle{Name: n.Name, UID: n.UID}); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("%s: %w", r.what(), ErrRemoved)
	}
	o, err := r.get(ctx)
	switch {
	case err != nil:
		return nil, fmt.Errorf("look for %s: %w", r.what(), err)
	case o == nil:
		return nil, fmt.Errorf("%s (UID %s) was created and is gone, and nobody knows how it ended: %w", r.what(), n.UID, errclass.ErrLost)
	case o.Metadata.UID != n.UID:
		return nil, fmt.Errorf("%s has the UID %s, and this attempt's had %s: %w", r.what(), o.Metadata.UID, n.UID, errclass.ErrLost)
	}
	h := r.handle(o)
	if !h.Started {
		return nil, nil
	}
	return &h, nil
}

// Settle lets the cluster remove a finished Job after the TTL. Call it when the outcome is recorded: before, a long outage would let the Job
// vanish unseen. A Deployment stays.
func (r *Runner) Settle(ctx context.Context, uid string, ttl time.Duration) error {
	if r.Deployment {
		return nil
	}
	patch := fmt.Appendf(nil, `{"metadata":{"uid":%q},"spec":{"ttlSecondsAfterFinished":%d}}`, uid, int64(ttl.Seconds()))
	_, err := r.Kube.Patch(ctx, r.Resource(), r.Name, patch, kube.WriteOptions{})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) { // a conflict: another of that name
		return fmt.Errorf("set the TTL of %s: %w", r.what(), err)
	}
	return nil
}

// SettleNoted is Settle for a workload that an earlier process has noted.
func SettleNoted(ctx context.Context, client *kube.Client, note string) error {
	var n noted
	if err := json.Unmarshal([]byte(note), &n); err != nil {
		return fmt.Errorf("read what was noted of a workload: %w", err)
	}
	r := &Runner{Kube: client, Namespace: n.Namespace, Name: n.Name, Deployment: n.TTL < 0}
	return r.Settle(ctx, n.UID, time.Duration(n.TTL)*time.Second)
}
