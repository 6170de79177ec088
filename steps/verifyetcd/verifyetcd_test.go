package verifyetcd_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"plan/internal/checks/checktest"
	"plan/internal/etcdsnapshot/snapshottest"
	"plan/internal/kube"
	"plan/internal/kube/kubetest"
	"plan/steps"
	"plan/steps/steptest"
	"plan/steps/verifyetcd"
)

const (
	token    = "K10" + "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" + "::server:" + password
	password = "canary-password-5Tg"
)

// world is a cluster of one server with a fresh snapshot.
func world(t *testing.T, label string) *steptest.World {
	t.Helper()
	w := steptest.NewWorld(t)
	w.Secrets["env K3S_TOKEN"] = token
	w.Canaries = append(w.Canaries, password)
	labels := map[string]string{"node-role.kubernetes.io/control-plane": "true"}
	if label != "" {
		labels[label] = "true"
	}
	node, err := json.Marshal(map[string]any{"metadata": map[string]any{"name": "server-1", "labels": labels, "annotations": map[string]string{"k3s.io/node-args": `["server"]`}}})
	if err != nil {
		t.Fatal(err)
	}
	w.Kube.Add(kube.Resource{Version: "v1", Resource: "nodes"}, "Node", string(node))
	w.Kube.Add(kube.Resource{Group: "k3s.cattle.io", Version: "v1", Resource: "etcdsnapshotfiles"}, "ETCDSnapshotFile")
	data, err := snapshottest.Make(snapshottest.Options{Passwords: []string{password}})
	if err != nil {
		t.Fatal(err)
	}
	w.Store.Add(fmt.Sprintf("k3s-etcd-snapshots/etcd-snapshot-server-1-%d", steptest.Started.Add(-2*time.Hour).Unix()), data,
		map[string]string{"k3s-cluster-id": kubetest.UID, "k3s-node-name": "server-1", "k3s-token-hash": snapshottest.Hash(password)})
	return w
}

func TestConforms(t *testing.T) {
	for _, depth := range []string{"age", "structure", "checksum", "open"} {
		t.Run(depth, func(t *testing.T) {
			steptest.Conforms(t, verifyetcd.Kind(), steptest.Fixture{
				With: map[string]any{"prefix": "k3s-etcd-snapshots", "maxAge": "13h", "depth": depth, "sample": int64(2), "perNode": "fail",
					"token": map[string]any{"from": map[string]any{"env": "K3S_TOKEN"}}},
				World: func(t *testing.T) *steptest.World { return world(t, "node-role.kubernetes.io/etcd") },
			})
		})
	}
}

func run(t *testing.T, w *steptest.World, with map[string]any) steps.Result {
	t.Helper()
	action := verifyetcd.Kind().New()
	if err := steps.Decode(with, action); err != nil {
		t.Fatal(err)
	}
	if err := action.Validate(); err != nil {
		t.Fatal(err)
	}
	result, err := action.Run(t.Context(), w.Env)
	if err != nil {
		t.Fatal(err)
	}
	checktest.Complete(t, result.Outputs["findings"])
	return result
}

// TestNotApplicableIsUnknown: a check that was asked for and has nothing to look at has not passed.
func TestNotApplicableIsUnknown(t *testing.T) {
	result := run(t, world(t, ""), nil)
	if result.Verdict != steps.Unknown || !strings.HasPrefix(result.Reason, "NOT_APPLICABLE: etcd: not applicable: no embedded etcd (SQLite at /var/lib/rancher/k3s/server/db/state.db)") {
		t.Errorf("%s: %s", result.Verdict, result.Reason)
	}
}

func TestAFreshSnapshotPasses(t *testing.T) {
	w := world(t, "node-role.kubernetes.io/etcd")
	result := run(t, w, map[string]any{"depth": "open", "token": map[string]any{"from": map[string]any{"env": "K3S_TOKEN"}}})
	if result.Verdict != steps.Pass || result.Outputs["age"] != 2*time.Hour || result.Outputs["snapshots"] != int64(1) || !strings.Contains(result.Reason, "sound (open, and by the token)") {
		t.Errorf("%s: %s %v", result.Verdict, result.Reason, result.Outputs)
	}
	hidden := false
	for _, value := range w.Hidden() {
		hidden = hidden || value == password
	}
	if !hidden {
		t.Error("the token's password is not masked")
	}
}
