package steptest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plan/internal/retention/retentiontest"
	"plan/steps"
)

// soon is how long an action may take to notice that its context is done. It is far more than it needs, so that only one that
// does not notice at all fails.
const soon = 20 * time.Second

type conformance struct {
	kind    steps.Kind
	fixture Fixture
}

func (c conformance) action(t *testing.T, w *World) steps.Action {
	t.Helper()
	a := checkWith(t, c.kind, c.fixture.With)
	if c.fixture.Prepare != nil {
		c.fixture.Prepare(t, w, a)
	}
	return a
}

func (c conformance) planWritesNothing(t *testing.T) {
	w := c.fixture.World(t)
	a := c.action(t, w)
	if _, err := a.Plan(t.Context(), w.Env); err != nil {
		t.Fatal(err)
	}
	for _, call := range w.Store.Calls() {
		if writes(call) {
			t.Errorf("Plan: %s %s", call.Op, call.Key)
		}
	}
	for _, r := range w.Kube.Requests() {
		if r.Method != "GET" && r.Method != "HEAD" {
			t.Errorf("Plan: %s %s", r.Method, r.Path)
		}
	}
	checkPermitted(t, w, a)
}

func writes(c retentiontest.Call) bool { return c.Op == "put" || c.Op == "delete" }

// runDoesWhatPlanSays wants each key that appears or goes to be in a change, and outputs as declared.
func (c conformance) runDoesWhatPlanSays(t *testing.T) {
	w := c.fixture.World(t)
	changes, err := c.action(t, w).Plan(t.Context(), w.Env)
	if err != nil {
		t.Fatal(err)
	}
	before, objects := w.Store.Keys(), w.Kube.Objects()
	a := c.action(t, w)
	result, err := a.Run(t.Context(), w.Env)
	if err != nil {
		t.Fatal(err)
	}
	checkObjectsAnnounced(t, changes, objects, w.Kube.Objects())
	for op, keys := range map[steps.Op][]string{steps.Create: without(w.Store.Keys(), before), steps.Delete: without(before, w.Store.Keys())} {
		for _, key := range keys {
			if !announced(changes, op, key) {
				t.Errorf("Run did %s %s, Plan did not say so", op, key)
			}
		}
	}
	if (result.Verdict != "") != c.kind.Check {
		t.Errorf("the verdict is %q, and Kind.Check says %t", result.Verdict, c.kind.Check)
	}
	settle(t, result)
	checkPermitted(t, w, a)
	checkOutputs(t, c.kind, c.fixture.With, result)
}

// settle does what an action wants done once its result is recorded.
func settle(t *testing.T, result steps.Result) {
	t.Helper()
	if result.Settle == nil {
		return
	}
	if err := result.Settle(t.Context()); err != nil {
		t.Errorf("settle: %v", err)
	}
}

// checkObjectsAnnounced wants each object of the cluster that is new or different to be in a change, by its name.
func checkObjectsAnnounced(t *testing.T, changes []steps.Change, before, after map[string]string) {
	t.Helper()
	for path, object := range after {
		ops := []steps.Op{steps.Update, steps.Replace}
		if _, was := before[path]; !was {
			ops = []steps.Op{steps.Create}
		}
		name := path[strings.LastIndexByte(path, '/')+1:]
		if before[path] != object && !slices.ContainsFunc(ops, func(op steps.Op) bool { return announced(changes, op, name) }) {
			t.Errorf("Run did %v %s, Plan did not say so", ops, path)
		}
	}
	for path := range before {
		if _, still := after[path]; !still && !announced(changes, steps.Delete, path[strings.LastIndexByte(path, '/')+1:]) {
			t.Errorf("Run deleted %s, Plan did not say so", path)
		}
	}
}

func announced(changes []steps.Change, op steps.Op, key string) bool {
	for _, c := range changes {
		if c.Op == op && strings.Contains(c.Target, key) {
			return true
		}
	}
	return false
}

func without(keys, others []string) (left []string) {
	known := map[string]bool{}
	for _, key := range others {
		known[key] = true
	}
	for _, key := range keys {
		if !known[key] {
			left = append(left, key)
		}
	}
	return left
}

