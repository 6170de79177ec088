package restorenodes

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"

	"plan/internal/backup"
	"plan/internal/kube"
	"plan/internal/kube/kubetest"
	"plan/internal/restore/restoretest"
	"plan/steps"
	"plan/steps/steptest"
)

var nodes = kube.Resource{Version: "v1", Resource: "nodes"}

const key = "nodes-backups/k3s/nodes-20260302-020000-00000000.json.gz"

// world has a backup of three nodes, of which two have joined again.
func world(t *testing.T) *steptest.World {
	t.Helper()
	from := kubetest.New(t)
	from.Add(nodes, "Node",
		`{"metadata":{"name":"a","labels":{"zone.example/z":"1","kubernetes.io/hostname":"old","k3s.io/x":"1","svccontroller.k3s.cattle.io/pool":"p","node-role.kubernetes.io/master":"true","node-role.kubernetes.io/worker":"","beta.kubernetes.io/os":"linux"},"annotations":{"example.com/rack":"7","flannel.alpha.coreos.com/public-ip":"192.0.2.1"}},"spec":{"taints":[{"key":"gpu","value":"yes","effect":"NoSchedule"},{"key":"node.kubernetes.io/unreachable","effect":"NoExecute","timeAdded":"2026-01-01T00:00:00Z"},{"key":"node.cilium.io/agent-not-ready","effect":"NoSchedule"},{"key":"ebs.csi.aws.com/agent-not-ready","effect":"NoExecute"},{"key":"ToBeDeletedByClusterAutoscaler","value":"1","effect":"NoSchedule"},{"key":"DeletionCandidateOfClusterAutoscaler","value":"1","effect":"PreferNoSchedule"},{"key":"startup-taint.cluster-autoscaler.kubernetes.io/x","effect":"NoSchedule"},{"key":"karpenter.sh/disrupted","effect":"NoSchedule"},{"key":"node.cluster.x-k8s.io/uninitialized","effect":"NoSchedule"}]}}`,
		`{"metadata":{"name":"b","labels":{"zone.example/z":"2"}}}`,
		`{"metadata":{"name":"c","labels":{"zone.example/z":"3"}}}`)
	w := steptest.NewWorld(t)
	if got := restoretest.Backup(t, from, w.Store, restoretest.Made{Artefact: backup.Nodes}); got != key {
		t.Fatal(got)
	}
	w.Kube.Add(nodes, "Node",
		`{"metadata":{"name":"a","resourceVersion":"5","uid":"u","labels":{"kubernetes.io/hostname":"a","mine":"1"}},"spec":{"podCIDR":"10.0.0.0/24","taints":[{"key":"gpu","effect":"PreferNoSchedule"}]},"status":{"phase":"Running"}}`,
		`{"metadata":{"name":"b","resourceVersion":"6","labels":{"zone.example/z":"2"}}}`)
	return w
}

func TestConforms(t *testing.T) {
	steptest.Conforms(t, Kind(), steptest.Fixture{
		With:  map[string]any{"key": key, "only": []any{"node/[ab]"}, "annotations": []any{"example.com/*"}, "overwrite": true},
		World: world,
	})
}

func run(t *testing.T, w *steptest.World, a *Action) (steps.Result, error) {
	t.Helper()
	a.Key = key
	a.pause = func(ctx context.Context, _ int) error { return ctx.Err() }
	if err := a.Validate(); err != nil {
		t.Fatal(err)
	}
	return a.Run(t.Context(), w.Env)
}

func node(w *steptest.World, name string) gjson.Result {
	return gjson.Parse(w.Kube.Objects()["/api/v1/nodes/"+name])
}

func TestNodesGetBackWhatPeopleSetAndNothingElse(t *testing.T) {
	w := world(t)
	result, err := run(t, w, &Action{})
	if err == nil || err.Error() != "node c has not joined this cluster: let it join, then restore again, or leave it out with only" {
		t.Errorf("error %v", err)
	}
	want := steps.Result{Outputs: map[string]any{"created": int64(1), "unchanged": int64(1), "different": int64(0)}, Reason: "1 node changed, 1 unchanged, 0 different, 1 not joined"}
	if diff := cmp.Diff(want, result); diff != "" {
		t.Error(diff)
	}
	a := node(w, "a")
	if got := a.Get("metadata.labels").String(); got != `{"kubernetes.io/hostname":"a","mine":"1","node-role.kubernetes.io/worker":"","zone.example/z":"1"}` {
		t.Errorf("labels %s", got)
	}
	if got := a.Get("spec").String(); got != `{"podCIDR":"10.0.0.0/24","taints":[{"effect":"PreferNoSchedule","key":"gpu"},{"effect":"NoSchedule","key":"gpu","value":"yes"}]}` {
		t.Errorf("spec %s", got)
	}
	if a.Get("metadata.annotations").Exists() {
		t.Errorf("annotations %s", a.Get("metadata.annotations"))
	}
	if node(w, "c").Exists() {
		t.Error("a node was made")
	}
	if !strings.Contains(w.Said(), "of cluster k3s (UID "+kubetest.UID+"), made 2026-03-02T02:00:00Z") {
		t.Errorf("said %s", w.Said())
	}
}

