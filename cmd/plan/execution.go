package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/tidwall/gjson"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"plan/engine"
	"plan/internal/kube"
	"plan/internal/lock"
	"plan/internal/printable"
	"plan/internal/runstore"
)

// execution is one process's part of a run: which run it is, where that is recorded, what earlier processes came to, and its lock.
type execution struct {
	*session
	request *request
	flags   RunFlags
	signals *signals

	runs    runstore.Store
	history *engine.History   // of this run's earlier processes, or, for steps that are left out, of the plan's last run
	goesOn  bool              // history is this run's
	leaves  map[string]string // steps that are left out, with the reason
	held    *lock.Held        // nil without spec.concurrency
}

// maxClusterInstances bounds a run that is recorded in the cluster: a ConfigMap holds no more.
const maxClusterInstances = 2000

// narrow finds out which steps are left out, and where the run is recorded, before anything is read.
func (e *execution) narrow() (err error) {
	e.recordsInCluster = e.flags.inCluster(e.app)
	if n := e.instances(); e.recordsInCluster && n > maxClusterInstances {
		return usage(fmt.Errorf("the plan has %d step instances, and a run that is recorded in the cluster may have %d; use --state local, or split the plan", n, maxClusterInstances))
	}
	e.connected = e.settle
	if e.request.leave == nil {
		return nil
	}
	if e.leaves, err = e.request.leave(e.Plan); err != nil {
		return usage(err)
	}
	e.only = func(step *engine.Step) bool { _, left := e.leaves[step.ID]; return !left }
	return nil
}

// settle decides which run this is, once the cluster is connected and its rights are there, before anything else is asked: it takes the lock, too.
func (e *execution) settle(ctx context.Context) error {
	if err := e.checkRights(ctx); err != nil {
		return err
	}
	if err := e.nameRun(); err != nil {
		return err
	}
	if err := e.lock(ctx); err != nil {
		return err
	}
	if err := e.findRun(ctx); err != nil {
		return err
	}
	return e.lend(ctx)
}

// nameRun settles where the run is recorded, and its id.
func (e *execution) nameRun() error {
	if e.recordsInCluster {
		e.runs = runstore.Cluster(e.kube, e.namespace())
	} else {
		dir, err := stateDir(e.flags.StateDir)
		if err != nil {
			return usage(err)
		}
		e.runs = runstore.Local(dir)
	}
	if e.request.resume != nil {
		e.run = e.request.resume.run
		return nil
	}
	var err error
	e.run, err = e.app.runID(e.request.run, e.started)
	return err
}

// runID is the id of a run that begins: the one that is given, that of the Job whose pod this is, or a new one.
func (a *app) runID(given string, started time.Time) (id string, err error) {
	job := a.getenv(jobUID)
	if id = cmp.Or(given, job); id == "" {
		id, err = engine.NewRunID(started, rand.Reader)
	} else {
		err = engine.CheckRunID(id)
	}
	switch {
	case err != nil && given == "" && job != "":
		return "", usage(fmt.Errorf("variable %s: %w", jobUID, err))
	case err != nil:
		return "", usage(fmt.Errorf("--run-id: %w", err))
	}
	return id, nil
}

// findRun looks whether the run is known already.
func (e *execution) findRun(ctx context.Context) error {
	job := e.app.getenv(jobUID)
	entries, err := e.runs.Read(ctx, e.run)
	switch {
	case errors.Is(err, runstore.ErrNotFound) && e.request.resume == nil:
		return nil
	case err != nil && e.request.resume == nil && !e.recordsInCluster:
		return usage(fmt.Errorf("record the run: %w; --state-dir names another place", err))
	case err != nil:
		return fmt.Errorf("look for run %s: %w", e.run, err)
	case e.request.resume == nil && e.run != job:
		return usage(fmt.Errorf("run %s exists already in %s; `plan resume %s` goes on with it, another --run-id begins anew", e.run, e.runs.Describe(e.run), e.run))
	}
	return e.remember(entries)
}

func (e *execution) instances() (n int) {
	for _, s := range slices.Concat(e.Steps, e.Finally) {
		if n++; s.Matrix != nil {
			n += len(s.Matrix.Instances)
		}
	}
	return n
}

// remember folds the journal of the run that goes on.
func (e *execution) remember(entries []engine.JournalEntry) error {
	h, err := engine.Fold(entries)
	if err != nil {
		return fmt.Errorf("resume run %s: %w", e.run, err)
	}
	resume := e.request.resume
	if h.Last.PlanHash != e.Hash && (resume == nil || !resume.acceptChanged) {
		return usage(fmt.Errorf("run %s was made by another plan: the file, a parameter or an override is not what it was when the run began. Give the same --set and variables, or go on with what the plan says now: plan resume %s --accept-changed", e.run, e.run))
	}
	if h.Last.ClusterUID != "" && e.uid != "" && h.Last.ClusterUID != e.uid {
		return usage(fmt.Errorf("run %s was made in the cluster with uid %s, and this one has %s", e.run, h.Last.ClusterUID, e.uid))
	}
	e.started, e.history, e.goesOn = h.Last.Started, h, true
	if len(h.Last.LeftOut) > 0 {
		e.leaves = h.Last.LeftOut // what this run leaves out stays so
	}
	return nil
}

