package runjob

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"

	"plan/internal/errclass"
	"plan/internal/jobs"
	"plan/internal/kube"
	"plan/internal/podlogs"
	"plan/internal/workload"
	"plan/steps"
)

// How long it takes at most to take a workload away that nobody waits for any more: less than an attempt gets after its time, and after
// a cancellation.
const (
	afterTimeout = 4500 * time.Millisecond
	afterCancel  = 9 * time.Second
)

// logsAfterEnd is how long the rest of the pods' logs may take once the work is done.
const logsAfterEnd = 10 * time.Second

// Run starts the workload, or takes up the one that an earlier process has started for this attempt, and waits for its end.
func (a *Action) Run(ctx context.Context, env *steps.Env) (steps.Result, error) {
	if err := ctx.Err(); err != nil {
		return steps.Result{}, err
	}
	r := a.runner(env)
	h, err := r.Adopt(ctx)
	commit := ""
	switch {
	case errors.Is(err, jobs.ErrRemoved):
		return steps.Result{}, fmt.Errorf("%w: %w", steps.ErrOver, err)
	case err != nil:
		return steps.Result{}, a.given(ctx, env, r, nil, err)
	case h != nil:
		env.Log("%s %s goes on: an earlier process has started it", a.Workload, h.Name)
		commit = h.Commit
	default:
		if h, commit, err = a.start(ctx, env, r); err != nil {
			return steps.Result{}, a.given(ctx, env, r, h, err)
		}
	}
	if a.Detach {
		return steps.Result{
			Outputs: map[string]any{"jobName": h.Name, "uid": h.UID, "imageDigest": "", "commit": commit, "exitCodes": []any{}, "pods": int64(0)},
			Reason:  "job " + h.Name + " is started; nobody waits for it",
		}, nil
	}
	outcome, tails, err := a.follow(ctx, env, r, *h)
	if err != nil {
		return steps.Result{}, a.given(ctx, env, r, h, err)
	}
	return a.result(r, *h, commit, outcome, tails)
}

// start brings the work, makes the objects and starts them.
func (a *Action) start(ctx context.Context, env *steps.Env, r *jobs.Runner) (*jobs.Handle, string, error) {
	c := &courier{action: a, dir: env.Dir, value: env.Secret, log: env.Log, note: env.Note, noted: env.Noted}
	work, err := c.bring(ctx)
	if err != nil {
		return nil, "", err
	}
	for _, line := range work.about {
		env.Log("%s", line)
	}
	spec, err := a.spec(env.Scope, work, env.Secret)
	if err != nil {
		return nil, "", err
	}
	if spec.Borrowed, err = a.borrow(ctx, env); err != nil {
		return nil, "", err
	}
	objects, err := workload.Build(spec)
	if err != nil {
		return nil, "", err
	}
	if a.Replace {
		if err := r.Replace(ctx, objects); err != nil {
			return nil, "", err
		}
	}
	h, err := r.Start(ctx, objects)
	return &h, work.commit, err
}

// follow waits for the end and reads the logs meanwhile. The tails are the last lines of each pod.
func (a *Action) follow(ctx context.Context, env *steps.Env, r *jobs.Runner, h jobs.Handle) (*jobs.Outcome, *podlogs.Tail, error) {
	tails := podlogs.NewTail(env.Mask)
	follower := podlogs.Follow(ctx, env.Kube, r.Namespace, podlogs.Options{Workload: h.Name, Line: func(l podlogs.Line) {
		tails.Add(l)
		env.PodLog(steps.PodLine{Pod: l.Pod, Container: l.Container, Text: l.String()})
	}})
	outcome, err := r.Follow(ctx, h, jobs.Watching{
		StartTimeout: a.StartTimeout.Duration(), Replicas: int32(a.Parallelism), Log: env.Log,
		Pod:      func(object json.RawMessage, gone bool) { follower.Pod(podlogs.StateOf(object, gone)) },
		Progress: func(done, total int64) { env.Progress("pods", done, total, "pods") },
	})
	rest, cancel := context.WithTimeout(ctx, logsAfterEnd)
	defer cancel()
	if waited := follower.Wait(rest); waited != nil && err == nil {
		env.Log("%v", waited)
	}
	for pod, tail := range tails.Pods() {
		if keepErr := env.KeepLog(pod, []byte(tail)); keepErr != nil {
			env.Log("keep the log of pod %s: %v", pod, keepErr)
		}
	}
	return outcome, tails, err
}