func TestAnnotationsAreRestoredByPatternOnly(t *testing.T) {
	tests := map[string]struct {
		patterns []string
		want     string
	}{
		"named":                  {[]string{"example.com/rack"}, `{"example.com/rack":"7"}`},
		"all of a domain":        {[]string{"example.com/*"}, `{"example.com/rack":"7"}`},
		"everything":             {[]string{"*", "*/*"}, `{"example.com/rack":"7"}`},
		"addresses, in so many":  {[]string{"flannel.alpha.coreos.com/*"}, `{"flannel.alpha.coreos.com/public-ip":"192.0.2.1"}`},
		"addresses, by accident": {[]string{"flannel*/*"}, ``},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := world(t)
			if _, err := run(t, w, &Action{Only: []string{"a"}, Annotations: tt.patterns}); err != nil {
				t.Fatal(err)
			}
			if got := node(w, "a").Get("metadata.annotations").String(); got != tt.want {
				t.Errorf("annotations %s", got)
			}
		})
	}
}

func TestOtherValuesStayWithoutOverwrite(t *testing.T) {
	other := func(w *steptest.World) {
		w.Kube.Add(nodes, "Node", `{"metadata":{"name":"c","labels":{"zone.example/z":"9"}}}`)
	}
	w := world(t)
	other(w)
	result, err := run(t, w, &Action{Only: []string{"c"}})
	if err == nil || !strings.Contains(err.Error(), "node c has other values, which were left as they are: label zone.example/z") || result.Outputs["different"] != int64(1) {
		t.Errorf("%+v, %v", result, err)
	}
	if got := node(w, "c").Get("metadata.labels").String(); got != `{"zone.example/z":"9"}` {
		t.Errorf("labels %s", got)
	}
	result, err = run(t, w, &Action{Only: []string{"c"}, Overwrite: true})
	if err != nil || result.Outputs["created"] != int64(1) || node(w, "c").Get("metadata.labels").String() != `{"zone.example/z":"3"}` {
		t.Errorf("%+v, %v, %s", result, err, node(w, "c"))
	}
}

func TestNodeThatChangesMeanwhileIsReadAgain(t *testing.T) {
	for name, fault := range map[string]kubetest.Fault{
		"conflict":             {Path: "nodes/a", Kth: 1, Status: 409},
		"executed, unanswered": {Path: "nodes/a", Kth: 1, Cut: 1, Honest: true},
		"server error":         {Path: "nodes/a", Kth: 1, Status: 500},
	} {
		t.Run(name, func(t *testing.T) {
			w := world(t)
			w.Kube.Fail(fault)
			result, err := run(t, w, &Action{Only: []string{"a"}})
			labels := node(w, "a").Get("metadata.labels")
			if err != nil || result.Outputs["created"] != int64(1) || labels.Get("mine").String() != "1" || labels.Get(`zone\.example/z`).String() != "1" {
				t.Errorf("%+v, %v: labels %s", result, err, labels)
			}
		})
	}
}

func TestValidateRefuses(t *testing.T) {
	for name, a := range map[string]*Action{
		"no key of ours":        {Key: "x"},
		"volumes":               {Key: "p/k3s/pvs-20260302-020000-00000000.json.gz"},
		"pattern of a kind":     {Only: []string{"pods/x"}},
		"pattern not closed":    {Only: []string{"a["}},
		"annotation not closed": {Annotations: []string{"a["}},
		"annotation empty":      {Annotations: []string{""}},
	} {
		if err := a.Validate(); err == nil || !strings.Contains(err.Error(), "with.") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (&Action{}).Validate(); err != nil {
		t.Errorf("a key that is not known yet: %v", err)
	}
}

func TestDamagedBackupChangesNothing(t *testing.T) {
	w := world(t)
	before := w.Kube.Objects()
	w.Store.Add(key, []byte("x"), nil)
	if _, err := run(t, w, &Action{}); !errors.Is(err, backup.ErrNoMetadata) {
		t.Errorf("error %v", err)
	}
	if diff := cmp.Diff(before, w.Kube.Objects()); diff != "" {
		t.Error(diff)
	}
}
