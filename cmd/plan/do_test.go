package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plan/engine"
	"plan/internal/runstore"
	"plan/internal/secrets"
	"plan/steps"
)

// worker is a step that does what a test says.
type worker struct {
	run func(context.Context, *steps.Env) (steps.Result, error)
}

func (w *worker) kind() steps.Kind {
	return steps.Kind{Name: "work", New: func() steps.Action { return &workAction{run: w.run} }}
}

type workAction struct {
	steps.Action
	run func(context.Context, *steps.Env) (steps.Result, error)
}

func (*workAction) Validate() error { return nil }
func (a *workAction) Run(ctx context.Context, env *steps.Env) (steps.Result, error) {
	return a.run(ctx, env)
}

const outside = "s3cr3t-from-outside"

// workSession is a session of the run r, recorded in a folder, that has read a value from outside.
func workSession(t *testing.T, dir string, w *worker) (*session, runstore.Store) {
	t.Helper()
	var out bytes.Buffer
	a := newApp(nil, &out, &out)
	store := runstore.Local(dir)
	s := &session{loaded: &loaded{Plan: &engine.Plan{Name: "p"}, kinds: map[string]steps.Kind{"work": w.kind()}, baseDir: "/plans"}, app: a}
	s.resolver = secrets.NewResolver(secrets.Options{Masker: a.masker, LookupEnv: func(string) (string, bool) { return outside, true }})
	s.resolver.Add("x", secrets.Source{Env: "X"})
	if err := s.resolver.ReadLoadTime(); err != nil {
		t.Fatal(err)
	}
	s.logs = store.KeepLogs(t.Context(), "r")
	return s, store
}

// workPlan is a plan of one step.
func workPlan() *engine.Plan {
	return &engine.Plan{Name: "p", MaxParallel: 1, Timeout: time.Hour, FinallyTimeout: time.Minute, Steps: []*engine.Step{{
		ID: "report", Uses: "work", Retry: engine.Retry{Attempts: 1},
		Inputs: func(*engine.Vars) (engine.Inputs, error) {
			return engine.Inputs{With: map[string]any{}, Timeout: 17 * time.Minute}, nil
		},
	}}}
}

