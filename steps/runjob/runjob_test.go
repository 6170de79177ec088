package runjob_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"

	"plan/internal/errclass"
	"plan/internal/jobs"
	"plan/internal/jobs/jobstest"
	"plan/internal/kube"
	"plan/internal/kube/kubetest"
	"plan/schema"
	"plan/steps"
	"plan/steps/runjob"
	"plan/steps/steptest"
)

// world has a folder with a script and a secret that must not travel.
func world(t *testing.T) *steptest.World {
	t.Helper()
	w := steptest.NewWorld(t)
	for name, text := range map[string]string{"report/report.sh": "echo hello\n", "report/.env": "TOKEN=canary-env\n", "report/sub/data": "1\n"} {
		path := filepath.Join(w.Env.Dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func with(more map[string]any) map[string]any {
	all := map[string]any{
		"source":  map[string]any{"directory": map[string]any{"path": "report"}},
		"image":   "docker.io/library/alpine:3.22",
		"command": []any{"sh", "report.sh"},
	}
	maps.Copy(all, more)
	return all
}

func action(t *testing.T, with map[string]any) steps.Action {
	t.Helper()
	a := runjob.Kind().New()
	if err := errors.Join(steps.Decode(with, a), a.Validate()); err != nil {
		t.Fatal(err)
	}
	return a
}

// TestConforms tries a detached Job, since nobody makes pods in the suite's cluster.
func TestConforms(t *testing.T) {
	source := map[string]any{"from": map[string]any{"env": "DB_PASSWORD"}}
	steptest.Conforms(t, runjob.Kind(), steptest.Fixture{
		With: with(map[string]any{
			"detach": true, "env": map[string]any{"TOKEN": source, "MODE": "all"},
			"secrets": []any{map[string]any{"name": "db", "from": map[string]any{"password": map[string]any{"env": "DB_PASSWORD"}}}},
		}),
		World: world,
	})
}

func run(t *testing.T, w *steptest.World, with map[string]any, pods jobstest.Pods) (steps.Result, error) {
	t.Helper()
	if pods != nil {
		jobstest.Start(t, w.Kube, pods)
	}
	return action(t, with).Run(t.Context(), w.Env)
}

func done(int, int) jobstest.Pod { return jobstest.Pod{} }

func TestTheOutputsOfOnePodAreTheStepsOwn(t *testing.T) {
	w := world(t)
	result, err := run(t, w, with(map[string]any{"outputs": map[string]any{"rows": "integer", "ratio": "number", "file": "string", "ok": "boolean", "list": "list"}}),
		func(int, int) jobstest.Pod {
			return jobstest.Pod{Output: `{"rows": 3, "ratio": 0.5, "file": "x.csv", "ok": true, "list": [1, "a"]}`}
		})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"jobName": w.Env.Scope.ObjectName(), "imageDigest": "sha256:abc", "commit": "", "exitCodes": []any{int64(0)}, "pods": int64(1),
		"rows": int64(3), "ratio": 0.5, "file": "x.csv", "ok": true, "list": []any{int64(1), "a"}}
	delete(result.Outputs, "uid")
	if diff := cmp.Diff(want, result.Outputs); diff != "" {
		t.Error(diff)
	}
	if err := result.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(w.Kube.Objects()["/apis/batch/v1/namespaces/default/jobs/"+w.Env.Scope.ObjectName()], `"ttlSecondsAfterFinished":3600`) {
		t.Error("the TTL is not set once the outcome is recorded")
	}
}

func TestTheOutputsOfSeveralPodsAreByIndex(t *testing.T) {
	result, err := run(t, world(t), with(map[string]any{"parallelism": int64(2), "outputs": map[string]any{"rows": "integer"}}),
		func(index, _ int) jobstest.Pod {
			return jobstest.Pod{Output: []string{`{"rows":1}`, `{"rows":2}`}[index]}
		})
	if err != nil {
		t.Fatal(err)
	}
	want := []any{map[string]any{"rows": int64(1)}, map[string]any{"rows": int64(2)}}
	if diff := cmp.Diff(want, result.Outputs["byIndex"]); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsDeclaredHasToBeSaid(t *testing.T) {
	for says, output := range map[string]string{
		"is missing": `{}`, "is not declared": `{"rows":1,"x":2}`, "not of type integer": `{"rows":"1"}`, "not one JSON object": `rows=1`,
	} {
		_, err := run(t, world(t), with(map[string]any{"outputs": map[string]any{"rows": "integer"}}), func(int, int) jobstest.Pod { return jobstest.Pod{Output: output} })
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", output, err)
		}
	}
}

func TestAFailedJobTellsItsExitCodesAndLastLines(t *testing.T) {
	w := world(t)
	result, err := run(t, w, with(nil), func(int, int) jobstest.Pod {
		return jobstest.Pod{ExitCode: 75, Lines: []string{"first", "second", "third", "the disk is full"}}
	})
	if !strings.Contains(result.Reason, "second") || strings.Contains(result.Reason, "first") || !strings.Contains(result.Reason, "the disk is full") {
		t.Errorf("reason %q", result.Reason)
	}
	if len(w.PodLines()) != 4 || len(w.Logs()) != 1 {
		t.Errorf("%d lines were told, %d logs kept", len(w.PodLines()), len(w.Logs()))
	}
	coded, ok := errors.AsType[interface {
		error
		ExitCodes() []int
	}](err)
	if !ok || !cmp.Equal(coded.ExitCodes(), []int{75}) {
		t.Errorf("%v", err)
	}
}

// TestAnotherProcessTakesTheJobUp, without looking at the source, which may have changed or be gone.
func TestAnotherProcessTakesTheJobUp(t *testing.T) {
	w := world(t)
	ctx, cancel := context.WithCancel(t.Context())
	w.Env.HandedOn = func(context.Context) bool { return true }
	go func() {
		for !strings.Contains(w.Said(), "is started") && ctx.Err() == nil {
			for _, r := range w.Kube.Requests() {
				if r.Method == "PATCH" {
					cancel()
				}
			}
			time.Sleep(time.Millisecond)
		}
	}()
	if _, err := action(t, with(nil)).Run(ctx, w.Env); !errors.Is(err, context.Canceled) {
		t.Fatalf("%v", err)
	}
	if err := os.RemoveAll(filepath.Join(w.Env.Dir, "report")); err != nil {
		t.Fatal(err)
	}
	w.Env.Noted = w.Notes()
	jobstest.Start(t, w.Kube, done)
	result, err := action(t, with(nil)).Run(t.Context(), w.Env)
	if err != nil || result.Outputs["pods"] != int64(1) {
		t.Errorf("%+v, %v", result, err)
	}
	made := 0
	for _, r := range w.Kube.Requests() {
		if r.Method == "POST" && strings.HasSuffix(r.Path, "/jobs") {
			made++
		}
	}
	if made != 1 {
		t.Errorf("%d jobs were made", made)
	}
}

// cancelledAtWork runs a Job whose pod never ends and ends its context once it works.
func cancelledAtWork(t *testing.T, w *steptest.World, with map[string]any, end func(context.Context) (context.Context, context.CancelFunc)) error {
	t.Helper()
	cluster := jobstest.Start(t, w.Kube, func(int, int) jobstest.Pod { return jobstest.Pod{Forever: true} })
	ctx, cancel := end(t.Context())
	defer cancel()
	result := make(chan error, 1)
	go func() {
		_, err := action(t, with).Run(ctx, w.Env)
		result <- err
	}()
	for uid := ""; cluster.Made(uid) == 0; time.Sleep(time.Millisecond) {
		for path, object := range w.Kube.Objects() {
			if strings.Contains(path, "/jobs/") {
				var o struct{ Metadata struct{ UID string } }
				if err := json.Unmarshal([]byte(object), &o); err != nil {
					t.Fatal(err)
				}
				uid = o.Metadata.UID
			}
		}
	}
	cancel()
	return <-result
}

func jobsAndPods(w *steptest.World) (n int) {
	for path := range w.Kube.Objects() {
		if strings.Contains(path, "/jobs/") || strings.Contains(path, "/pods/") {
			n++
		}
	}
	return n
}

func TestACancelledJobIsTakenAwayOrKept(t *testing.T) {
	w := world(t)
	if err := cancelledAtWork(t, w, with(nil), context.WithCancel); !errors.Is(err, context.Canceled) || jobsAndPods(w) != 0 {
		t.Errorf("%d jobs and pods are left: %v", jobsAndPods(w), err)
	}
	w = world(t)
	if err := cancelledAtWork(t, w, with(map[string]any{"onCancel": "keep"}), context.WithCancel); !errors.Is(err, context.Canceled) || jobsAndPods(w) != 2 {
		t.Errorf("%d jobs and pods are left: %v", jobsAndPods(w), err)
	}
	if !strings.Contains(w.Said(), "plan jobs rm") {
		t.Errorf("what is left is not told: %s", w.Said())
	}
}

func TestAJobThatIsHandedOnIsLeftAtWork(t *testing.T) {
	w := world(t)
	w.Env.HandedOn = func(context.Context) bool { return true }
	if err := cancelledAtWork(t, w, with(nil), context.WithCancel); !errors.Is(err, context.Canceled) || jobsAndPods(w) != 2 {
		t.Errorf("%d jobs and pods are left: %v", jobsAndPods(w), err)
	}
}

// TestARefusalIsNotAnUnknownOutcome: who may not make Jobs is told so, though looking for one is refused as well.
func TestARefusalIsNotAnUnknownOutcome(t *testing.T) {
	w := world(t)
	w.Kube.Fail(kubetest.Fault{Path: "/jobs", Status: 403})
	_, err := action(t, with(nil)).Run(t.Context(), w.Env)
	if fault := errclass.Classify(err); fault.Class != errclass.Final || fault.Kind != errclass.Denied {
		t.Errorf("%+v: %v", fault, err)
	}
}

func TestAForeignJobOfTheNameIsAnError(t *testing.T) {
	w := world(t)
	const foreign = `{"metadata":{"name":"mine","namespace":"default","uid":"other"},"spec":{"suspend":false}}`
	w.Kube.Add(kube.Resource{Group: "batch", Version: "v1", Resource: "jobs"}, "Job", foreign)
	for _, replace := range []bool{false, true} {
		a := action(t, with(map[string]any{"name": "mine", "replace": replace}))
		if _, err := a.Run(t.Context(), w.Env); !errors.Is(err, jobs.ErrForeign) {
			t.Errorf("Run: %v", err)
		}
		if _, err := a.Plan(t.Context(), w.Env); !errors.Is(err, jobs.ErrForeign) {
			t.Errorf("Plan: %v", err)
		}
	}
	if w.Kube.Objects()["/apis/batch/v1/namespaces/default/jobs/mine"] != foreign {
		t.Error("it was changed")
	}
}

func TestAStartWhoseAnswerIsLostForGoodIsLost(t *testing.T) {
	w := world(t)
	w.Kube.Fail(kubetest.Fault{Path: "/jobs/" + w.Env.Scope.ObjectName(), Status: 503})
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	_, err := action(t, with(nil)).Run(ctx, w.Env)
	if errclass.Classify(err).Class != errclass.Lost {
		t.Errorf("%v", err)
	}
}

// TestNothingOfADeniedFileTravels: .env and .git were once packed.
func TestNothingOfADeniedFileTravels(t *testing.T) {
	w := world(t)
	a := action(t, with(nil))
	changes, err := a.Plan(t.Context(), w.Env)
	if err != nil || !strings.Contains(changes[0].Detail, "left out: .env") {
		t.Fatalf("the preview does not show it: %+v, %v", changes, err)
	}
	objects, err := a.Render(w.Env.Scope)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := json.Marshal(objects); err != nil || len(objects) != 2 {
		t.Errorf("%d objects, %v", len(objects), err)
	}
}

func TestWhatDoesNotGoTogetherIsRefused(t *testing.T) {
	one := int64(1)
	cases := map[string]map[string]any{
		"several sources":            {"source": map[string]any{"image": "a", "directory": map[string]any{"path": "."}}},
		"is the image already":       {"source": map[string]any{"image": "alpine:3.22"}},
		"a deployment has none":      {"workload": "deployment", "completions": one},
		"one script":                 {"shell": true},
		"a name of its own":          {"replace": true},
		"which security: restricted": {"runAsUser": int64(0)},
		"a detached job has none":    {"detach": true, "outputs": map[string]any{"rows": "integer"}},
		"has an output of that name": {"outputs": map[string]any{"pods": "integer"}},
		"less than parallelism":      {"parallelism": int64(2), "completions": one},
		"128Mi":                      {"resources": map[string]any{"memory": "128m"}},
		"the smaller one first":      {"resources": map[string]any{"cpu": "2-1"}},
		"with.ttl: 30000d is longer": {"ttl": "30000d"},
		"of type int32": {"podFailurePolicy": map[string]any{"rules": []any{
			map[string]any{"action": "Ignore", "onExitCodes": map[string]any{"operator": "In", "values": []any{int64(1 << 32)}}},
		}}},
		"unknown field":              {"tolerations": []any{map[string]any{"keyy": "x"}}},
		"exactly one kind of volume": {"volumes": []any{map[string]any{"name": "a", "mountPath": "/a"}}},
		"needs the repository":       {"source": map[string]any{"directory": map[string]any{"path": ".", "transport": "image"}}},
		"both give the variable": {"env": map[string]any{"DB_A": "x"}, "secrets": []any{
			map[string]any{"name": "db", "from": map[string]any{"a": map[string]any{"env": "A"}}},
		}},
		"both mounted at /workspace": {"volumes": []any{map[string]any{"name": "a", "mountPath": "/workspace", "emptyDir": map[string]any{}}}},
		"existing names a Secret":    {"secrets": []any{map[string]any{"name": "a", "existing": "b"}}},
	}
	for says, more := range cases {
		a := runjob.Kind().New()
		err := errors.Join(steps.Decode(with(more), a), a.Validate())
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("want %q: %v", says, err)
		}
	}
}

// TestNumbersNeverWrap: the fields of a Job have 32 bits, and 4294967297 retries became one.
func TestNumbersNeverWrap(t *testing.T) {
	compiled, err := schema.CompileKind("run-job", runjob.Kind().Schema)
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"parallelism", "completions", "backoffLimit", "backoffLimitPerIndex", "runAsUser"} {
		wraps := map[string]any{"image": "a", field: json.Number("4294967297")}
		if err := compiled.Validate(wraps); err == nil || !strings.Contains(fmt.Sprintf("%+v", err), "maximum") {
			t.Errorf("%s: %v", field, err)
		}
	}
	most := map[string]any{"image": "a", "detach": true, "backoffLimit": int64(math.MaxInt32), "ttl": "24855d3h14m7s"}
	objects, err := action(t, most).Render(steps.Scope{Plan: "a", Run: "b", Step: "c", Attempt: 1})
	if err != nil {
		t.Fatal(err)
	}
	if job := objects[0].(*batchv1.Job).Spec; *job.BackoffLimit != math.MaxInt32 || *job.TTLSecondsAfterFinished != math.MaxInt32 {
		t.Errorf("backoffLimit %d, ttlSecondsAfterFinished %d", *job.BackoffLimit, *job.TTLSecondsAfterFinished)
	}
}

