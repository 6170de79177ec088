package verifyall

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"plan/internal/checks/checktest"
	"plan/internal/kube"
	"plan/internal/kube/kubetest"
	"plan/internal/objectstore"
	"plan/steps"
	"plan/steps/steptest"
)

const token = "K10aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa::server:" + steptest.Canary

// ready is a cluster with embedded etcd and a fresh snapshot, whose token is kept in a Secret.
func ready(t *testing.T) *steptest.World {
	w := steptest.NewWorld(t)
	w.Kube.Add(kube.Resource{Version: "v1", Resource: "nodes"}, "Node",
		`{"metadata":{"name":"s1","labels":{"node-role.kubernetes.io/control-plane":"true","node-role.kubernetes.io/etcd":"true"}},"status":{}}`)
	w.Kube.Add(kube.Resource{Version: "v1", Resource: "secrets"}, "Secret",
		fmt.Sprintf(`{"metadata":{"namespace":"kube-system","name":"kept"},"data":{"token":%q}}`, base64.StdEncoding.EncodeToString([]byte(token))))
	// The suite's store dates everything 1970, so the snapshot of 2026 says it was received before it was made: listed, no influence.
	w.Store.Add(fmt.Sprintf("k3s-etcd-snapshots/etcd-snapshot-s1-%d", steptest.Started.Unix()-3600), make([]byte, 512*8+32),
		map[string]string{"k3s-cluster-id": kubetest.UID, "k3s-node-name": "s1"})
	return w
}

var with = map[string]any{
	"nodeToken": map[string]any{"in": map[string]any{"kubernetes": map[string]any{"namespace": "kube-system", "name": "kept", "key": "token"}}},
	"longhorn":  map[string]any{"namespace": "longhorn-system"},
}

func TestConforms(t *testing.T) {
	steptest.Conforms(t, Kind(), steptest.Fixture{With: with, World: ready})
}

func check(t *testing.T, w *steptest.World, with map[string]any) (steps.Result, error) {
	t.Helper()
	action := Kind().New()
	if err := steps.Decode(with, action); err != nil {
		t.Fatal(err)
	}
	if err := action.Validate(); err != nil {
		t.Fatal(err)
	}
	result, err := action.Run(t.Context(), w.Env)
	for _, entry := range result.Outputs["checks"].([]any) {
		checktest.Complete(t, entry.(map[string]any)["findings"])
	}
	return result, err
}

// verdicts are the checks, each with its verdict.
func verdicts(r steps.Result) string {
	var parts []string
	for _, entry := range r.Outputs["checks"].([]any) {
		e := entry.(map[string]any)
		parts = append(parts, fmt.Sprintf("%s=%s", e["check"], e["verdict"]))
	}
	return strings.Join(parts, ", ")
}

const aKey = "pv-backups/k3s/pvs-20260101-000000-00000000.json.gz"

