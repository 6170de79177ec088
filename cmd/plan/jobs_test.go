package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plan/internal/kube"
)

var (
	jobResource    = kube.Resource{Group: "batch", Version: "v1", Resource: "jobs"}
	podResource    = kube.Resource{Version: "v1", Resource: "pods"}
	secretResource = kube.Resource{Version: "v1", Resource: "secrets"}
)

// madeJob is a Job as plan makes them; more is what stands in its pod's template.
func madeJob(name, uid, more string) string {
	return fmt.Sprintf(`{"metadata":{"name":%q,"namespace":"default","uid":%q,
"labels":{"app.kubernetes.io/managed-by":"plan","plan/run":"run-%[2]s","plan/step":"job","plan/attempt":"1"},
"annotations":{"plan/spec-hash":"x"}},"spec":{"completions":1,"suspend":false,"template":{"spec":{"containers":[{"name":"main"%s}]}}},
"status":{"conditions":[{"type":"Complete","status":"True"}]}}`, name, uid, more)
}

// endedPod is a pod of a Job whose container has ended.
func endedPod(name, job string, code int) string {
	return fmt.Sprintf(`{"metadata":{"name":%q,"namespace":"default","uid":"uid-%[1]s",
"labels":{"batch.kubernetes.io/controller-uid":%q},"annotations":{"batch.kubernetes.io/job-completion-index":"0"}},
"spec":{"initContainers":[{"name":"source"}],"containers":[{"name":"main"}]},
"status":{"phase":"Failed","initContainerStatuses":[{"name":"source","state":{"waiting":{"reason":"ImagePullBackOff"}}}],
"containerStatuses":[{"name":"main","containerID":"c-%[1]s","state":{"terminated":{"exitCode":%[3]d,"containerID":"c-%[1]s"}}}]}}`, name, job, code)
}

// write gives a container a log that is at its end.
func (w *world) write(pod string, lines ...string) {
	log := w.kube.Log("default", pod, "main")
	log.Start()
	for i, line := range lines {
		log.Write(time.Date(2026, 3, 2, 2, 0, i, 0, time.UTC), line)
	}
	log.End()
}

func TestLogsOfAJobAreThoseOfAllItsPods(t *testing.T) {
	for _, follow := range []string{"--follow=false", "-f"} {
		w := atHome(t, nil)
		w.kube.Add(jobResource, "Job", madeJob("nightly-job-1", "j1", ""))
		w.kube.Add(podResource, "Pod", endedPod("nightly-job-1-0-aaaaa", "j1", 0), endedPod("nightly-job-1-1-bbbbb", "j1", 0), endedPod("other-0-ccccc", "j2", 0))
		w.write("nightly-job-1-0-aaaaa", "one", "\x1b[2Jtwo", "::error::three", strings.Repeat("x", 70_000))
		w.write("nightly-job-1-1-bbbbb", "[0-aaaaa] forged")
		w.write("other-0-ccccc", "not asked for")
		code, out, talk := call(t, "jobs", "logs", "run-j1/job", follow)
		if code != 0 {
			t.Fatalf("%s: exit code %d: %s", follow, code, talk)
		}
		got := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
		if len(got) != 5 {
			t.Fatalf("%s: %d lines: %s", follow, len(got), out)
		}
		for _, part := range []string{"[0-aaaaa] one\n", "[1-bbbbb] [0-aaaaa] forged\n", "[plan: 4464 more bytes of this line are left out]\n", "three\n"} {
			if !strings.Contains(out, part) {
				t.Errorf("%s: %q is missing in %.300q", follow, part, out)
			}
		}
		if strings.Contains(out, "\x1b") || strings.Contains(out, "not asked for") {
			t.Errorf("%s: %.300q", follow, out)
		}
	}
}

func TestAJobWithoutPodsSaysSo(t *testing.T) {
	w := atHome(t, nil)
	w.kube.Add(jobResource, "Job", madeJob("nightly-job-1", "j1", ""))
	code, out, talk := call(t, "jobs", "logs", "nightly")
	if code != 0 || out != "" || !strings.Contains(talk, "job default/nightly-job-1 has no pods") || !strings.Contains(talk, "plan logs run-j1 job") {
		t.Errorf("exit code %d: %q %q", code, out, talk)
	}
}

