package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"plan/internal/errclass"
	"plan/internal/kube"
)

// Watching says what is waited for, and who is told.
type Watching struct {
	StartTimeout time.Duration                           // how long it may take until a pod works; 0: as long as ctx lasts
	Replicas     int32                                   // of a Deployment
	Pod          func(object json.RawMessage, gone bool) // each new state of each pod; one call at a time
	Progress     func(done, total int64)                 // pods that have succeeded; of a Deployment, that are available
	Log          func(format string, args ...any)        // trouble, and why pods do not start
}

// Follow waits for the end of a workload that was started: of a Job its terminal condition, of a Deployment that its rollout is available. It is
// told by watches and goes on through every error; only the end of ctx, a pod that cannot start within StartTimeout (*Stuck), and the
// workload's disappearance (errclass.ErrLost) end it otherwise. The pods in the outcome are read after the end.
func (r *Runner) Follow(ctx context.Context, h Handle, o Watching) (*Outcome, error) {
	ctx, cancel := context.WithCancel(ctx)
	f := &following{runner: r, handle: h, watching: o, pods: map[string]*corev1.Pod{}, said: map[string]bool{}}
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	self := r.Resource()
	self.Fields = "metadata.name=" + r.Name
	workloads, pods := make(chan kube.Watched), make(chan kube.Watched)
	trouble := make(chan error, 16)
	for ch, res := range map[chan kube.Watched]kube.Resource{workloads: self, pods: r.podResource(h)} {
		group.Go(func() { watch(ctx, r.Kube, res, ch, trouble) })
	}
	f.clock = time.NewTimer(time.Hour)
	defer f.clock.Stop()
	f.clock.Stop()
	for {
		var end bool
		var err error
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case e := <-workloads:
			end, err = f.workload(ctx, e)
		case e := <-pods:
			err = f.pod(e)
		case <-f.clock.C:
			err = f.late(ctx)
		case err := <-trouble:
			f.tell("%v (it is watched on)", err)
		}
		if err != nil {
			return nil, err
		}
		if end {
			return f.outcome(ctx)
		}
	}
}

func watch(ctx context.Context, client *kube.Client, res kube.Resource, to chan<- kube.Watched, trouble chan<- error) {
	tell := func(err error) {
		select {
		case trouble <- err:
		default: // it repeats itself
		}
	}
	for e := range client.Watch(ctx, res, tell) {
		select {
		case to <- e:
		case <-ctx.Done():
			return
		}
	}
}

// following is one Follow. Its goroutine owns all of it.
type following struct {
	runner   *Runner
	handle   Handle
	watching Watching

	job        *batchv1.Job
	deployment *appsv1.Deployment
	pods       map[string]*corev1.Pod // by UID; those that are gone as they were last seen
	said       map[string]bool        // what was logged once

	clock   *time.Timer // StartTimeout, from when the cluster was allowed to start pods
	running bool        // the clock
	worked  bool        // some pod has got to work, ever
}

func (f *following) tell(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !f.said[text] && f.watching.Log != nil {
		f.watching.Log("%s", text)
	}
	f.said[text] = true
}

// workload takes news of the Job or Deployment in and tells whether it is at its end.
func (f *following) workload(ctx context.Context, e kube.Watched) (end bool, err error) {
	if e.Synced && f.job == nil && f.deployment == nil || e.Gone && e.UID == f.handle.UID {
		return false, f.missing(ctx)
	}
	if e.Synced || e.UID != f.handle.UID {
		return false, nil
	}
	if f.runner.Deployment {
		f.deployment = &appsv1.Deployment{}
		if err := json.Unmarshal(e.Object, f.deployment); err != nil {
			return false, fmt.Errorf("read %s: %w", f.runner.what(), err)
		}
		f.startClock(true)
		return f.available()
	}
	f.job = &batchv1.Job{}
	if err := json.Unmarshal(e.Object, f.job); err != nil {
		return false, fmt.Errorf("read %s: %w", f.runner.what(), err)
	}
	f.startClock(f.job.Spec.Suspend == nil || !*f.job.Spec.Suspend)
	f.progress(int64(f.job.Status.Succeeded), int64(*f.job.Spec.Completions))
	return terminal(f.job) != nil, nil
}

