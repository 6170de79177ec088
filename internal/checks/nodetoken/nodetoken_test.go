package nodetoken_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"plan/internal/checks/checktest"
	"plan/internal/checks/nodetoken"
	"plan/internal/checks/verify"
	tokens "plan/internal/nodetoken"
	"plan/internal/objectstore"
	"plan/steps"
	"plan/steps/steptest"
)

const (
	caHash  = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	current = "K10" + caHash + "::server:canary-current"
	earlier = "K10" + caHash + "::server:canary-earlier"
	other   = "K10" + caHash + "::server:canary-other"
)

func hashOf(t *testing.T, raw string) string {
	t.Helper()
	token, err := tokens.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return token.Hash()
}

// findings are those of a run, each with its verdict.
func findings(t *testing.T, r steps.Result) string {
	t.Helper()
	checktest.Complete(t, r.Outputs["findings"])
	var all []string
	for _, f := range r.Outputs["findings"].([]any) {
		m := f.(map[string]any)
		all = append(all, fmt.Sprintf("%s=%s", m["finding"], m["verdict"]))
	}
	return strings.Join(all, " ")
}

// hidden wants no token in anything that a run said.
func hidden(t *testing.T, r steps.Result, err error, said string) {
	t.Helper()
	if text := fmt.Sprintf("%v %v %s", r, err, said); strings.Contains(text, "canary-") || strings.Contains(text, caHash) {
		t.Errorf("a token shows in %s", text)
	}
}

// inFile is a world with a token kept in a file, and the check of it.
func inFile(t *testing.T) (*steptest.World, *nodetoken.Check) {
	t.Helper()
	w := steptest.NewWorld(t)
	put(t, w, "kept", current)
	c := nodetoken.New()
	c.In.File = &tokens.File{Path: "kept"}
	return w, &c
}

