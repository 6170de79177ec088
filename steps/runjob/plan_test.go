package runjob_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"plan/internal/kube"
	"plan/internal/objects"
	"plan/steps"
	"plan/steps/steptest"
)

var jobsOfBatch = kube.Resource{Group: "batch", Version: "v1", Resource: "jobs"}

// earlier has the detached Job of an earlier run, changed as the server and controllers change one.
func earlier(t *testing.T, fields map[string]any, changed func(string) string) *steptest.World {
	t.Helper()
	w := world(t)
	w.Env.Scope.Run = "earlier"
	fields["name"], fields["detach"], fields["replace"] = "mine", true, true
	if _, err := run(t, w, with(fields), nil); err != nil {
		t.Fatal(err)
	}
	path := "/apis/batch/v1/namespaces/default/jobs/mine"
	live := changed(w.Kube.Objects()[path])
	if !json.Valid([]byte(live)) {
		t.Fatalf("it is no JSON: %s", live)
	}
	fresh := steptest.NewWorld(t)
	fresh.Env.Dir, fresh.Env.Scope.Dir = w.Env.Dir, w.Env.Scope.Dir
	fresh.Kube.Add(jobsOfBatch, "Job", live)
	return fresh
}

// TestAReplacementIsShownBesideWhatIsThere, as what would be made, once it is started.
func TestAReplacementIsShownBesideWhatIsThere(t *testing.T) {
	own := []string{"metadata.annotations.plan/spec-hash", "metadata.labels.plan/run", "spec.template.metadata.labels.plan/run"}
	cases := map[string]struct {
		fields map[string]any
		change [2]string // in what is there
		want   []string  // paths that differ besides
		reason string
	}{
		"started":     {map[string]any{}, [2]string{"", ""}, nil, "it was made suspended, and started"},
		"queue":       {map[string]any{"queue": "batch"}, [2]string{`"suspend":true`, `"suspend":false`}, nil, "Kueue starts it"},
		"defaults":    {map[string]any{}, [2]string{`"image":`, `"imagePullPolicy":"IfNotPresent","terminationMessagePath":"/dev/termination-log","image":`}, nil, "the server's"},
		"controllers": {map[string]any{}, [2]string{`"suspend":false`, `"suspend":false,"selector":{"matchLabels":{"batch.kubernetes.io/controller-uid":"u"}}`}, nil, "the controller's"},
		"somebody's":  {map[string]any{}, [2]string{`"suspend":false`, `"suspend":false,"priority":1`}, []string{"spec.priority"}, "what goes is shown"},
		"another value": {map[string]any{}, [2]string{`"restartPolicy":"Never"`, `"restartPolicy":"Never","dnsPolicy":"None"`},
			[]string{"spec.template.spec.dnsPolicy"}, "no default"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := earlier(t, tc.fields, func(live string) string {
				if !strings.Contains(live, tc.change[0]) {
					t.Fatalf("it has no %s: %s", tc.change[0], live)
				}
				return strings.ReplaceAll(live, tc.change[0], tc.change[1])
			})
			changes, err := action(t, with(tc.fields)).Plan(t.Context(), w.Env)
			if err != nil || changes[0].Op != steps.Replace || changes[0].Target != "job default/mine" {
				t.Fatalf("%+v, %v", changes, err)
			}
			var extra []string
			for _, path := range objects.Diff(changes[0].Before, changes[0].After) {
				if plain := strings.NewReplacer(`["`, ".", `"]`, "").Replace(path); !slices.Contains(own, plain) {
					extra = append(extra, plain)
				}
			}
			if strings.Join(extra, " ") != strings.Join(tc.want, " ") {
				t.Errorf("%q differ, want %q: %s\n%s\n%s", extra, tc.want, tc.reason, changes[0].Before, changes[0].After)
			}
		})
	}
}

func TestPartsThatGoWithAReplacedJobAreReplaced(t *testing.T) {
	fields := map[string]any{}
	w := earlier(t, fields, func(live string) string { return live })
	w.Kube.Add(kube.Resource{Version: "v1", Resource: "configmaps"}, "ConfigMap", `{"metadata":{"name":"mine-source-0","namespace":"default"}}`)
	fields["env"] = map[string]any{"TOKEN": map[string]any{"from": map[string]any{"env": "TOKEN"}}}
	changes, err := action(t, with(fields)).Plan(t.Context(), w.Env)
	if err != nil || len(changes) != 3 {
		t.Fatalf("%+v, %v", changes, err)
	}
	for i, want := range []steps.Change{{Op: steps.Replace, Target: "job default/mine"}, {Op: steps.Replace, Target: "configmap default/mine-source-0"}, {Op: steps.Create, Target: "secret default/mine-env"}} {
		if changes[i].Op != want.Op || changes[i].Target != want.Target {
			t.Errorf("%s %s, want %s %s", changes[i].Op, changes[i].Target, want.Op, want.Target)
		}
	}
}

// TestTheNewWorkloadIsToldAsItWorks: it is made stopped, and nobody wants that.
func TestTheNewWorkloadIsToldAsItWorks(t *testing.T) {
	for name, tc := range map[string]struct {
		fields     map[string]any
		path, want string
	}{
		"job":        {map[string]any{}, "spec.suspend", "false"},
		"queue":      {map[string]any{"queue": "batch"}, `metadata.labels.kueue\.x-k8s\.io/queue-name`, "batch"},
		"deployment": {map[string]any{"workload": "deployment", "parallelism": int64(3)}, "spec.replicas", "3"},
	} {
		changes, err := action(t, with(tc.fields)).Plan(t.Context(), world(t).Env)
		if err != nil || changes[0].Op != steps.Create || changes[0].Before != nil {
			t.Fatalf("%s: %+v, %v", name, changes, err)
		}
		if got := gjson.GetBytes(changes[0].After, tc.path).String(); got != tc.want {
			t.Errorf("%s: %s is %q, want %q", name, tc.path, got, tc.want)
		}
	}
}
