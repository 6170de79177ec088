package verifynodetoken_test

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plan/internal/bitwarden"
	"plan/internal/bitwarden/bwtest"
	"plan/internal/kube"
	"plan/internal/kube/kubetest"
	"plan/steps"
	"plan/steps/steptest"
	"plan/steps/verifynodetoken"
)

const (
	token = "K100123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef::server:canary-5d1e"
	hash  = "5254801e6d66" // printf %s canary-5d1e | sha256sum | cut -c1-12
)

func places() map[string]map[string]any {
	return map[string]map[string]any{
		"bitwarden":  {"bitwarden": map[string]any{"project": "homelab"}},
		"kubernetes": {"kubernetes": map[string]any{"namespace": "backup", "name": "node-token"}},
		"file":       {"file": map[string]any{"path": "kept"}},
	}
}

// world is a server node whose token is kept in each place, and whose newest snapshot says that it needs it.
func world(t *testing.T) *steptest.World {
	t.Helper()
	w := steptest.NewWorld(t)
	for _, name := range []string{"kept", "token"} {
		if err := os.WriteFile(filepath.Join(w.Env.Dir, name), []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	encoded := base64.StdEncoding.EncodeToString([]byte(token))
	w.Kube.Add(kube.Resource{Version: "v1", Resource: "secrets"}, "Secret", fmt.Sprintf(`{"metadata":{"name":"node-token","namespace":"backup"},"data":{"token":%q}}`, encoded))
	s := bwtest.New()
	s.AddSecret(s.AddProject("homelab"), "k3s-node-token-k3s", token)
	c, err := bitwarden.New(bitwarden.Config{ServerURL: "https://vault.test.invalid", HTTP: s.Client()}, s.AddMachineAccount("a"))
	w.Env.Bitwarden = func() (*bitwarden.Client, error) { return c, err }
	w.Store.Add("snapshots/etcd-snapshot-a-1772413200", make([]byte, 512+32), map[string]string{"k3s-token-hash": hash, "k3s-cluster-id": kubetest.UID})
	w.Canaries = append(w.Canaries, "canary-5d1e", encoded, "0123456789abcdef0123")
	return w
}

func TestConforms(t *testing.T) {
	for place, in := range places() {
		t.Run(place, func(t *testing.T) {
			steptest.Conforms(t, verifynodetoken.Kind(), steptest.Fixture{
				With:  map[string]any{"in": in, "path": "token", "prefix": "snapshots"},
				World: world,
			})
		})
	}
}

func TestThePassSaysWhatWasCompared(t *testing.T) {
	w := world(t)
	a := verifynodetoken.Kind().New()
	if err := steps.Decode(map[string]any{"in": places()["kubernetes"], "path": "token", "prefix": "snapshots"}, a); err != nil {
		t.Fatal(err)
	}
	got, err := a.Run(t.Context(), w.Env)
	if err != nil {
		t.Fatal(err)
	}
	delete(got.Outputs, "findings")
	want := steps.Result{Verdict: steps.Pass, Reason: "3 OK", Outputs: map[string]any{"tokenHash": hash, "updated": ""}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAStoreIsNeededForSnapshotsOnly(t *testing.T) {
	for prefix, want := range map[string]steps.Needs{"": {}, "k3s": {Places: []steps.Place{{Store: "main", Prefix: "k3s/"}}}} {
		a := verifynodetoken.Kind().New()
		if err := steps.Decode(map[string]any{"in": places()["file"], "store": "main", "prefix": prefix}, a); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, a.Needs(steps.Scope{})); diff != "" {
			t.Error(diff)
		}
		if may := a.Permissions(steps.Scope{}); may != nil {
			t.Errorf("a file needs %v", may)
		}
	}
}
