package nodetoken

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"plan/internal/bitwarden"
	"plan/internal/bitwarden/bwtest"
)

// rig is a place with what a test has to know of it.
type rig struct {
	open   func(t *testing.T) Place          // anew, as another run does
	set    func(name, value string)          // by somebody else
	kept   func(t *testing.T) map[string]any // all that is kept, by name; a name that is there twice has the value nil
	name   func(slot string) string
	faults map[string]func() // switch one on, by what happens
	heal   func()
}

const fileName = "kept"

func rigs(t *testing.T) map[string]func(*testing.T) *rig {
	t.Helper()
	return map[string]func(*testing.T) *rig{"bitwarden": bitwardenRig, "kubernetes": secretRig, "file": fileRig}
}

func bitwardenRig(t *testing.T) *rig {
	s := bwtest.New()
	project := s.AddProject("homelab")
	s.AddSecret(project, "neighbour", "untouched")
	s.AddSecret(s.AddProject("other"), "k3s-node-token-home", "in another project")
	access := s.AddMachineAccount("a")
	client := func(t *testing.T) *bitwarden.Client {
		t.Helper()
		c, err := bitwarden.New(bitwarden.Config{ServerURL: "https://vault.test.invalid", HTTP: s.Client()}, access)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	return &rig{
		open: func(t *testing.T) Place {
			c := client(t)
			return mustOpen(t, To{Bitwarden: &Bitwarden{Project: "homelab"}}, Options{Bitwarden: func() (*bitwarden.Client, error) { return c, nil }})
		},
		set:  func(name, value string) { s.AddSecret(project, name, value) },
		name: func(slot string) string { return slotName("k3s-node-token-home", slot) },
		kept: func(t *testing.T) map[string]any {
			t.Helper()
			list, err := client(t).List(t.Context(), project)
			if err != nil {
				t.Fatal(err)
			}
			all := map[string]any{}
			for _, sum := range list {
				value, _ := s.Value(sum.ID)
				if _, twice := all[sum.Key]; twice {
					all[sum.Key] = nil
				} else if sum.Key != "neighbour" || value != "untouched" {
					all[sum.Key] = value
				}
			}
			return all
		},
		heal:   s.Heal,
		faults: bitwardenFaults(s),
	}
}

func bitwardenFaults(s *bwtest.Server) map[string]func() {
	fail := func(f bwtest.Fault) func() { return func() { s.FailNext(f) } }
	return map[string]func(){
		"denied":                    fail(bwtest.Status(403).For(-1).At(bwtest.ListProject)),
		"may not write":             fail(bwtest.Status(404).For(-1).At(bwtest.CreateSecret)),
		"unreachable":               fail(bwtest.Status(503).For(-1)),
		"login refused":             fail(bwtest.Refused().For(-1)),
		"tampered":                  fail(bwtest.Tampered().For(-1).At(bwtest.GetSecret)),
		"foreign key":               fail(bwtest.ForeignKey().For(-1).At(bwtest.GetSecret)),
		"429 for a while":           fail(bwtest.TooMany("7").For(3)),
		"429 on the create":         fail(bwtest.TooMany("7").At(bwtest.CreateSecret)),
		"create lost":               fail(bwtest.Cut().At(bwtest.CreateSecret)),
		"create half answered":      fail(bwtest.Truncate().At(bwtest.CreateSecret)),
		"create answered by a page": fail(bwtest.HTML().At(bwtest.CreateSecret)),
		"create fails":              fail(bwtest.Status(500).At(bwtest.CreateSecret)),
		"create hangs":              fail(bwtest.Hang().At(bwtest.CreateSecret)),
		"update lost":               fail(bwtest.Cut().At(bwtest.UpdateSecret)),
		"update fails":              fail(bwtest.Status(500).At(bwtest.UpdateSecret)),
		"all lost":                  fail(bwtest.Cut().For(-1).At(bwtest.CreateSecret)),
		"create lost, then no answer": func() {
			s.FailNext(bwtest.Cut().At(bwtest.CreateSecret), afterWrite(s, bwtest.ListProject, bwtest.CreateSecret))
		},
		"update lost, then no answer": func() {
			s.FailNext(bwtest.Cut().At(bwtest.UpdateSecret), afterWrite(s, bwtest.GetSecret, bwtest.UpdateSecret))
		},
	}
}

func fileRig(t *testing.T) *rig {
	dir := t.TempDir()
	return &rig{
		open: func(t *testing.T) Place { return mustOpen(t, To{File: &File{Path: fileName}}, Options{Dir: dir}) },
		set: func(name, value string) {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(value+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		name: func(slot string) string { return slotName(fileName, slot) },
		kept: func(t *testing.T) map[string]any {
			all := map[string]any{}
			entries, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				text, err := os.ReadFile(filepath.Join(dir, e.Name()))
				if err != nil {
					t.Fatal(err)
				}
				all[e.Name()] = strings.TrimSpace(string(text))
				if info, err := e.Info(); err != nil || info.Mode() != 0o600 {
					t.Errorf("%s has mode %s", e.Name(), info.Mode())
				}
			}
			return all
		},
		heal: func() { _ = os.Chmod(dir, 0o700) },
	}
}

// afterWrite breaks an endpoint for ever once another was asked.
func afterWrite(s *bwtest.Server, broken, write bwtest.Endpoint) bwtest.Fault {
	before := s.Count(write)
	return bwtest.Fault{On: broken, Times: -1, Do: func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
		if s.Count(write) > before {
			panic(http.ErrAbortHandler)
		}
		next(w, r)
	}}
}

func mustOpen(t *testing.T, to To, o Options) Place {
	t.Helper()
	o.Cluster, o.Namespace, o.Hide = "home", "default", func(string) {}
	p, err := to.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// keep is what a run does, stopped after so many writes; negative is not at all.
func keep(ctx context.Context, p Place, token Token, stop int) (action string, err error) {
	action, writes, err := Plan(ctx, p, token)
	if err != nil {
		return "", err
	}
	for i, w := range writes {
		if i == stop {
			return action, nil
		}
		if err := Do(ctx, p, w); err != nil {
			return "", err
		}
	}
	return action, nil
}

func tokens(t *testing.T) (older, newer Token) {
	t.Helper()
	older, err := Parse("K10" + caHash + "::server:canary-older")
	if err != nil {
		t.Fatal(err)
	}
	newer, err = Parse(whole)
	if err != nil {
		t.Fatal(err)
	}
	return older, newer
}
