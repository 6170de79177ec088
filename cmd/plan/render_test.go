package main

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plan/internal/jobs/jobstest"
	"plan/internal/workload"
)

// manySorts is a plan with objects of every sort.
const manySorts = `apiVersion: plan/v1
kind: Plan
metadata: {name: sorts}
spec:
  steps:
    - id: directory
      uses: run-job
      matrix: {region: [eu, us]}
      with:
        source: {directory: {path: work}}
        command: [exit, "0"]
        env: {REGION: "${{ matrix.region }}", RUN: "${{ run.id }}", DOLLARS: "$(HOME) <&>"}
        security: baseline
        podTemplate: {metadata: {annotations: {region: "${{ matrix.region }}"}}}
    - id: secrets
      uses: run-job
      needs: []
      with:
        image: example.net/x:1
        command: [output, '{"rows": 42}']
        env: {TOKEN: {from: {env: TOKEN}}}
        secrets: [{name: db, from: {password: {env: TOKEN}, user: {env: TOKEN}}, env: {PGPASSWORD: password}}]
        outputs: {rows: integer}
    - id: site
      uses: run-job
      needs: []
      with: {workload: deployment, parallelism: 2, source: {directory: {path: work, exclude: [more.txt]}}, image: example.net/site:1, command: [httpd]}
    - id: clone
      uses: run-job
      needs: []
      with:
        source: {git: {url: "https://git.example.net/tool.git", ref: "0123456789012345678901234567890123456789", fetch: pod, credentials: {password: {from: {env: TOKEN}}}}}
        command: [exit, "0"]
    - {id: tell, uses: run-job, needs: [secrets], with: {image: example.net/x:1, command: [exit, "0"], env: {ROWS: "${{ string(steps.secrets.outputs.rows) }} rows"}}}
  finally:
    - {id: last, uses: run-job, with: {image: example.net/x:1, command: [exit, "0"]}}
`

// TestARunSendsWhatRenderShows, under the same run id: but for owners, the values of Secrets, and what only the run can know.
func TestARunSendsWhatRenderShows(t *testing.T) {
	w := atHome(t, map[string]string{"plan.yaml": manySorts})
	if err := os.Mkdir("work", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"work/run.sh", "work/more.txt"} {
		if err := os.WriteFile(name, []byte("true\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("TOKEN", "tokenvalue")
	code, shown, talk := call(t, "render", "plan.yaml", "--run-id", "one", "-o", "json")
	if code != 0 || strings.Contains(shown, "tokenvalue") {
		t.Fatalf("exit code %d: %s%s", code, talk, shown)
	}
	var mu sync.Mutex
	sent := map[string]map[string]any{}
	w.kube.React = func(verb, kind string, object map[string]any) error {
		mu.Lock()
		defer mu.Unlock()
		if verb == "create" && kind != "Pod" {
			sent[kindAndName(object)] = copied(object)
		}
		return nil
	}
	jobstest.Start(t, w.kube, nil)
	if code, out, talk := call(t, "apply", "plan.yaml", "--run-id", "one"); code != 0 {
		t.Fatalf("exit code %d: %s%s", code, out, talk)
	}
	var list struct{ Items []map[string]any }
	if err := json.Unmarshal([]byte(shown), &list); err != nil {
		t.Fatal(err)
	}
	hashes, unknown := 0, 0
	for _, o := range list.Items {
		name := kindAndName(o)
		real := sent[name]
		delete(sent, name)
		if real == nil {
			t.Errorf("%s is rendered, and a run does not make it; it makes %s", name, slices.Sorted(maps.Keys(sent)))
			continue
		}
		shownMeta, meta := o["metadata"].(map[string]any), real["metadata"].(map[string]any)
		for _, field := range []string{"uid", "creationTimestamp", "ownerReferences"} {
			delete(meta, field)
		}
		annotations := shownMeta["annotations"].(map[string]any)
		if o["kind"] == "Secret" {
			if data, _ := real["data"].(map[string]any); len(data) == 0 || o["data"] != nil || annotations[workload.AnnotationRedacted] == nil {
				t.Errorf("%s: with values a run has %v, and the rendering %v", name, real["data"], o["data"])
			}
			delete(annotations, workload.AnnotationRedacted)
			delete(real, "data")
		}
		if text := fillUnknown(o, real); text > 0 {
			unknown += text
			annotations[workload.AnnotationHash] = meta["annotations"].(map[string]any)[workload.AnnotationHash] // it is of other bytes
		} else if annotations[workload.AnnotationHash] != nil {
			hashes++
		}
		if diff := cmp.Diff(o, real); diff != "" {
			t.Errorf("%s: a run sends something else:\n%s", name, diff)
		}
	}
	if len(sent) > 0 || len(list.Items) != 13 || hashes != 6 || unknown != 1 {
		t.Errorf("%d objects are rendered, %d with their hash, %d texts are not known; not rendered are %v", len(list.Items), hashes, unknown, slices.Sorted(maps.Keys(sent)))
	}
}

// fillUnknown puts what a run has in the place of texts that a rendering cannot know, and counts them.
func fillUnknown(shown, real any) (n int) {
	fill := func(text, other any, set func(any)) {
		if s, ok := text.(string); ok && strings.Contains(s, unknownMark) {
			set(other)
			n++
		} else {
			n += fillUnknown(text, other)
		}
	}
	switch shown := shown.(type) {
	case map[string]any:
		real, _ := real.(map[string]any)
		for key, value := range shown {
			fill(value, real[key], func(other any) { shown[key] = other })
		}
	case []any:
		real, _ := real.([]any)
		for i := range min(len(shown), len(real)) {
			fill(shown[i], real[i], func(other any) { shown[i] = other })
		}
	}
	return n
}