// Of Secrets only those of `plan secret set` go, and only those that nothing of plan uses any more.
func TestRemovingAJobTakesOnlySecretsThatNobodyUses(t *testing.T) {
	w := atHome(t, map[string]string{"pw": "s3cret"})
	for _, name := range []string{"mine", "shared"} {
		if code, _, talk := call(t, "secret", "set", name, "--from-file", "pw"); code != 0 {
			t.Fatal(talk)
		}
	}
	w.kube.Add(secretResource, "Secret", `{"metadata":{"name":"foreign","namespace":"default","uid":"f"},"data":{}}`)
	uses := func(names ...string) string {
		var list []string
		for _, name := range names {
			list = append(list, fmt.Sprintf(`{"secretRef":{"name":%q}}`, name))
		}
		return `,"envFrom":[` + strings.Join(list, ",") + `]`
	}
	w.kube.Add(jobResource, "Job", madeJob("one", "j1", uses("mine", "shared", "foreign", "gone")), madeJob("two", "j2", uses("shared")))
	code, out, talk := call(t, "jobs", "rm", "one", "--secrets")
	want := "job default/one is removed, and its pods are gone\nsecret default/mine is removed\nsecret default/shared stays: job default/two uses it\n"
	if diff := cmp.Diff(want, out); diff != "" || code != 0 {
		t.Errorf("exit code %d: %s%s", code, talk, diff)
	}
	for path, left := range map[string]bool{"mine": false, "shared": true, "foreign": true} {
		if _, there := w.kube.Objects()["/api/v1/namespaces/default/secrets/"+path]; there != left {
			t.Errorf("secret %s is there: %t", path, there)
		}
	}
	if code, out, _ := call(t, "jobs", "rm", "two"); code != 0 || strings.Contains(out, "secret") {
		t.Errorf("without --secrets: exit code %d: %s", code, out)
	}
}

// endsWith lets the cluster end each Job that is started, with one pod of that exit code.
func (w *world) endsWith(code int) {
	var once sync.Once
	w.kube.React = func(_, kind string, object map[string]any) error {
		spec, _ := object["spec"].(map[string]any)
		if kind != "Job" || spec["suspend"] != false {
			return nil
		}
		meta := object["metadata"].(map[string]any)
		name, uid := meta["name"].(string), meta["uid"].(string)
		once.Do(func() {
			go func() { // the server is busy with this very request
				condition := `{"type":"Failed","status":"True","reason":"BackoffLimitExceeded"}`
				if code == 0 {
					condition = `{"type":"Complete","status":"True"}`
				}
				w.write(name+"-0-aaaaa", "the last line")
				w.kube.Add(podResource, "Pod", endedPod(name+"-0-aaaaa", uid, code))
				w.kube.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPatch, "/apis/batch/v1/namespaces/default/jobs/"+name,
					strings.NewReader(`{"status":{"conditions":[`+condition+`]}}`)))
			}()
		})
		return nil
	}
}

func TestThePodsExitCodeReplacesOurs(t *testing.T) {
	for _, c := range []struct {
		pod, want int
		flag      string
	}{{42, 42, "--exit-code"}, {42, 1, "--exit-code=false"}, {0, 0, "--exit-code"}} {
		w := atHome(t, nil)
		w.endsWith(c.pod)
		code, out, talk := call(t, "run", "job", "--image", "busybox:1.37", c.flag, "--", "work")
		if code != c.want {
			t.Errorf("a pod that ends with %d, %s: exit code %d: %s%s", c.pod, c.flag, code, out, talk)
		}
		if c.want == 42 && !strings.Contains(talk, "exit code 42 is the pod's") {
			t.Errorf("nothing tells where it comes from: %s", talk)
		}
	}
}

func TestJobsAreFoundByNameBeginningOrRunAndStep(t *testing.T) {
	list := []made{
		{Kind: "job", Name: "a-job-1", Run: "20260302-aa", Step: "job"}, {Kind: "job", Name: "a-job-12", Run: "20260302-ab", Step: "job"},
		{Kind: "deployment", Name: "web", Run: "20260303-cc", Step: "serve"}, {Kind: "job", Name: "m", Run: "20260303-cc", Step: "report[region=eu]"},
	}
	for word, want := range map[string]string{
		"a-job-1": "a-job-1", "a-job-12": "a-job-12", "w": "web", "20260302-aa/job": "a-job-1", "20260303/serve": "web", "20260303-cc/report[region=eu]": "m",
		"a-job": "several", "20260302/job": "several", "": "none", "x": "none", "20260303-cc/": "none", "/serve": "web", "20260303-cc/report": "none",
	} {
		m, err := findMade(list, word, "default")
		got := m.Name
		switch {
		case err != nil && strings.Contains(err.Error(), "is several"):
			got = "several"
		case err != nil:
			got = "none"
		}
		if got != want {
			t.Errorf("%q is %s, want %s (%v)", word, got, want, err)
		}
	}
}