func put(t *testing.T, w *steptest.World, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(w.Env.Dir, name), []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func snapshot(w *steptest.World, node string, at int64, meta map[string]string) {
	w.Store.Add(fmt.Sprintf("k3s/etcd-snapshot-%s-%d", node, at), []byte("snapshot"), meta)
}

// situation is what a world is changed to, and what is found then.
type situation struct {
	set     func(t *testing.T, w *steptest.World, c *nodetoken.Check)
	found   string
	verdict steps.Verdict
}

func ofTheFile() map[string]situation {
	return map[string]situation{
		"kept, nothing to compare with": {func(*testing.T, *steptest.World, *nodetoken.Check) {}, "OK=pass NOT_COMPARED=none NOT_COMPARED=none", steps.Pass},
		"the server's": {func(t *testing.T, w *steptest.World, c *nodetoken.Check) {
			put(t, w, "token", current)
			c.Path = "token"
		}, "OK=pass OK=pass NOT_COMPARED=none", steps.Pass},
		"the server's, bare": {func(t *testing.T, w *steptest.World, c *nodetoken.Check) {
			put(t, w, "token", "canary-current")
			c.Path = "."
		}, "OK=pass OK=pass NOT_COMPARED=none", steps.Pass},
		"rotated since": {func(t *testing.T, w *steptest.World, c *nodetoken.Check) {
			put(t, w, "token", other)
			c.Path = "token"
		}, "DIFFERS=fail OK=pass NOT_COMPARED=none", steps.Fail},
		"the server's own file": {func(t *testing.T, w *steptest.World, c *nodetoken.Check) { c.Path = "kept" }, "NO_COPY=fail", steps.Fail},
		"the server's own file, by its folder": {func(t *testing.T, w *steptest.World, c *nodetoken.Check) {
			put(t, w, "token", current)
			c.Path, c.In.File.Path = ".", "token"
		}, "NO_COPY=fail", steps.Fail},
		"an earlier one, which is the server's own file": {func(t *testing.T, w *steptest.World, c *nodetoken.Check) {
			c.Path, c.Prefix = "kept-"+hashOf(t, earlier), "k3s"
			put(t, w, c.Path, earlier)
			snapshot(w, "b", 1772413200, map[string]string{"k3s-token-hash": hashOf(t, earlier)})
		}, "DIFFERS=fail WRONG_TOKEN=fail OK=pass", steps.Fail},
		"no file at path": {func(t *testing.T, w *steptest.World, c *nodetoken.Check) { c.Path = "token" },
			"NO_FILE=unknown OK=pass NOT_COMPARED=none", steps.Unknown},
		"an agent's file": {func(t *testing.T, w *steptest.World, c *nodetoken.Check) {
			put(t, w, "token", "K10"+caHash+"::node:canary-agent")
			c.Path = "token"
		}, "UNREADABLE=unknown OK=pass NOT_COMPARED=none", steps.Unknown},
		"none kept": {func(t *testing.T, w *steptest.World, c *nodetoken.Check) { c.In.File.Path = "nothing" }, "NO_TOKEN=fail", steps.Fail},
		"empty":     {func(t *testing.T, w *steptest.World, c *nodetoken.Check) { put(t, w, "kept", "") }, "NO_TOKEN=fail", steps.Fail},
		"an agent's kept": {func(t *testing.T, w *steptest.World, c *nodetoken.Check) {
			put(t, w, "kept", "K10"+caHash+"::node:canary-agent")
		},
			"NOT_A_TOKEN=fail", steps.Fail},
		"not mounted": {func(t *testing.T, w *steptest.World, c *nodetoken.Check) { c.In.File.Path = "disk/kept" }, "NO_STORE=unknown", steps.Unknown},
	}
}

func ofSnapshots() map[string]situation {
	return map[string]situation{
		"opens the newest snapshot": {func(t *testing.T, w *steptest.World, c *nodetoken.Check) {
			snapshot(w, "a", 1772409600, map[string]string{"k3s-token-hash": hashOf(t, other)})
			snapshot(w, "b", 1772413200, map[string]string{"k3s-token-hash": hashOf(t, current)})
			c.Prefix = "k3s"
		}, "OK=pass OK=pass NOT_COMPARED=none", steps.Pass},
		"RKE2": {func(t *testing.T, w *steptest.World, c *nodetoken.Check) {
			snapshot(w, "b", 1772413200, map[string]string{"rke2-token-hash": hashOf(t, current)})
			c.Prefix = "k3s/"
		}, "OK=pass OK=pass NOT_COMPARED=none", steps.Pass},
		"does not open it": {func(t *testing.T, w *steptest.World, c *nodetoken.Check) {
			snapshot(w, "b", 1772413200, map[string]string{"k3s-token-hash": hashOf(t, other)})
			c.Prefix = "k3s"
		}, "WRONG_TOKEN=fail OK=pass NOT_COMPARED=none", steps.Fail},
		"an earlier one opens it": {func(t *testing.T, w *steptest.World, c *nodetoken.Check) {
			snapshot(w, "b", 1772413200, map[string]string{"k3s-token-hash": hashOf(t, earlier)})
			put(t, w, "kept-"+hashOf(t, earlier), earlier)
			c.Prefix = "k3s"
		}, "OK=pass OK=pass NOT_COMPARED=none", steps.Pass},
		"an earlier one that is another": {func(t *testing.T, w *steptest.World, c *nodetoken.Check) {
			snapshot(w, "b", 1772413200, map[string]string{"k3s-token-hash": hashOf(t, earlier)})
			put(t, w, "kept-"+hashOf(t, earlier), other)
			c.Prefix = "k3s"
		}, "WRONG_TOKEN=fail OK=pass NOT_COMPARED=none", steps.Fail},
		"one of the future beside it": {func(t *testing.T, w *steptest.World, c *nodetoken.Check) {
			snapshot(w, "a", steptest.Started.Unix()-3600, map[string]string{"k3s-token-hash": hashOf(t, other)})
			snapshot(w, "b", steptest.Started.Unix()+300*86400, map[string]string{"k3s-token-hash": hashOf(t, current)})
			c.Prefix = "k3s"
		}, "WRONG_TOKEN=fail OK=pass NOT_COMPARED=none", steps.Fail},
		"clocks that differ a little": {func(t *testing.T, w *steptest.World, c *nodetoken.Check) {
			snapshot(w, "a", steptest.Started.Unix()-3600, map[string]string{"k3s-token-hash": hashOf(t, other)})
			snapshot(w, "b", steptest.Started.Unix()+240, map[string]string{"k3s-token-hash": hashOf(t, current)})
			c.Prefix = "k3s"
		}, "OK=pass OK=pass NOT_COMPARED=none", steps.Pass},
		"only of the future": {func(t *testing.T, w *steptest.World, c *nodetoken.Check) {
			snapshot(w, "b", steptest.Started.Unix()+3600, map[string]string{"k3s-token-hash": hashOf(t, current)})
			c.Prefix = "k3s"
		}, "FUTURE_DATED=fail OK=pass NOT_COMPARED=none", steps.Fail},
		"no hash at the snapshot": {func(t *testing.T, w *steptest.World, c *nodetoken.Check) {
			snapshot(w, "b", 1772413200, map[string]string{"k3s-node-name": "b"})
			c.Prefix = "k3s"
		}, "NO_METADATA=unknown OK=pass NOT_COMPARED=none", steps.Unknown},
		"no snapshot": {func(t *testing.T, w *steptest.World, c *nodetoken.Check) {
			w.Store.Add("k3s-other/etcd-snapshot-a-1772413200", []byte("x"), nil)
			w.Store.Add("k3s/README", []byte("x"), nil)
			c.Prefix = "k3s"
		}, "NO_BACKUP=fail OK=pass NOT_COMPARED=none", steps.Fail},
	}
}

func TestWhatIsFound(t *testing.T) {
	cases := ofTheFile()
	maps.Copy(cases, ofSnapshots())
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w, c := inFile(t)
			tc.set(t, w, c)
			if err := c.Validate(); err != nil {
				t.Fatal(err)
			}
			result, err := verify.Run(t.Context(), w.Env, c)
			if got := findings(t, result); got != tc.found || result.Verdict != tc.verdict || err != nil {
				t.Errorf("%s, verdict %s, %v", got, result.Verdict, err)
			}
			hidden(t, result, err, w.Said())
		})
	}
}