func TestWhatAppliesDecides(t *testing.T) {
	off := map[string]any{"off": true}
	cases := map[string]struct {
		change  func(*steptest.World)
		with    map[string]any
		want    string
		verdict steps.Verdict
	}{
		"all is well":                          {nil, with, "nodeToken=pass, etcd=pass, longhorn=none, backups pvs=none, backups nodes=none", steps.Pass},
		"no settings":                          {nil, nil, "nodeToken=none, etcd=pass, longhorn=none, backups pvs=none, backups nodes=none", steps.Pass},
		"too old":                              {nil, map[string]any{"etcd": map[string]any{"maxAge": "30m"}}, "nodeToken=none, etcd=fail, longhorn=none, backups pvs=none, backups nodes=none", steps.Fail},
		"must be there":                        {nil, map[string]any{"etcd": off, "longhorn": off, "backups": map[string]any{"artefact": "nodes"}}, "nodeToken=none, backups nodes=fail", steps.Fail},
		"an emptied bucket, or another prefix": {nil, map[string]any{"backups": map[string]any{"prefix": "typo/"}}, "nodeToken=none, etcd=pass, longhorn=none, backups pvs=fail, backups nodes=fail", steps.Fail},
		"an emptied bucket, and an age":        {nil, map[string]any{"backups": map[string]any{"maxAge": "12h"}}, "nodeToken=none, etcd=pass, longhorn=none, backups pvs=fail, backups nodes=fail", steps.Fail},
		"an emptied bucket, and a store":       {nil, map[string]any{"backups": map[string]any{"store": "main"}}, "nodeToken=none, etcd=pass, longhorn=none, backups pvs=fail, backups nodes=fail", steps.Fail},
		"backups are to be rehearsed":          {nil, map[string]any{"backups": map[string]any{"rehearse": true}}, "nodeToken=none, etcd=pass, longhorn=none, backups pvs=fail, backups nodes=fail", steps.Fail},
		"one backup by its key":                {nil, map[string]any{"backups": map[string]any{"key": aKey}}, "nodeToken=none, etcd=pass, longhorn=none, backups pvs=fail", steps.Fail},
		"a key of the artefact":                {nil, map[string]any{"backups": map[string]any{"key": aKey, "artefact": "pvs"}}, "nodeToken=none, etcd=pass, longhorn=none, backups pvs=fail", steps.Fail},
		"nothing applies":                      {nil, map[string]any{"etcd": off}, "nodeToken=none, longhorn=none, backups pvs=none, backups nodes=none", steps.Unknown},
		"all is off":                           {nil, map[string]any{"nodeToken": off, "etcd": off, "longhorn": off, "backups": off}, "", steps.Unknown},
		"no rights": {func(w *steptest.World) { w.Kube.Fail(kubetest.Fault{Path: "longhorn.io", Status: 403}) }, nil,
			"nodeToken=none, etcd=pass, longhorn=unknown, backups pvs=none, backups nodes=none", steps.Unknown},
		"no nodes can be listed": {func(w *steptest.World) { w.Kube.Fail(kubetest.Fault{Path: "/nodes", Status: 403}) }, nil,
			"nodeToken=none, etcd=unknown, longhorn=none, backups pvs=none, backups nodes=none", steps.Unknown},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := ready(t)
			if tc.change != nil {
				tc.change(w)
			}
			result, err := check(t, w, tc.with)
			if err != nil {
				t.Fatal(err)
			}
			if got := verdicts(result); got != tc.want || result.Verdict != tc.verdict {
				t.Errorf("%s: %s\nwant %s: %s\n%s", result.Verdict, got, tc.verdict, tc.want, w.Said())
			}
		})
	}
}

// Every check says its name, its verdict and why, also when it does not apply.
func TestOneSummary(t *testing.T) {
	w := ready(t)
	if _, err := check(t, w, with); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"✓ nodeToken", "✓ etcd", "- longhorn       -        not applicable: ", "- backups pvs"} {
		if !strings.Contains(w.Said(), want) {
			t.Errorf("%q is not in\n%s", want, w.Said())
		}
	}
}

// A store that does not answer is no proof of anything, and the step is worth another try.
func TestAStoreThatDoesNotAnswerIsUnknown(t *testing.T) {
	w := ready(t)
	broken := errors.New("connection reset by peer")
	w.Env.Store = func(string) (objectstore.Store, error) { return nil, broken }
	action := Kind().New()
	if result, err := action.Run(t.Context(), w.Env); !errors.Is(err, broken) || result.Verdict == steps.Pass {
		t.Errorf("%v, %v", result.Verdict, err)
	}
}

func TestWhatIsWrongInAPartNamesThePart(t *testing.T) {
	for name, with := range map[string]map[string]any{
		"etcd prefix":        {"etcd": map[string]any{"prefix": "a/../b"}},
		"longhorn target":    {"longhorn": map[string]any{"target": "none"}},
		"two places":         {"nodeToken": map[string]any{"in": map[string]any{"file": map[string]any{"path": "a"}, "bitwarden": map[string]any{"project": "p", "key": "k"}}}},
		"a path of no token": {"nodeToken": map[string]any{"path": "/nowhere/token"}},
		"a prefix, no token": {"nodeToken": map[string]any{"prefix": "k3s-etcd-snapshots/"}},
		"another's key":      {"backups": map[string]any{"key": aKey, "artefact": "nodes"}},
		"a key that is none": {"backups": map[string]any{"key": "x"}},
	} {
		action := Kind().New()
		if err := steps.Decode(with, action); err != nil {
			t.Fatal(err)
		}
		section := ""
		for section = range with {
		}
		if err := action.Validate(); err == nil || strings.Count(err.Error(), "with."+section+".") != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
}