func checkOutputs(t *testing.T, kind steps.Kind, with map[string]any, result steps.Result) {
	declared, outputs := map[string]bool{}, kind.Outputs
	if kind.Declares != nil {
		outputs = slices.Concat(outputs, kind.Declares(with))
	}
	for _, o := range outputs {
		declared[o.Name] = true
		value, ok := result.Outputs[o.Name]
		if !ok {
			t.Errorf("output %s is missing", o.Name)
		} else if got := typeOf(value); got != o.Type {
			t.Errorf("output %s is a %T, declared as %s", o.Name, value, o.Type)
		}
	}
	for name := range result.Outputs {
		if !declared[name] {
			t.Errorf("output %s is not declared", name)
		}
	}
}

func typeOf(v any) steps.Type {
	switch v.(type) {
	case string:
		return steps.String
	case int64:
		return steps.Integer
	case float64:
		return steps.Number
	case bool:
		return steps.Boolean
	case time.Duration:
		return steps.Duration
	case []any:
		return steps.List
	}
	return ""
}

// runTwice runs with one Scope twice, as after a lost answer: the second knows what the first has noted.
func (c conformance) runTwice(t *testing.T) {
	if c.fixture.Repeats {
		return // said in the kind's README
	}
	w := c.fixture.World(t)
	if _, err := c.action(t, w).Run(t.Context(), w.Env); err != nil {
		t.Fatal(err)
	}
	once := contents(t, w)
	w.Env.Noted = w.Notes()
	if _, err := c.action(t, w).Run(t.Context(), w.Env); err != nil {
		t.Fatalf("the second time: %v", err)
	}
	if diff := cmp.Diff(once, contents(t, w)); diff != "" {
		t.Errorf("the second Run changed something (-once +twice):\n%s", diff)
	}
}

func contents(t *testing.T, w *World) map[string]string {
	t.Helper()
	all := w.Kube.Objects()
	for _, key := range w.Store.Keys() {
		all[key] = w.Store.Describe(key)
	}
	return all
}

func (c conformance) cancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := c.fixture.World(t)
	before := contents(t, w)
	a := c.action(t, w)
	done := make(chan error, 1)
	go func() {
		_, err := a.Run(ctx, w.Env)
		done <- err
	}()
	select {
	case err := <-done:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Run under a cancelled context: %v", err)
		}
	case <-time.After(soon):
		t.Fatal("Run does not end when its context is done")
	}
	if diff := cmp.Diff(before, contents(t, w)); diff != "" {
		t.Errorf("a cancelled Run changed something:\n%s", diff)
	}
}

// secrets looks for canaries in all that an action says, when all goes well and when nothing does.
func (c conformance) secrets(t *testing.T) {
	for _, fault := range []string{"", "store", "cluster"} {
		w := c.fixture.World(t)
		switch fault {
		case "store":
			w.Store.Fault = func(context.Context, string, string) error { return errors.New("injected") }
		case "cluster":
			w.failCluster()
		}
		a := c.action(t, w)
		changes, planErr := a.Plan(t.Context(), w.Env)
		result, runErr := a.Run(t.Context(), w.Env)
		said := fmt.Sprintf("%v\n%v\n%v\n%v\n%v\n%s", changes, planErr, result, runErr, w.Notes(), w.Said())
		for _, canary := range w.Canaries {
			if strings.Contains(said, canary) {
				t.Errorf("with fault %q the secret %q is in:\n%s", fault, canary, said)
			}
		}
	}
}

func (c conformance) render(t *testing.T) {
	w := c.fixture.World(t)
	a := c.action(t, w)
	first, err := a.Render(w.Env.Scope)
	if err != nil {
		t.Fatal(err)
	}
	second, err := a.Render(w.Env.Scope)
	if diff := cmp.Diff(first, second); diff != "" || err != nil {
		t.Errorf("Render gives something else the second time: %v\n%s", err, diff)
	}
	if n := len(w.Kube.Requests()) + len(w.Store.Calls()); n != 0 {
		t.Errorf("Render made %d calls", n)
	}
}
