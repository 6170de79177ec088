package backupnodetoken_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plan/internal/bitwarden"
	"plan/internal/bitwarden/bwtest"
	"plan/internal/errclass"
	"plan/internal/kube"
	"plan/internal/kube/kubetest"
	"plan/internal/nodetoken"
	"plan/steps"
	"plan/steps/backupnodetoken"
	"plan/steps/steptest"
)

const (
	caHash   = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	password = "canary-5d1e"
	token    = "K10" + caHash + "::server:" + password
	before   = "K10" + caHash + "::server:canary-before"
)

// hashes are printf %s canary-… | sha256sum | cut -c1-12
const (
	hash       = "5254801e6d66"
	hashBefore = "56df06fc16e2"
)

// world is a server node whose token was changed since it was backed up to each place.
func world(t *testing.T) (*steptest.World, *bwtest.Server) {
	t.Helper()
	w := steptest.NewWorld(t)
	write(t, filepath.Join(w.Env.Dir, "server/token"), token+"\n")
	write(t, filepath.Join(w.Env.Dir, "kept"), before+"\n")
	w.Kube.Add(kube.Resource{Version: "v1", Resource: "secrets"}, "Secret", fmt.Sprintf(
		`{"metadata":{"name":"node-token","namespace":"backup","resourceVersion":"7"},"data":{"token":%q}}`, encoded(before)))
	s := bwtest.New()
	s.AddSecret(s.AddProject("homelab"), "k3s-node-token-k3s", before)
	w.Env.Bitwarden = client(t, s)
	w.Canaries = append(w.Canaries, "canary-", encoded(token), encoded(before), caHash)
	return w, s
}

func client(t *testing.T, s *bwtest.Server) func() (*bitwarden.Client, error) {
	t.Helper()
	c, err := bitwarden.New(bitwarden.Config{ServerURL: "https://vault.test.invalid", HTTP: s.Client()}, s.AddMachineAccount("a"))
	return func() (*bitwarden.Client, error) { return c, err }
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

func encoded(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func places() map[string]map[string]any {
	return map[string]map[string]any{
		"bitwarden":  {"bitwarden": map[string]any{"project": "homelab"}},
		"kubernetes": {"kubernetes": map[string]any{"namespace": "backup", "name": "node-token"}},
		"file":       {"file": map[string]any{"path": "kept"}},
	}
}

func TestConforms(t *testing.T) {
	for place, to := range places() {
		t.Run(place, func(t *testing.T) {
			steptest.Conforms(t, backupnodetoken.Kind(), steptest.Fixture{
				With:  map[string]any{"path": "server", "to": to},
				World: func(t *testing.T) *steptest.World { w, _ := world(t); return w },
			})
		})
	}
}

func action(t *testing.T, with map[string]any) steps.Action {
	t.Helper()
	a := backupnodetoken.Kind().New()
	if err := steps.Decode(with, a); err != nil {
		t.Fatal(err)
	}
	if err := a.Validate(); err != nil {
		t.Fatal(err)
	}
	return a
}

func TestWhatIsSaidOfAChangedToken(t *testing.T) {
	current := map[string]string{"bitwarden": "bitwarden secret k3s-node-token-k3s%s in project homelab", "kubernetes": "secret backup/node-token key token%s", "file": "file DIR/kept%s"}
	ops := map[string]steps.Op{"bitwarden": steps.Create, "kubernetes": steps.Update, "file": steps.Create} // of the copy: a Secret is there already
	for place, to := range places() {
		t.Run(place, func(t *testing.T) {
			w, _ := world(t)
			a := action(t, map[string]any{"path": "server/token", "to": to})
			changes, err := a.Plan(t.Context(), w.Env)
			if err != nil {
				t.Fatal(err)
			}
			name := func(suffix string) string {
				return strings.ReplaceAll(fmt.Sprintf(current[place], suffix), "DIR", w.Env.Dir)
			}
			want := []steps.Change{
				{Op: ops[place], Target: name("-" + hashBefore), Detail: "a copy of the token that is kept now, hash " + hashBefore + ": older snapshots need it"},
				{Op: steps.Update, Target: name(""), Detail: "the server's token, hash " + hash},
			}
			if diff := cmp.Diff(want, changes); diff != "" {
				t.Error(diff)
			}
			result, err := a.Run(t.Context(), w.Env)
			if err != nil {
				t.Fatal(err)
			}
			wantResult := steps.Result{
				Outputs: map[string]any{"action": "updated", "tokenHash": hash},
				Reason:  "token with hash " + hash + " → " + name("") + "; the earlier one is kept in " + name("-"+hashBefore),
			}
			if diff := cmp.Diff(wantResult, result); diff != "" {
				t.Error(diff)
			}
			if changes, err = a.Plan(t.Context(), w.Env); err != nil || len(changes) != 0 {
				t.Errorf("once more: %v, %v", changes, err)
			}
			if result, err = a.Run(t.Context(), w.Env); err != nil || result.Outputs["action"] != "unchanged" {
				t.Errorf("once more: %v, %v", result, err)
			}
			for _, secret := range []string{token, password, before, "canary-before"} {
				if !slices.Contains(w.Hidden(), secret) {
					t.Errorf("one of the tokens read is not masked; %d are", len(w.Hidden()))
				}
			}
		})
	}
}

// TestNoCommandLineHoldsTheToken: the token was once an argument of a command, where every user of the machine can read it. No process is
// started at all, so the package needs nothing that can start one.
func TestNoCommandLineHoldsTheToken(t *testing.T) {
	for _, dir := range []string{".", "../../internal/nodetoken", "../../internal/checks/nodetoken", "../verifynodetoken", "../../internal/bitwarden"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", dir, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, starts := range []string{`"os/` + `exec"`, "os." + "StartProcess", "syscall." + "Exec", "ForkExec" + "("} {
				if strings.Contains(string(text), starts) {
					t.Errorf("%s has %s", file, starts)
				}
			}
		}
	}
}

func TestWhatIsWrongWithTheFileIsSaidAndNothingIsAsked(t *testing.T) {
	cases := map[string]struct{ text, says string }{
		"agent's": {"K10" + caHash + "::node:" + password, "agent"},
		"kubeadm": {"abcdef.0123456789abcdef", "kubeadm"},
		"empty":   {"\n", "empty"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w, s := world(t)
			write(t, filepath.Join(w.Env.Dir, "server/token"), tc.text)
			for place, to := range places() {
				_, err := action(t, map[string]any{"path": "server/token", "to": to}).Run(t.Context(), w.Env)
				if !errors.Is(err, nodetoken.ErrToken) || !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), "canary") {
					t.Errorf("%s: %v", place, err)
				}
			}
			if len(s.Requests())+len(w.Kube.Requests()) != 0 {
				t.Error("a place was asked")
			}
		})
	}
	w, _ := world(t)
	_, err := action(t, map[string]any{"to": places()["file"]}).Run(t.Context(), w.Env)
	if !errors.Is(err, nodetoken.ErrNoFile) || !strings.Contains(err.Error(), nodetoken.K3sFile) || !strings.Contains(err.Error(), nodetoken.RKE2File) {
		t.Errorf("the default path: %v", err)
	}
}

