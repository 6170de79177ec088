package secrets

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"plan/internal/bitwarden/bwtest"
)

// world is a Bitwarden server behind TLS, and a machine account whose token is in a Kubernetes Secret.
type world struct {
	server  *bwtest.Server
	kube    *fakeKube
	spec    BitwardenSpec
	project string
	ids     []string
	dir     string
}

var tokenSource = Source{Kubernetes: Kubernetes{"external-secrets", "bitwarden-machine-account", "token"}}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{server: bwtest.New(), dir: t.TempDir()}
	w.project = w.server.AddProject("home")
	for _, v := range []string{canary + "-1\n", canary + "-2"} {
		w.ids = append(w.ids, w.server.AddSecret(w.project, "key"+v[len(canary):][:2], v))
	}
	token := w.server.AddMachineAccount("nightly")
	l, err := w.server.ListenTLS("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	if err := os.WriteFile(filepath.Join(w.dir, "ca.pem"), l.CAPEM, 0o600); err != nil {
		t.Fatal(err)
	}
	w.kube = &fakeKube{values: map[Kubernetes]string{tokenSource.Kubernetes: token + "\n"}}
	w.spec = BitwardenSpec{ServerURL: l.URL, CAFile: "ca.pem", AccessToken: Secret{&tokenSource}}
	return w
}

func (w *world) resolver(sources ...Source) *Resolver {
	r := NewResolver(Options{BaseDir: w.dir, LookupEnv: env(nil), Bitwarden: w.spec})
	for _, s := range sources {
		r.Add("field of "+s.String(), s)
	}
	return r
}

func (w *world) read(t *testing.T, r *Resolver) error {
	t.Helper()
	if err := r.ReadLoadTime(); err != nil {
		t.Fatal(err)
	}
	return r.ReadAll(t.Context(), Clients{Kubernetes: w.kube}, r.Sources())
}

func byID(id string) Source { return Source{Bitwarden: Bitwarden{ID: id}} }

func byKey(project, key string) Source {
	return Source{Bitwarden: Bitwarden{Project: project, Key: key}}
}

func TestBitwardenOneLoginAndOneRequestForAllIDs(t *testing.T) {
	w := newWorld(t)
	key := byKey("home", "key-2")
	r := w.resolver(byID(w.ids[0]), byID(w.ids[1]), byID(w.ids[0]), key, byKey("home", "key-1"))
	if err := w.read(t, r); err != nil {
		t.Fatal(err)
	}
	for want, s := range map[string]Source{canary + "-1": byID(w.ids[0]), canary + "-2": key} {
		if got, err := r.Value(Value{From: &s}); got != want || err != nil {
			t.Errorf("%v: %q, %v", s, got, err)
		}
	}
	if w.server.Logins() != 1 || w.server.Count(bwtest.GetByIDs) != 1 || len(w.server.Requests()) != 3 {
		t.Errorf("%d logins, %d batches, %d requests; want 1, 1 and a list", w.server.Logins(), w.server.Count(bwtest.GetByIDs), len(w.server.Requests()))
	}
	token := w.kube.values[tokenSource.Kubernetes]
	if got := r.Masker().Mask(canary + "-2 " + strings.TrimSpace(token)); got != "*** ***" {
		t.Errorf("masked %q", got)
	}
}

func TestBitwardenNamesEachMissingID(t *testing.T) {
	w := newWorld(t)
	r := w.resolver(byID(id), byID(w.ids[0]), byID("22222222-2222-4222-8222-222222222222"))
	problems := Problems(w.read(t, r))
	if len(problems) != 2 {
		t.Fatalf("%v", problems)
	}
	for i, want := range []string{id, "22222222-2222-4222-8222-222222222222"} {
		p := problems[i]
		if p.Kind != Missing || p.Source != "bitwarden "+want || p.Field != "field of bitwarden "+want || !strings.Contains(p.Error(), "give the machine account access") {
			t.Errorf("%v %v", p.Kind, p)
		}
	}
}

func TestBitwardenErrors(t *testing.T) {
	tests := map[string]struct {
		faults []bwtest.Fault
		kind   Kind
		field  string
		want   string
	}{
		"login refused":      {[]bwtest.Fault{bwtest.Refused().At(bwtest.Login)}, Denied, TokenField, "invalid_client"},
		"server out":         {[]bwtest.Fault{bwtest.Status(503).For(9)}, Unreachable, TokenField, "503"},
		"forged value":       {[]bwtest.Fault{bwtest.Tampered().At(bwtest.GetByIDs)}, Invalid, "field of bitwarden ", "signature"},
		"list refused":       {[]bwtest.Fault{bwtest.Status(403).At(bwtest.ListSecrets)}, Denied, "field of bitwarden project home key key-1, field of", "read 2 secrets of bitwarden: list secrets"},
		"refused by the API": {[]bwtest.Fault{bwtest.Status(403).At(bwtest.GetByIDs)}, Denied, "field of bitwarden ", "403"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.server.FailNext(tc.faults...)
			sources := []Source{byID(w.ids[0]), byID(w.ids[1])}
			if tc.faults[0].On == bwtest.ListSecrets {
				sources = []Source{byKey("home", "key-1"), byKey("home", "key-2")}
			}
			err := w.read(t, w.resolver(sources...))
			problems := Problems(err)
			if len(problems) == 0 {
				t.Fatalf("%v", err)
			}
			if p := problems[0]; p.Kind != tc.kind || !strings.HasPrefix(p.Field, tc.field) || !strings.Contains(p.Error(), tc.want) {
				t.Errorf("%v: %v", p.Kind, p)
			}
			if strings.Contains(err.Error(), canary) || strings.Contains(err.Error(), strings.TrimSpace(w.kube.values[tokenSource.Kubernetes])) {
				t.Errorf("a value is in %v", err)
			}
		})
	}
}

func TestBitwardenTokenThatIsNone(t *testing.T) {
	w := newWorld(t)
	w.kube.values[tokenSource.Kubernetes] = canary
	err := w.read(t, w.resolver(byID(w.ids[0])))
	if kind, ok := Worst(err); !ok || kind != Invalid || strings.Contains(err.Error(), canary) || w.server.Logins() != 0 {
		t.Errorf("%v %v", kind, err)
	}
}

func TestBitwardenAmbiguousKeyListsIDs(t *testing.T) {
	w := newWorld(t)
	again := w.server.AddSecret(w.project, "key-1", "other")
	err := w.read(t, w.resolver(byKey(w.project, "key-1")))
	if kind, _ := Worst(err); err == nil || kind != Invalid || !strings.Contains(err.Error(), again) || !strings.Contains(err.Error(), w.ids[0]) {
		t.Errorf("%v", err)
	}
}

func TestBitwardenNamesEachMissingKey(t *testing.T) {
	w := newWorld(t)
	r := w.resolver(byKey("home", "none"), byKey("home", "key-1"), byKey("nowhere", "key-1"), byID(w.ids[1]))
	problems := Problems(w.read(t, r))
	if len(problems) != 2 {
		t.Fatalf("%v", problems)
	}
	for i, want := range []string{"bitwarden project home key none", "bitwarden project nowhere key key-1"} {
		p := problems[i]
		if p.Kind != Missing || p.Source != want || p.Field != "field of "+want || !strings.Contains(p.Error(), "correct the id or the key") {
			t.Errorf("%v %v", p.Kind, p)
		}
	}
}