func TestASnapshotOfAnotherClusterIsNamed(t *testing.T) {
	w, c := inFile(t)
	snapshot(w, "b", 1772413200, map[string]string{"k3s-token-hash": hashOf(t, other), "k3s-cluster-id": "another-uid"})
	c.Prefix = "k3s"
	result, err := verify.Run(t.Context(), w.Env, c)
	if err != nil || result.Verdict != steps.Fail || !strings.Contains(result.Reason, "of another cluster, another-uid") {
		t.Errorf("%s: %s, %v", result.Verdict, result.Reason, err)
	}
}

func TestOutputsSayWhatIsKept(t *testing.T) {
	w, c := inFile(t)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	if err := os.Chtimes(filepath.Join(w.Env.Dir, "kept"), at, at); err != nil {
		t.Fatal(err)
	}
	result, err := verify.Run(t.Context(), w.Env, c)
	if err != nil || result.Outputs["tokenHash"] != hashOf(t, current) || result.Outputs["updated"] != "2026-01-02T03:04:05Z" {
		t.Errorf("%v, %v", result.Outputs, err)
	}
	for _, secret := range []string{current, "canary-current"} {
		if !slices.Contains(w.Hidden(), secret) {
			t.Error("what was read is not masked")
		}
	}
}

func TestWithoutAPlaceThereIsNothingToLookAt(t *testing.T) {
	w, _ := inFile(t)
	c := nodetoken.New()
	o, err := c.Check(t.Context(), w.Env)
	if err != nil || o.Absent == nil {
		t.Fatalf("%+v, %v", o, err)
	}
	if result, err := verify.Run(t.Context(), w.Env, &c); err != nil || result.Verdict != steps.Unknown {
		t.Errorf("alone: %s, %v", result.Verdict, err)
	}
}

func TestValidateRefuses(t *testing.T) {
	c := nodetoken.New()
	c.In.File, c.In.Bitwarden, c.Prefix = &tokens.File{}, &tokens.Bitwarden{}, "a/../b"
	err := c.Validate()
	if err == nil || !strings.Contains(err.Error(), "with.in:") || !strings.Contains(err.Error(), "with.prefix:") {
		t.Errorf("%v", err)
	}
}

// TestNoErrorOfTheStoreReadsAsNoSnapshotOrAsAPass breaks the listing and the look at the newest one.
func TestNoErrorOfTheStoreReadsAsNoSnapshotOrAsAPass(t *testing.T) {
	all := checktest.Store()
	maps.Copy(all, checktest.Anywhere())
	for name, tc := range all {
		for _, op := range []string{"list", "page", "head"} {
			t.Run(name+" of "+op, func(t *testing.T) {
				w, c := inFile(t)
				snapshot(w, "b", 1772413200, map[string]string{"k3s-token-hash": hashOf(t, current)})
				w.Store.Fault = func(_ context.Context, at, _ string) error {
					if at == op {
						return tc.Err
					}
					return nil
				}
				c.Prefix = "k3s"
				result, err := verify.Run(t.Context(), w.Env, c)
				if got := findings(t, result); result.Verdict != steps.Unknown || !strings.Contains(got, string(tc.Name)+"=unknown") {
					t.Errorf("%s: %s", result.Verdict, got)
				}
				if got := errors.Is(err, tc.Err); got != (tc.Again || tc.Ended) {
					t.Errorf("error %v", err)
				}
			})
		}
	}
}

func TestAStoreThatIsNotThereIsAnError(t *testing.T) {
	w, c := inFile(t)
	c.Prefix = "k3s"
	w.Env.Store = func(string) (objectstore.Store, error) { return nil, errors.New(`there is no store "main"`) }
	if result, err := verify.Run(t.Context(), w.Env, c); err == nil || result.Verdict != "" {
		t.Errorf("%+v, %v", result, err)
	}
}