func TestWhatPodsSayIsMaskedWhereverItGoes(t *testing.T) {
	dir := t.TempDir()
	var scope steps.Scope
	s, store := workSession(t, dir, &worker{run: func(_ context.Context, env *steps.Env) (steps.Result, error) {
		scope = env.Scope
		env.PodLog(steps.PodLine{Pod: "job-0", Container: "main", Text: "[0] it is " + outside})
		long := strings.Repeat("x", runstore.MaxLog-10) + "\n" + outside + "\n" // a value that a cut would part
		return steps.Result{}, errors.Join(env.KeepLog("job-0", []byte("it is "+outside+"\n")), env.KeepLog("job-1", []byte(outside+outside+"\n"+long)))
	}})
	var said []engine.PodLine
	journal, err := store.Create(t.Context(), "r", engine.RunStartedRecord{Run: "r", Invocation: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer journal.Close()
	res := engine.Run(t.Context(), workPlan(), engine.Options{RunID: "r", Do: s.do("r", time.Now()), Journal: maskedJournal{journal, s.app.masker, s.resolver}, Events: func(e engine.Event) {
		if line, ok := e.(engine.PodLog); ok {
			said = append(said, line.PodLine)
		}
	}})
	if res.ExitCode != 0 {
		t.Errorf("exit %d: %v", res.ExitCode, res.Steps[0].Err)
	}
	if diff := cmp.Diff([]engine.PodLine{{Pod: "job-0", Container: "main", Text: "[0] it is ***"}}, said); diff != "" {
		t.Error(diff)
	}
	if scope.Timeout != 17*time.Minute || scope.Dir != "/plans" {
		t.Errorf("the scope is %+v", scope)
	}
	logs, err := store.Logs(t.Context(), "r")
	if err != nil || len(logs) != 2 || string(logs[0].Data) != "it is ***\n" || logs[0].Of != "report" || logs[0].Attempt != 1 {
		t.Errorf("%+v, %v", logs, err)
	}
	nothingShows(t, dir)
}

// nothingShows wants the value from outside in no file.
func nothingShows(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, f os.DirEntry, err error) error {
		if err != nil || f.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte(outside[:10])) || bytes.Contains(data, []byte(outside[9:])) {
			t.Errorf("it shows in %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestNotesAreSealedInTheJournalAndGivenBackAsTheyWere(t *testing.T) {
	dir := t.TempDir()
	encoded := base64.StdEncoding.EncodeToString([]byte(outside))
	var refused, other error
	s, store := workSession(t, dir, &worker{run: func(_ context.Context, env *steps.Env) (steps.Result, error) {
		refused, other = env.Note("encoded", "in another form: "+encoded), env.Note("uid", "u-1")
		return steps.Result{}, env.Note("commit", "abc "+outside)
	}})
	journal, err := store.Create(t.Context(), "r", engine.RunStartedRecord{Run: "r", Invocation: 1})
	if err != nil {
		t.Fatal(err)
	}
	run := func(j engine.Journal, h *engine.History) engine.RunResult {
		return engine.Run(t.Context(), workPlan(), engine.Options{RunID: "r", Do: s.do("r", time.Now()), Journal: maskedJournal{j, s.app.masker, s.resolver}, History: h, Classify: classify})
	}
	if res := run(journal, nil); res.ExitCode != 0 || refused == nil || other != nil {
		t.Errorf("exit %d, %v, %v", res.ExitCode, refused, other)
	}
	if err := journal.Close(); err != nil {
		t.Error(err)
	}
	nothingShows(t, dir)
	journal, entries, err := store.Open(t.Context(), "r")
	if err != nil {
		t.Fatal(err)
	}
	defer journal.Close()
	if slices.ContainsFunc(entries, func(e engine.JournalEntry) bool {
		n, ok := e.Record.(engine.StepNotedRecord)
		return ok && n.Key == "encoded"
	}) {
		t.Error("what was refused is recorded")
	}
	h, err := engine.Fold(entries)
	if err != nil {
		t.Fatal(err)
	}
	h.Forget("report")
	h.MapTexts(s.resolver.Unseal)
	w := &worker{run: func(_ context.Context, env *steps.Env) (steps.Result, error) {
		if diff := cmp.Diff(map[string]string{"uid": "u-1", "commit": "abc " + outside}, env.Noted); diff != "" {
			t.Error(diff)
		}
		return steps.Result{}, nil
	}}
	s.kinds["work"] = w.kind()
	if res := run(journal, h); res.ExitCode != 0 || res.Steps[0].Attempts != 2 {
		t.Errorf("%+v", res.Steps[0])
	}
}

// coded is an error that tells exit codes.
type coded struct{ error }

func (coded) ExitCodes() []int { return []int{75} }

func TestErrorsAreMaskedAndStillTellExitCodes(t *testing.T) {
	s, _ := workSession(t, t.TempDir(), &worker{run: func(context.Context, *steps.Env) (steps.Result, error) {
		return steps.Result{Settle: func(context.Context) error { return errors.New("patch: " + outside) }}, coded{errors.New("failed: " + outside)}
	}})
	p := workPlan()
	p.Steps[0].Retry = engine.Retry{Attempts: 2, ExitCodes: []int{75}}
	var said []string
	res := engine.Run(t.Context(), p, engine.Options{Do: s.do("r", time.Now()), Classify: classify, Events: func(e engine.Event) {
		if line, ok := e.(engine.StepLog); ok {
			said = append(said, line.Message)
		}
	}})
	if r := res.Steps[0]; r.Attempts != 2 || r.Err.Error() != "failed: ***" {
		t.Errorf("%d attempts, %v", r.Attempts, r.Err)
	}
	if want := []string{"tidying up after it: patch: ***", "tidying up after it: patch: ***"}; !slices.Equal(said, want) {
		t.Errorf("%q", said)
	}
}
