package rigs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// trial is one run of a reference plan, with what is there for it alone.
type trial struct {
	*rig
	*command
	*reference
	ctx    context.Context
	worker *worker
	n      int
	id     string // of the run
	prefix string // of its keys, with the slash
	server string // address of S3, as the plan has it

	first, second string // node tokens, where the plan keeps them
	project       string // of Bitwarden
	fresh         bool   // no token was kept before
	doc           document
}

// reference is a plan whose result is known.
type reference struct {
	name    string
	code    int // without faults
	prepare func(*trial) error
	steps   func(*trial) string
	// state is all that the plan may change, by name.
	state func(*trial) (map[string]string, error)
	// always holds after any end, given the state before and after.
	always func(t *trial, before, after map[string]string) error
	// done holds after the reference's exit code.
	done func(t *trial, after map[string]string) error
}

// worker runs trials, one after the other.
type worker struct {
	slot    int
	history *history
	restore restoreSlot
}

func references() []*reference {
	return []*reference{nightly(), tokens(), restorePVs(), verifyAll(), lists(), faulty(), pruning()}
}

// planText is a plan with the rigs' bucket.
func (r *rig) planText(endpoint, group, steps string) string {
	return fmt.Sprintf(`apiVersion: plan/v1
kind: Plan
metadata: {name: rigs}
spec:
  cluster: {name: home}
  secrets: {bitwarden: {accessToken: {from: {env: BWS_ACCESS_TOKEN}}}}
  stores:
    main:
      s3:
        endpoint: %s
        region: us-east-1
        bucket: %s
        pathStyle: true
        credentials:
          accessKey: {from: {env: RIG_ACCESS_KEY}}
          secretKey: {from: {env: RIG_SECRET_KEY}}
  defaults:
    timeout: 40s
    retry: {attempts: 4, delay: 50ms, maxDelay: 500ms}
  timeout: 100s
  concurrency: {group: %s, waitTimeout: 70s}
  steps:
%s`, endpoint, r.S3.Bucket, group, strings.TrimPrefix(steps, "\n"))
}

// tick waits for the next full second: backups of one second have no order but that of their keys.
func tick() { time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second))) }

// try makes one run under whatever goes on around it, looks whether what it says is true, and goes on with it when all is well.
// still makes all well until stir is called. It gives the first run's exit code.
func (t *trial) try(still func() (stir func())) (code int, err error) {
	stir := still()
	defer func() { stir() }()
	if err := t.prepare(t); err != nil {
		return 0, fmt.Errorf("prepare: %w", err)
	}
	before, err := t.reference.state(t)
	if err != nil {
		return 0, err
	}
	plan, err := t.write("plan.yaml", t.planText(t.server, t.id, t.steps(t)))
	if err != nil {
		return 0, err
	}
	args := []string{"apply", plan, "--run-id", t.id, "-o", "json"}
	var where []string
	if t.n%2 == 1 {
		where = []string{"--state", "cluster"}
	}
	stir()
	got, err := t.run(append(args, where...)...)
	stir = still()
	if err != nil {
		return 0, err
	}
	if err := t.judge(got, before); err != nil || got.code == t.code {
		return got.code, err
	}
	again, err := t.run(append([]string{"resume", t.id, "-o", "json"}, where...)...)
	if err == nil && early(got.code) && again.code != t.code {
		again, err = t.run(append(args, where...)...) // it had not begun
	}
	if err != nil {
		return got.code, err
	}
	if again.code != t.code {
		return got.code, fmt.Errorf("%w\n%w", again.fault("without faults, want exit %d", t.code), got.fault("before that"))
	}
	if err := t.judge(again, nil); err != nil {
		return got.code, fmt.Errorf("%w\n%w", err, got.fault("before that"))
	}
	return got.code, nil
}

// quiet is still where nothing goes on.
func quiet() (stir func()) { return func() {} }

// early tells that a code says that nothing was begun.
func early(code int) bool { return code == 69 || code == 77 || code == 75 }

// judge wants what a run says to be true. before is nil where the state before it is not known.
func (t *trial) judge(got result, before map[string]string) error {
	if got.late {
		return got.fault("it did not end within %s", t.limit)
	}
	after, err := t.reference.state(t)
	if err != nil {
		return err
	}
	if before != nil {
		if err := t.always(t, before, after); err != nil {
			return got.fault("%v", err)
		}
	}
	if t.doc, err = got.document(); err != nil {
		return err
	}
	if t.doc.ExitCode != got.code {
		return got.fault("its document says exit %d", t.doc.ExitCode)
	}
	switch {
	case got.code == t.code:
		err = t.done(t, after)
	case !slices.Contains([]int{1, 4, 5, 69, 124}, got.code): // nothing is wrong with rights, plan or what is checked
		err = errors.New("nothing here makes that true")
	case got.code == 69 && before != nil && !maps.Equal(before, after):
		err = fmt.Errorf("no step has started, and before was %v, after %v", before, after)
	default:
		err = t.explained(got.code)
	}
	if err != nil {
		return got.fault("%v", err)
	}
	return nil
}

// explained wants a step, or an error of the whole run, that explains a code.
func (t *trial) explained(code int) error {
	if early(code) && (t.doc.Kind != "Error" || t.doc.Error == "") {
		return errors.New("no error explains it")
	}
	wants := map[int]func(step) bool{
		1: func(s step) bool { return s.Verdict == "" && (s.Outcome == "failed" || s.Outcome == "timedOut") },
		4: func(s step) bool { return s.Verdict == "unknown" },
		5: func(s step) bool { return s.Outcome == "lost" },
	}
	if code == 5 && t.doc.Outcome == "suspended" { // it could not renew its Lease, and has stopped
		return nil
	}
	if want := wants[code]; want != nil && t.doc.Kind != "Error" && !slices.ContainsFunc(t.doc.Steps, want) && t.doc.Error == "" {
		return errors.New("no step explains it")
	}
	return nil
}

// newTrial is the n-th of a rig.
func (r *rig) newTrial(ctx context.Context, dir string, w *worker, ref *reference, n int) (*trial, error) {
	t := &trial{rig: r, reference: ref, ctx: ctx, worker: w, n: n, id: fmt.Sprintf("rig-%d-%d-%s", seed(), n, ref.name), server: r.S3.Endpoint}
	t.prefix = t.id + "/"
	var err error
	t.command, err = r.command(filepath.Join(dir, t.id))
	return t, err
}

// forget removes what a trial that went well has left.
func (t *trial) forget() error {
	return errors.Join(os.RemoveAll(t.dir), t.clear(t.ctx, t.prefix))
}

// bucketState are the keys below the run's prefix.
func (t *trial) bucketState() (map[string]string, error) {
	list, err := t.keys(t.ctx, t.prefix)
	state := map[string]string{}
	for _, key := range list {
		state[key] = ""
	}
	return state, err
}
