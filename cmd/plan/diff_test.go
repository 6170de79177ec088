package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plan/engine"
	"plan/internal/backup"
	"plan/internal/kube/kubetest"
	"plan/internal/objectstore"
	"plan/internal/retention/retentiontest"
	"plan/internal/secrets"
	"plan/steps"
)

// planning is an action that tells what a test says.
type planning struct {
	steps.Action
	Text string `yaml:"text"`

	plan func(context.Context, *steps.Env) ([]steps.Change, error)
}

func (*planning) Validate() error { return nil }
func (a *planning) Plan(ctx context.Context, env *steps.Env) ([]steps.Change, error) {
	return a.plan(ctx, env)
}

// diffOf is what is told of a step with that text, whose kind plans so.
func diffOf(t *testing.T, text string, plan func(context.Context, *steps.Env) ([]steps.Change, error)) planned {
	t.Helper()
	s, _ := workSession(t, t.TempDir(), &worker{})
	s.kinds["work"] = steps.Kind{Name: "work", New: func() steps.Action { return &planning{plan: plan} }}
	in := engine.Inputs{With: map[string]any{"text": text}, Timeout: time.Minute}
	d := &differ{session: s}
	d.step(t.Context(), &engine.Step{ID: "a", Uses: "work", Preview: func(*engine.Vars) (engine.Inputs, error) { return in, nil }}, "")
	return d.steps[0]
}

func TestWhatOnlyTheRunCanKnowIsNotPlanned(t *testing.T) {
	change := []steps.Change{{Op: steps.Send, Target: "x"}}
	reads := func(ctx context.Context, env *steps.Env) ([]steps.Change, error) {
		if _, err := env.Store(""); err != nil {
			return nil, err
		}
		return change, errors.New("it was read all the same")
	}
	asks := func(ctx context.Context, _ *steps.Env) ([]steps.Change, error) { return change, ctx.Err() }
	writes := func(context.Context, *steps.Env) ([]steps.Change, error) { return change, nil }
	command := secrets.Source{Exec: secrets.Exec{Command: secrets.JoinWords("./token", "x")}}
	needs := func(_ context.Context, env *steps.Env) ([]steps.Change, error) {
		_, err := env.Secret(secrets.Value{From: &command})
		return nil, err
	}
	cases := map[string]struct {
		text   string
		plan   func(context.Context, *steps.Env) ([]steps.Change, error)
		status diffStatus
		reason string
	}{
		"reads a store by it":      {"a/UNKNOWN(steps.b.outputs.key)", reads, statusUnknown, "depends on steps.b.outputs.key"},
		"asks a server by it":      {"UNKNOWN(f(steps.b.outputs.key)) UNKNOWN(run.outcome)", asks, statusUnknown, "depends on f(steps.b.outputs.key), run.outcome"},
		"only hands it on":         {"UNKNOWN(run.outcome)", writes, statusChanges, ""},
		"asks by what is known":    {"known", asks, statusChanges, ""},
		"needs a command's answer": {"known", needs, statusUnknown, "depends on the command ./token, and diff runs no commands"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := diffOf(t, tc.text, tc.plan)
			if got.status != tc.status || got.reason != tc.reason || (tc.status == statusChanges) != (len(got.changes) == 1) {
				t.Errorf("%s, %q, %v, %v", got.status, got.reason, got.changes, got.err)
			}
		})
	}
}

func TestAPreviewKeepsNothingAndHidesWhatCameFromOutside(t *testing.T) {
	got := diffOf(t, "known", func(_ context.Context, env *steps.Env) ([]steps.Change, error) {
		env.PodLog(steps.PodLine{Text: "x"})
		env.Progress("listing", 1, 2, "objects")
		if env.Note("a", "b") == nil || env.KeepLog("pod", nil) == nil {
			t.Error("something was kept")
		}
		env.Log("it is %s", outside)
		return []steps.Change{{Op: steps.Create, Target: "x"}}, errors.New("no: " + outside)
	})
	if got.status != statusFailed || got.err.Error() != "no: ***" || len(got.changes) != 1 || !cmp.Equal(got.remarks, []string{"it is ***"}) {
		t.Errorf("%s, %v, %v, %q", got.status, got.err, got.changes, got.remarks)
	}
}

func TestAStoreAheadShowsWhatTheStepsBeforeWouldLeave(t *testing.T) {
	inner := &retentiontest.Store{}
	for _, key := range []string{"b/home/pvs-20260102-000000-00000000.json.gz", "b/home/pvs-20260104-000000-00000000.json.gz", "b/home/sub/x", "z"} {
		inner.Add(key, []byte("body"), nil)
	}
	s := &session{cluster: clusterSpec{Name: "home"}, uid: kubetest.UID, run: "r", stores: map[string]objectstore.Store{"main": inner}}
	ahead := aheadOf(s)[0]
	place := ahead.String() + " b/home/pvs-"
	change := func(op steps.Op, rest, after string) steps.Change {
		return steps.Change{Op: op, Target: place + rest, After: []byte(after)}
	}
	ahead.take([]steps.Change{
		change(steps.Delete, "20260102-000000-00000000.json.gz", ""), change(steps.Create, "20260103-000000-00000000.json.gz", `{"count":3}`),
		change(steps.Create, "20260105-000000-00000000.json.gz", `{"count":5}`), change(steps.Create, "20260101-000000-00000000.json.gz", `{"count":1}`),
		change(steps.Delete, "20260101-000000-00000000.json.gz", ""), change(steps.Create, "no-backup", `{"count":1}`),
		{Op: steps.Create, Target: "elsewhere b/home/pvs-20260106-000000-00000000.json.gz", After: []byte(`{"count":1}`)},
	})
	list := func(o objectstore.ListOptions) (keys []string) {
		for object, err := range s.stores["main"].List(t.Context(), "b/home/", o) {
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, strings.TrimPrefix(object.Key, "b/home/"))
		}
		return keys
	}
	want := []string{"pvs-20260103-000000-00000000.json.gz", "pvs-20260104-000000-00000000.json.gz", "pvs-20260105-000000-00000000.json.gz"}
	if diff := cmp.Diff(want, list(objectstore.ListOptions{Shallow: true})); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(append(want, "sub/x"), list(objectstore.ListOptions{})); diff != "" {
		t.Error(diff)
	}
	info, err := ahead.Head(t.Context(), "b/home/"+want[0])
	if meta, parsed := backup.ParseMetadata(info.Metadata); err != nil || parsed != nil || meta.Count != 3 || meta.ClusterUID != kubetest.UID || meta.Run != "r" {
		t.Errorf("%+v, %v, %v", meta, err, parsed)
	}
	if _, err := ahead.Head(t.Context(), "b/home/pvs-20260102-000000-00000000.json.gz"); !errors.Is(err, objectstore.ErrNotFound) {
		t.Errorf("what is deleted is there: %v", err)
	}
	if body, _, err := ahead.Get(t.Context(), "z", 0, -1); err != nil || body.Close() != nil {
		t.Error(err)
	}
	put, deleted := ahead.Put(t.Context(), "new", strings.NewReader("x"), 1, objectstore.PutOptions{}), ahead.Delete(t.Context(), []string{"z"})
	if !errors.Is(put, errReadOnly) || !errors.Is(deleted, errReadOnly) || len(inner.Keys()) != 4 {
		t.Errorf("%v, %v: %q", put, deleted, inner.Keys())
	}
}