// TestBorrowedSecretsNeverLoseNorWin against what the step has itself: it ends before anything is made.
func TestBorrowedSecretsNeverLoseNorWin(t *testing.T) {
	db := map[string]any{"name": "db", "from": map[string]any{"password": map[string]any{"env": "DB_PASSWORD"}}, "env": map[string]any{"PGPASSWORD": "password"}}
	for says, fields := range map[string]map[string]any{
		"": {},
		"env PGPASSWORD and secretsOf (its Secret first-secret-db) both give the variable PGPASSWORD": {"env": map[string]any{"PGPASSWORD": "x"}},
		"secret db and secretsOf (its Secret first-secret-db) are both mounted at /plan/secrets/db":   {"secrets": []any{db}},
	} {
		w := world(t)
		if _, err := run(t, w, with(map[string]any{"name": "first", "detach": true, "secrets": []any{db}}), nil); err != nil {
			t.Fatal(err)
		}
		before := len(w.Kube.Objects())
		fields["secretsOf"], fields["name"], fields["detach"] = "first", "second", true
		_, err := run(t, w, with(fields), nil)
		if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says) || len(w.Kube.Objects()) != before) {
			t.Errorf("want %q: %v; %d objects, were %d", says, err, len(w.Kube.Objects()), before)
		}
	}
}