func (f *following) progress(done, total int64) {
	if f.watching.Progress != nil {
		f.watching.Progress(done, total)
	}
}

// missing asks whether the workload is really gone: a watch may begin with an old state.
func (f *following) missing(ctx context.Context) error {
	o, err := f.runner.get(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		f.tell("look for %s: %v", f.runner.what(), err)
	case o == nil || o.Metadata.UID != f.handle.UID:
		return fmt.Errorf("%s was deleted while it was at work: %w", f.runner.what(), errclass.ErrLost)
	}
	return nil
}

// startClock runs the time that pods have to get to work. It stands while the cluster is not to start any.
func (f *following) startClock(allowed bool) {
	switch {
	case f.watching.StartTimeout <= 0:
	case allowed && !f.running && !f.worked:
		f.clock.Reset(f.watching.StartTimeout)
		f.running = true
	case !allowed && f.running:
		f.clock.Stop()
		f.running = false
	}
}

// terminal is the condition that ended a Job; nil while it has none. SuccessCriteriaMet and FailureTarget come before it, when pods still run.
func terminal(j *batchv1.Job) *batchv1.JobCondition {
	for i, c := range j.Status.Conditions {
		if (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) && c.Status == corev1.ConditionTrue {
			return &j.Status.Conditions[i]
		}
	}
	return nil
}

// available tells whether the rollout of a Deployment is done (as kubectl rollout status does).
func (f *following) available() (bool, error) {
	d := f.deployment
	s := d.Status
	f.progress(int64(s.AvailableReplicas), int64(f.watching.Replicas))
	if s.ObservedGeneration < d.Generation || d.Spec.Replicas == nil || *d.Spec.Replicas == 0 {
		return false, nil
	}
	for _, c := range s.Conditions {
		if c.Type == appsv1.DeploymentProgressing && c.Reason == "ProgressDeadlineExceeded" {
			return false, fmt.Errorf("%s: its rollout does not come about: %s", f.runner.what(), c.Message)
		}
	}
	return s.UpdatedReplicas == *d.Spec.Replicas && s.Replicas == s.UpdatedReplicas && s.AvailableReplicas == s.UpdatedReplicas, nil
}

// pod takes news of a pod in.
func (f *following) pod(e kube.Watched) error {
	if e.Synced {
		return nil
	}
	p := &corev1.Pod{}
	if err := json.Unmarshal(e.Object, p); err != nil {
		return fmt.Errorf("read a pod of %s: %w", f.runner.what(), err)
	}
	f.pods[e.UID] = p
	if !f.worked && hasWorked(p) {
		f.worked, f.running = true, false
		f.clock.Stop()
	}
	if reason := waiting(p); reason != nil && !e.Gone {
		f.tell("pod %s waits: %s", p.Name, reason)
	}
	if f.watching.Pod != nil {
		f.watching.Pod(e.Object, e.Gone)
	}
	return nil
}

// outcome reads the pods once more, since the watch of pods may be behind that of the Job, and puts everything together.
func (f *following) outcome(ctx context.Context) (*Outcome, error) {
	for {
		err := f.readPods(ctx)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if !kube.Passing(err) && !errors.Is(err, kube.ErrExpired) {
			f.tell("list the pods of %s: %v (as they were last seen)", f.runner.what(), err)
			break
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
	return f.sum(), nil
}

func (f *following) readPods(ctx context.Context) error {
	for page, err := range f.runner.Kube.List(ctx, f.runner.podResource(f.handle), 0) {
		if err != nil {
			return err
		}
		for _, item := range page.Items {
			if err := f.pod(kube.Watched{Object: item, UID: uidOf(item)}); err != nil {
				return err
			}
		}
	}
	return nil
}