// lend takes over what the plan's last run has of the steps that are left out.
func (e *execution) lend(ctx context.Context) error {
	if len(e.leaves) == 0 || e.goesOn {
		return nil
	}
	list, err := e.runs.List(ctx)
	if err != nil {
		return fmt.Errorf("look for the plan's last run: %w", err)
	}
	for _, s := range list {
		if s.Plan == e.Name && s.History != nil && s.History.Ended != nil && s.History.Last.ClusterUID == e.uid {
			e.history = s.History.Borrow(func(id string) bool { _, left := e.leaves[id]; return left })
			return nil
		}
	}
	return nil
}

// lock takes the lock of spec.concurrency.
func (e *execution) lock(ctx context.Context) error {
	c := e.Concurrency
	if c == nil {
		return nil
	}
	self := runstore.Process()
	holder := lock.Holder{Run: e.run, Host: self.Host, PID: self.PID}
	if e.app.getenv("KUBERNETES_SERVICE_HOST") != "" {
		holder.Pod = self.Host // Kubernetes names a pod's host after it
	}
	options := lock.Options{}
	if c.OnConflict == "wait" {
		options.Wait = c.WaitTimeout
	}
	if e.app.getenv(jobUID) == e.run { // a Job has its next pod when the last one is gone
		options.Takeover = func(h lock.Holder) bool { return h.Run == e.run && e.gone(ctx, h) }
	}
	var err error
	if e.kube != nil {
		e.held, err = lock.Lease(ctx, e.kube, cmp.Or(c.Namespace, e.namespace(), "default"), c.Group, holder, options)
	} else {
		dir, problem := stateDir(e.flags.StateDir)
		if problem != nil {
			return usage(problem)
		}
		path := filepath.Join(dir, "locks", c.Group)
		fmt.Fprintf(e.app.err, "plan: the plan needs no cluster, so group %s is locked on this machine only (%s)\n", c.Group, path)
		e.held, err = lock.File(ctx, path, holder, options)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, lock.ErrHeld) && c.OnConflict == "skip":
		fmt.Fprintf(e.app.err, "plan: skipped: %s\n", printable.String(err.Error()))
		return e.skipped()
	case errors.Is(err, lock.ErrHeld):
		return exit{code: engine.ExitLocked, err: fmt.Errorf("another run of group %s goes on: %w", c.Group, err)}
	}
	return err
}

// gone tells whether the holder of a lock works no more for certain: its pod is not there or at its end, or its process of this machine has
// ended.
func (e *execution) gone(ctx context.Context, h lock.Holder) bool {
	if h.Pod == "" {
		process, err := os.FindProcess(h.PID)
		return h.Host == runstore.Process().Host && (err != nil || errors.Is(process.Signal(syscall.Signal(0)), os.ErrProcessDone))
	}
	pod, err := e.kube.Get(ctx, kube.Resource{Version: "v1", Resource: "pods", Namespace: e.namespace()}, h.Pod)
	if err != nil {
		return apierrors.IsNotFound(err)
	}
	phase := gjson.GetBytes(pod, "status.phase").String()
	return phase == "Succeeded" || phase == "Failed"
}

// skipped ends a run that did not begin. Programs get the document of a run.
func (e *execution) skipped() error {
	if e.flags.Output == "json" || e.flags.Output == "ndjson" {
		p, err := e.app.printers(e.flags, false)
		if err != nil {
			return err
		}
		defer p.close()
		p.Header(e.header(e.run, ""))
		now := time.Now()
		p.Event(engine.RunFinished{Stamp: engine.Stamp{Time: now}, Result: engine.RunResult{ID: e.run, Plan: e.Name, Outcome: engine.RunSkipped, Started: e.started, Finished: now}})
		if err := p.Close(); err != nil {
			return err
		}
	}
	return exit{}
}

// release gives the lock back, whatever became of the run.
func (e *execution) release() {
	if e.held == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), releaseTimeout)
	defer cancel()
	if err := e.held.Release(ctx); err != nil {
		fmt.Fprintf(e.app.err, "plan: %s; others wait until it has run out\n", printable.String(err.Error()))
	}
}

// releaseTimeout bounds giving the lock back: what it takes longer, the Lease ends by itself.
const releaseTimeout = 10 * time.Second
