package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"plan/internal/kube"
	"plan/internal/kube/kubetest"
)

// admitted is a plan of three jobs; the second has a Secret and reads an output, the third has a name of its own.
const admitted = `apiVersion: plan/v1
kind: Plan
metadata: {name: p}
spec:
  steps:
    - {id: pvs, uses: list-pvs}
    - {id: a, uses: run-job, with: {image: example.net/a}}
    - {id: b, uses: run-job, with: {image: example.net/b, args: ["${{ string(steps.pvs.outputs.total) }}"], env: {T: {from: {env: NOT_SET}}}}}
    - {id: c, uses: run-job, with: {image: example.net/c, name: own}}
`

// says holds what came out against what is wanted of it; what is not wanted begins with a "!".
func says(t *testing.T, what, text string, wanted ...string) {
	t.Helper()
	for _, part := range wanted {
		if unwanted, not := strings.CutPrefix(part, "!"); not == strings.Contains(text, strings.TrimPrefix(part, "!")) {
			t.Errorf("%s: %q is there: %t\n%s", what, unwanted, not, text)
		}
	}
}

func TestAServerDryRunSendsEverythingAndKeepsNothing(t *testing.T) {
	w := atHome(t, map[string]string{"plan.yaml": admitted})
	before := fmt.Sprint(w.kube.Objects())
	code, out, talk := call(t, "apply", "plan.yaml", "--dry-run=server", "--run-id", "one")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if code != 0 || len(lines) != 4 {
		t.Fatalf("exit code %d: %s%s", code, out, talk)
	}
	for i, begins := range []string{"job.batch/p-a-", "secret/p-b-", "job.batch/p-b-", "job.batch/own "} {
		if !strings.HasPrefix(lines[i], begins) || !strings.HasSuffix(lines[i], " admitted (server dry run)") {
			t.Errorf("line %d: %s", i, lines[i])
		}
	}
	says(t, "stderr", talk, "1 value only a run can know", "UNKNOWN(string(steps.pvs.outputs.total))")
	if after := fmt.Sprint(w.kube.Objects()); after != before {
		t.Errorf("it was kept: %s", after)
	}
	for _, r := range w.kube.Requests() {
		if r.Method != http.MethodGet && !strings.Contains(r.Query, "dryRun=All") && !strings.Contains(r.Path, "selfsubjectaccessreviews") {
			t.Errorf("a write that is no dry run: %s %s", r.Method, r.Path)
		}
	}
	if code, _, _ := call(t, "apply", "plan.yaml", "--dry-run=server", "--strict"); code != 2 {
		t.Errorf("--strict: exit code %d", code)
	}
	if code, out, _ := call(t, "apply", "plan.yaml", "--dry-run=server", "--only", "c"); code != 0 || strings.Count(out, "\n") != 1 {
		t.Errorf("--only: exit code %d: %s", code, out)
	}
	code, out, _ = call(t, "run", "job", "image:example.net/x", "--dry-run=server", "--", "true")
	if code != 0 || !strings.Contains(out, "admitted") {
		t.Errorf("plan run job: exit code %d: %s", code, out)
	}
	code, out, talk = call(t, "run", "list-pvs", "--dry-run=server")
	if code != 0 || out != "" || !strings.Contains(talk, "no step makes objects of Kubernetes") {
		t.Errorf("without objects: exit code %d: %s%s", code, out, talk)
	}
}

// TestAServerDryRunShowsWhatTheServerWouldKeep: with what admission has put in.
func TestAServerDryRunShowsWhatTheServerWouldKeep(t *testing.T) {
	w := atHome(t, map[string]string{"plan.yaml": admitted})
	w.kube.React = func(_, kind string, object map[string]any) error {
		meta := object["metadata"].(map[string]any)
		meta["managedFields"] = []any{map[string]any{"manager": "plan"}}
		meta["labels"].(map[string]any)["injected"] = "yes"
		return nil
	}
	for _, format := range []string{"yaml", "json"} {
		code, out, talk := call(t, "apply", "plan.yaml", "--dry-run=server", "-o", format, "--only", "c")
		if code != 0 {
			t.Fatal(talk)
		}
		says(t, format, out, "injected", "uid", "!managedFields", "!dry run")
		var o map[string]any
		if list := documentsOf(t, out); format == "yaml" {
			o = list[0]
		} else {
			o = list[0]["items"].([]any)[0].(map[string]any)
		}
		if kindAndName(o) != "Job own" {
			t.Errorf("%s: %s", format, out)
		}
	}
}