// result is what the step says of an outcome.
func (a *Action) result(r *jobs.Runner, h jobs.Handle, commit string, o *jobs.Outcome, tails *podlogs.Tail) (steps.Result, error) {
	result := steps.Result{Settle: func(ctx context.Context) error { return r.Settle(ctx, h.UID, a.TTL.Duration()) }}
	if o.Failed {
		failed := &jobs.JobFailed{What: fmt.Sprintf("job %s/%s", r.Namespace, h.Name), Outcome: o}
		result.Reason = failed.Error() + lastLines(o, tails)
		return result, failed
	}
	outputs, err := a.outputs(h, commit, o)
	if err != nil {
		return result, err
	}
	result.Outputs = outputs
	result.Reason = fmt.Sprintf("job %s: %d of %d pods succeeded", h.Name, a.completions(), a.completions())
	if a.deployment() {
		result.Reason = fmt.Sprintf("deployment %s: %s available", h.Name, english.Plural(int(a.Parallelism), "pod", ""))
	}
	return result, nil
}

// settle sets the TTL of Jobs whose outcome an earlier process has recorded.
func settle(ctx context.Context, client *kube.Client, noted map[string]string) error {
	var errs []error
	for key, note := range noted {
		if strings.HasPrefix(key, noteWorkload) {
			errs = append(errs, jobs.SettleNoted(ctx, client, note))
		}
	}
	return errors.Join(errs...)
}

// lastLines are the last lines of the first pod that failed.
func lastLines(o *jobs.Outcome, tails *podlogs.Tail) string {
	kept := tails.Pods()
	for _, p := range o.Pods {
		lines := strings.Split(strings.TrimRight(kept[p.Name], "\n"), "\n")
		if p.OK() || lines[0] == "" {
			continue
		}
		lines = lines[max(0, len(lines)-3):]
		for i, line := range lines {
			_, lines[i], _ = strings.Cut(line, " ") // without its time
		}
		return "; its last lines: " + strings.Join(lines, " | ")
	}
	return ""
}

// given is what becomes of a workload when the attempt does not come to an outcome, and the error of the attempt.
func (a *Action) given(ctx context.Context, env *steps.Env, r *jobs.Runner, h *jobs.Handle, err error) error {
	// Without a handle nothing was made: the source could not be brought, or the cluster has refused.
	nothing := ctx.Err() == nil && (h == nil || h.UID == "")
	if errclass.Classify(err).Class == errclass.Lost && ctx.Err() == nil || errors.Is(err, jobs.ErrForeign) || nothing {
		return err
	}
	timedOut := errors.Is(ctx.Err(), context.DeadlineExceeded)
	switch {
	case ctx.Err() != nil && env.HandedOn(ctx):
		return context.Cause(ctx) // the next process takes it up
	case ctx.Err() != nil && !timedOut && (a.OnCancel == cancelKeep || a.deployment()):
		env.Log("%s %s/%s is left as it is: plan jobs rm %s takes it away", a.Workload, r.Namespace, r.Name, r.Name)
		return err
	}
	limit := afterCancel
	if timedOut {
		limit = afterTimeout
	}
	own, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	gone, removeErr := r.Abandon(own, h, a.identity(env.Scope))
	switch {
	case removeErr != nil:
		return fmt.Errorf("%w (after: %v)", removeErr, err)
	case gone:
		env.Log("%s %s/%s and its pods were taken away", a.Workload, r.Namespace, r.Name)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx) // whatever it was that could not be known: nothing of it is left
	}
	return err
}

// identity are the labels by which an object is known to be this attempt's.
func (a *Action) identity(scope steps.Scope) map[string]string {
	spec, err := a.spec(scope, &carried{}, blank)
	if err != nil {
		return nil // it would have failed before anything was made
	}
	return spec.Labels
}