// TestTheServersOwnFileIsNoCopy: the file has the token, of course, and "unchanged" would say that a copy is kept.
func TestTheServersOwnFileIsNoCopy(t *testing.T) {
	for _, path := range []string{"server/token", "server", "."} {
		w, _ := world(t)
		a := action(t, map[string]any{"path": path, "to": map[string]any{"file": map[string]any{"path": "server/token"}}})
		changes, planned := a.Plan(t.Context(), w.Env)
		result, err := a.Run(t.Context(), w.Env)
		if !errors.Is(planned, nodetoken.ErrSource) || !errors.Is(err, nodetoken.ErrSource) || changes != nil || result.Outputs != nil {
			t.Errorf("path %s: %v, %v; %+v, %v", path, changes, planned, result, err)
		}
	}
}

// TestAnUnknownOutcomeIsLost: no retry may repeat it blindly, and the exit code is that of an effect that is not known.
func TestAnUnknownOutcomeIsLost(t *testing.T) {
	w, s := world(t)
	a := action(t, map[string]any{"path": "server", "to": places()["bitwarden"]})
	s.FailNext(bwtest.Status(503).At(bwtest.ListProject).For(-1))
	if _, err := a.Run(t.Context(), w.Env); errclass.Classify(err).Class == errclass.Lost {
		t.Errorf("nothing was written yet: %v", err)
	}
	s.Heal()
	w.Kube.Fail(kubetest.Fault{Path: "fieldManager=plan", Cut: 5, Kth: 1})
	for kth := 4; kth < 8; kth++ { // the looks after the first write: Plan took two, Do one
		w.Kube.Fail(kubetest.Fault{Path: "/secrets/node-token?", Cut: 5, Kth: kth})
	}
	_, err := action(t, map[string]any{"path": "server", "to": places()["kubernetes"]}).Run(t.Context(), w.Env)
	if errclass.Classify(err).Class != errclass.Lost || !strings.Contains(err.Error(), "run again") {
		t.Errorf("%v", err)
	}
}

func TestNeedsAndPermissionsAreThoseOfThePlace(t *testing.T) {
	scope := steps.Scope{Namespace: "default"}
	cases := map[string]struct {
		with  map[string]any
		needs steps.Needs
		may   []steps.Permission
	}{
		"bitwarden": {map[string]any{"to": places()["bitwarden"]}, steps.Needs{Bitwarden: true}, nil},
		"file":      {map[string]any{"to": places()["file"]}, steps.Needs{}, nil},
		"kubernetes": {map[string]any{"to": map[string]any{"kubernetes": map[string]any{"name": "x"}}}, steps.Needs{}, []steps.Permission{
			{Verb: "get", Resource: "secrets", Namespace: "default", Name: "x"}, {Verb: "create", Resource: "secrets", Namespace: "default"},
			{Verb: "update", Resource: "secrets", Namespace: "default", Name: "x"}}},
	}
	for name, tc := range cases {
		a := action(t, tc.with)
		if diff := cmp.Diff(tc.needs, a.Needs(scope)) + cmp.Diff(tc.may, a.Permissions(scope)); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

func TestValidateWantsExactlyOnePlace(t *testing.T) {
	for name, to := range map[string]map[string]any{"none": {}, "two": {"file": map[string]any{"path": "x"}, "bitwarden": map[string]any{"project": "p"}}} {
		a := backupnodetoken.Kind().New()
		if err := steps.Decode(map[string]any{"to": to}, a); err != nil {
			t.Fatal(err)
		}
		if err := a.Validate(); err == nil || !strings.Contains(err.Error(), "exactly one") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