func TestWhatAServerDryRunRefuses(t *testing.T) {
	const policy = `would violate PodSecurity "restricted:latest": runAsNonRoot != true (pod or container "main" must set securityContext.runAsNonRoot=true)`
	cases := map[string]struct {
		set      func(*kubetest.Server)
		code     int
		out, err []string
	}{
		"pod security is a warning of the server": {func(s *kubetest.Server) {
			s.Warn = func(kind string, _ map[string]any) []string { return map[string][]string{"Job": {policy}}[kind] }
		}, 1, []string{"job.batch/own refused (server dry run)", "secret/p-b-", "!job.batch/own admitted"}, []string{"step a: create jobs", policy, "step b: ", "step c: "}},
		"another warning is told": {func(s *kubetest.Server) {
			s.Warn = func(string, map[string]any) []string { return []string{"field x is deprecated"} }
		}, 0, []string{"job.batch/own admitted"}, []string{`plan: step c: jobs.batch own: field x is deprecated`}},
		"admission, of one object": {func(s *kubetest.Server) {
			s.React = func(_, kind string, object map[string]any) error {
				if object["metadata"].(map[string]any)["name"] == "own" {
					return errors.New(`admission webhook "policy.example.net" denied the request: no`)
				}
				return nil
			}
		}, 1, []string{"job.batch/p-a-", "job.batch/own refused"}, []string{`plan: step c: create jobs`, `"policy.example.net" denied the request: no`, "!step a"}},
		"quota": {func(s *kubetest.Server) {
			s.Fail(kubetest.Fault{Path: "/secrets?", Status: http.StatusForbidden, Message: "exceeded quota: few, requested: secrets=1"})
		}, 1, []string{"secret/p-b-", "job.batch/own admitted"}, []string{"step b: create secrets", "exceeded quota: few, requested: secrets=1"}},
		"a right is missing before the first": {func(s *kubetest.Server) {
			s.Allow = func(a kube.Access) bool { return a.Resource != "secrets" }
		}, 77, []string{"!admitted"}, []string{"may not create secrets", "step b"}},
		"who does not let himself be asked is asked by doing": {func(s *kubetest.Server) {
			s.Fail(kubetest.Fault{Path: "selfsubjectaccessreviews", Status: http.StatusForbidden})
		}, 0, []string{"job.batch/own admitted"}, nil},
		"out of order": {func(s *kubetest.Server) {
			s.Fail(kubetest.Fault{Path: "/jobs?", Status: http.StatusInternalServerError})
		}, 69, []string{"!own"}, []string{"step a: create jobs", "what comes behind it was not sent"}},
		"unreachable before the first": {func(s *kubetest.Server) {
			s.Fail(kubetest.Fault{Path: "kube-system", Status: http.StatusServiceUnavailable, RetryAfter: "0"})
		}, 69, []string{"!admitted"}, nil},
		"no dry run": {func(s *kubetest.Server) {
			s.Fail(kubetest.Fault{Path: "/secrets?", Status: http.StatusBadRequest, Message: `admission webhook "x" does not support dry run`})
		}, 0, []string{"not checkable (server dry run)", "job.batch/own admitted"}, []string{"cannot be checked", "does not support dry run"}},
		"there already, of plan": {func(s *kubetest.Server) {
			s.Add(jobResource, "Job", madeJob("own", "j1", ""))
		}, 0, []string{"job.batch/own admitted, and there already from run run-j1 (server dry run)"}, nil},
		"there already, of somebody else": {func(s *kubetest.Server) {
			s.Add(jobResource, "Job", strings.ReplaceAll(madeJob("own", "j1", ""), `"plan/spec-hash":"x"`, ``))
		}, 1, []string{"job.batch/own refused"}, []string{"step c: create jobs.batch default/own: it is there already and was not made by plan"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := atHome(t, map[string]string{"plan.yaml": admitted})
			tc.set(w.kube)
			code, out, talk := call(t, "apply", "plan.yaml", "--dry-run=server")
			if code != tc.code {
				t.Errorf("exit code %d, want %d", code, tc.code)
			}
			says(t, "stdout", out, tc.out...)
			says(t, "stderr", talk, tc.err...)
		})
	}
}

func TestAnotherClusterIsNotAsked(t *testing.T) {
	w := atHome(t, map[string]string{"plan.yaml": strings.Replace(admitted, "spec:", "spec:\n  cluster: {expectUID: 00000000-3b0a-4b0e-9a53-0d8f6f2d7c11}", 1)})
	code, _, talk := call(t, "apply", "plan.yaml", "--dry-run=server")
	if code != 2 || !strings.Contains(talk, "this is another cluster") || len(w.kube.Requests()) != 1 {
		t.Errorf("exit code %d: %s%v", code, talk, w.kube.Requests())
	}
}

// Only what is wrong with nothing but placeholders cannot be checked.
func TestRefusalsOfPlaceholdersAreNone(t *testing.T) {
	invalid := func(causes ...string) error {
		status := metav1.Status{Status: metav1.StatusFailure, Reason: metav1.StatusReasonInvalid, Code: 422, Details: &metav1.StatusDetails{}}
		for _, cause := range causes {
			status.Details.Causes = append(status.Details.Causes, metav1.StatusCause{Message: cause})
		}
		return fmt.Errorf("create: %w", &apierrors.StatusError{ErrStatus: status})
	}
	got := map[string]bool{}
	for name, err := range map[string]error{
		"placeholder": invalid(`Invalid value: "UNKNOWN(secrets of job a/b)": a lowercase RFC 1123 subdomain`),
		"both":        invalid(`Invalid value: "UNKNOWN(x)": no`, `Invalid value: "A": no`),
		"other":       invalid(`Invalid value: "A": no`),
		"none":        invalid(),
		"no status":   errors.New("UNKNOWN("),
	} {
		got[name] = unknowable(err)
	}
	if diff := cmp.Diff(map[string]bool{"placeholder": true, "both": false, "other": false, "none": false, "no status": false}, got); diff != "" {
		t.Error(diff)
	}
}

// A refusal is told on stderr where stdout has the objects.
func TestARefusalBesideObjectsIsNoDocument(t *testing.T) {
	w := atHome(t, map[string]string{"plan.yaml": admitted})
	w.kube.Fail(kubetest.Fault{Path: "/secrets?", Status: http.StatusForbidden})
	code, out, talk := call(t, "apply", "plan.yaml", "--dry-run=server", "-o", "json")
	var list struct{ Items []any }
	if err := json.Unmarshal([]byte(out), &list); err != nil || code != 1 || len(list.Items) != 3 || !strings.Contains(talk, "step b: create secrets") {
		t.Errorf("exit code %d, %d objects, %v: %s", code, len(list.Items), err, talk)
	}
}
