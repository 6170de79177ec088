package backups_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"plan/internal/backup"
	"plan/internal/checks/backups"
	"plan/internal/checks/checktest"
	"plan/internal/checks/verify"
	"plan/internal/kube"
	"plan/internal/kube/kubetest"
	"plan/internal/restore/restoretest"
	"plan/steps"
	"plan/steps/steptest"
)

var (
	volumes = kube.Resource{Version: "v1", Resource: "persistentvolumes"}
	claims  = kube.Resource{Version: "v1", Resource: "persistentvolumeclaims"}
	nodes   = kube.Resource{Version: "v1", Resource: "nodes"}
)

// source has one volume with its claim, and one node.
func source(t testing.TB) *kubetest.Server {
	s := kubetest.New(t)
	s.Add(kube.Resource{Version: "v1", Resource: "namespaces"}, "Namespace", `{"metadata":{"name":"media"}}`)
	s.Add(volumes, "PersistentVolume", `{"metadata":{"name":"films"},"spec":{"capacity":{"storage":"2Gi"},"persistentVolumeReclaimPolicy":"Delete","claimRef":{"namespace":"media","name":"films"}}}`)
	s.Add(claims, "PersistentVolumeClaim", `{"metadata":{"name":"films","namespace":"media"},"spec":{"volumeName":"films","resources":{"requests":{"storage":"1Gi"}}}}`)
	s.Add(nodes, "Node", `{"metadata":{"name":"n"}}`)
	return s
}

// made is a backup so many hours before the run.
func made(artefact backup.Artefact, hours int) restoretest.Made {
	return restoretest.Made{Artefact: artefact, At: steptest.Started.Add(-time.Duration(hours) * time.Hour), N: hours & 0xff}
}

func run(t testing.TB, w *steptest.World, change func(*backups.Check)) (steps.Result, error) {
	t.Helper()
	c := backups.New()
	if change != nil {
		change(&c)
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	result, err := verify.Run(t.Context(), w.Env, &c)
	checktest.Complete(t, result.Outputs["findings"])
	return result, err
}

func of(artefact backup.Artefact) func(*backups.Check) {
	return func(c *backups.Check) { c.Artefact = artefact }
}

// names are the findings, each with its verdict.
func names(r steps.Result) string {
	var all []string
	for _, f := range r.Outputs["findings"].([]any) {
		m := f.(map[string]any)
		all = append(all, fmt.Sprintf("%s=%s", m["finding"], m["verdict"]))
	}
	return strings.Join(all, " ")
}

// change puts another body or other metadata under a key.
func change(t testing.TB, w *steptest.World, key string, body func([]byte) []byte, meta func(map[string]string)) {
	info, old := restoretest.Fetch(t, w.Store, key)
	if meta != nil {
		meta(info.Metadata)
	}
	if body != nil {
		old = body(old)
	}
	w.Store.Add(key, old, info.Metadata)
}

// fault is something that can be the matter with the newest backup.
type fault struct {
	spoil func(t testing.TB, w *steptest.World, key string)
	want  string // alone
	older string // with an older sound one
	stale string // with a newer sound one: listed, or not looked at
}

func faults() map[string]fault {
	body := func(f func([]byte) []byte) func(testing.TB, *steptest.World, string) {
		return func(t testing.TB, w *steptest.World, key string) { change(t, w, key, f, nil) }
	}
	meta := func(f func(map[string]string)) func(testing.TB, *steptest.World, string) {
		return func(t testing.TB, w *steptest.World, key string) { change(t, w, key, nil, f) }
	}
	damaged := func(f func(testing.TB, *steptest.World, string), seen bool) fault {
		late := "OK=pass"
		if seen {
			late += " DAMAGED=none"
		}
		return fault{f, "DAMAGED=fail", "DAMAGED=fail OK=pass", late}
	}
	return map[string]fault{
		"nothing":          {func(testing.TB, *steptest.World, string) {}, "OK=pass", "OK=pass", "OK=pass"},
		"no bytes":         damaged(body(func([]byte) []byte { return nil }), true),
		"three bytes":      damaged(body(func(b []byte) []byte { return b[:3] }), true),
		"a byte more":      damaged(body(func(b []byte) []byte { return append(b, 0) }), true),
		"another body":     damaged(body(func(b []byte) []byte { return []byte(strings.Repeat("x", len(b))) }), false),
		"another sum":      damaged(meta(func(m map[string]string) { m["plan-sha256"] = strings.Repeat("0", 64) }), false),
		"sum not readable": damaged(meta(func(m map[string]string) { m["plan-sha256"] = "x" }), true),
		"another count":    damaged(meta(func(m map[string]string) { m["plan-objects"] = "9" }), false),
		"another name":     damaged(meta(func(m map[string]string) { m["plan-cluster"] = "other" }), false),
		"another run":      damaged(meta(func(m map[string]string) { m["plan-run"] = "other" }), false),
		"another cluster": {meta(func(m map[string]string) { m["plan-cluster-uid"] = "other" }),
			"OTHER_CLUSTER=fail", "OTHER_CLUSTER=fail OK=pass", "OK=pass OTHER_CLUSTER=none"},
		"nobody's metadata": {meta(func(m map[string]string) { clear(m) }), "NO_METADATA=unknown", "NO_METADATA=unknown OK=pass", "OK=pass NO_METADATA=none"},
		"another format":    {meta(func(m map[string]string) { m["plan-format"] = "2" }), "NO_METADATA=unknown", "NO_METADATA=unknown OK=pass", "OK=pass NO_METADATA=none"},
		"gone": {func(_ testing.TB, w *steptest.World, key string) {
			_ = w.Store.Delete(context.Background(), []string{key})
		}, "NO_BACKUP=fail", "OK=pass", "OK=pass"},
	}
}

// TestTruthTable is every artefact with every fault, alone, beside an older sound backup and beside a newer one, found and named by its key.
func TestTruthTable(t *testing.T) {
	for _, artefact := range []backup.Artefact{backup.PVs, backup.Nodes} {
		for name, f := range faults() {
			t.Run(string(artefact)+" "+name, func(t *testing.T) {
				alone, beside, behind := steptest.NewWorld(t), steptest.NewWorld(t), steptest.NewWorld(t)
				from := source(t)
				restoretest.Backup(t, from, beside.Store, made(artefact, 9))
				restoretest.Backup(t, from, behind.Store, made(artefact, 1))
				for _, c := range []struct {
					w    *steptest.World
					want string
				}{{alone, f.want}, {beside, f.older}, {behind, f.stale}} {
					key := restoretest.Backup(t, from, c.w.Store, made(artefact, 5))
					f.spoil(t, c.w, key)
					result, err := run(t, c.w, of(artefact))
					if names(result) != c.want || err != nil {
						t.Errorf("%s, %v; want %s", names(result), err, c.want)
					}
					if got := result.Outputs["key"] != nil; got != strings.Contains(c.want, "OK=") {
						t.Errorf("key %v", result.Outputs["key"])
					}
					if result, err = run(t, c.w, func(c *backups.Check) { c.Artefact, c.Key = artefact, key }); names(result) != f.want || err != nil {
						t.Errorf("by its key: %s, %v; want %s", names(result), err, f.want)
					}
				}
			})
		}
	}
}

// TestEveryFlippedBitIsFound flips each bit of a backup of 4 KiB, one after the other.
func TestEveryFlippedBitIsFound(t *testing.T) {
	const size = 4 << 10
	w := steptest.NewWorld(t)
	key, body := "", []byte(nil)
	r := rand.New(rand.NewPCG(1, 2))
	s := source(t)
	for n := 0; len(body) < size; n++ { // random text does not compress well, so the size is met from below
		s.Add(volumes, "PersistentVolume", fmt.Sprintf(`{"metadata":{"name":"pv-%d"},"spec":{"capacity":{"storage":"1Gi"},"x":"%x%x"}}`, n, r.Uint64(), r.Uint64()))
		key = restoretest.Backup(t, s, w.Store, made(backup.PVs, 1))
		_, body = restoretest.Fetch(t, w.Store, key)
	}
	info, _ := restoretest.Fetch(t, w.Store, key)
	if result, err := run(t, w, of(backup.PVs)); result.Verdict != steps.Pass || err != nil {
		t.Fatalf("before: %s, %v", names(result), err)
	}
	var group errgroup.Group
	workers := runtime.GOMAXPROCS(0)
	for worker := range workers {
		own := steptest.NewWorld(t)
		group.Go(func() error { return flips(t.Context(), own, key, slices.Clone(body), info.Metadata, worker, workers) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d flips", len(body)*8)
}

// flips tries every step-th bit, beginning with one.
func flips(ctx context.Context, w *steptest.World, key string, body []byte, meta map[string]string, first, step int) error {
	c := backups.New()
	c.Artefact = backup.PVs
	for bit := first; bit < len(body)*8; bit += step {
		body[bit/8] ^= 1 << (bit % 8)
		w.Store.Add(key, body, meta)
		o, err := c.Check(ctx, w.Env)
		if err != nil || o.Verdict() != "fail" || o.Count(backups.Damaged) != 1 {
			return fmt.Errorf("bit %d of byte %d: %s, %w", bit%8, bit/8, o.Reason(), err)
		}
		body[bit/8] ^= 1 << (bit % 8)
	}
	return nil
}

// TestNoErrorReadsAsNoBackupsOrAsAPass breaks each call of the store in every way.
func TestNoErrorReadsAsNoBackupsOrAsAPass(t *testing.T) {
	all := checktest.Store()
	maps.Copy(all, checktest.Anywhere())
	for name, tc := range all {
		for _, op := range []string{"list", "page", "head", "get"} {
			t.Run(name+" of "+op, func(t *testing.T) {
				w := steptest.NewWorld(t)
				restoretest.Backup(t, source(t), w.Store, made(backup.PVs, 1))
				restoretest.Backup(t, source(t), w.Store, made(backup.PVs, 2))
				w.Store.Fault = func(_ context.Context, o, _ string) error {
					if o == op {
						return tc.Err
					}
					return nil
				}
				result, err := run(t, w, of(backup.PVs))
				if names(result) != string(tc.Name)+"=unknown" || result.Outputs["key"] != nil {
					t.Errorf("%s, key %v", names(result), result.Outputs["key"])
				}
				if got := errors.Is(err, tc.Err); got != (tc.Again || tc.Ended) {
					t.Errorf("error %v", err)
				}
			})
		}
	}
}

func TestAgeAndFutureAreJudged(t *testing.T) {
	for name, tc := range map[string]struct {
		hours int
		want  string
	}{
		"at the limit": {36, "OK=pass"}, "over it": {37, "STALE=fail"}, "of the future": {-1, "FUTURE_DATED=fail"},
	} {
		w := steptest.NewWorld(t)
		key := restoretest.Backup(t, source(t), w.Store, made(backup.PVs, tc.hours))
		for _, named := range []string{"", key} {
			if result, err := run(t, w, func(c *backups.Check) { c.Artefact, c.Key = backup.PVs, named }); names(result) != tc.want || err != nil {
				t.Errorf("%s: %s, %v", name, names(result), err)
			}
		}
	}
}

func TestOtherObjectsAreListedWithoutInfluence(t *testing.T) {
	w := steptest.NewWorld(t)
	for _, key := range []string{"pv-backups/k3s/20240102-020000.json", "pv-backups/k3s/README", "pv-backups/k3s/", "pv-backups/k3s-prod/x.json", "pv-backups/k3s/sub/y.json"} {
		w.Store.Add(key, []byte("{}"), nil)
	}
	result, _ := run(t, w, of(backup.PVs))
	if names(result) != "NO_BACKUP=fail OLDER_TOOL=none NOT_A_BACKUP=none" {
		t.Errorf("alone: %s", names(result))
	}
	restoretest.Backup(t, source(t), w.Store, made(backup.PVs, 1))
	result, _ = run(t, w, of(backup.PVs))
	if names(result) != "OK=pass OLDER_TOOL=none NOT_A_BACKUP=none" || !strings.Contains(w.Said(), "older tool's summary; cannot be restored") {
		t.Errorf("%s: %s", names(result), w.Said())
	}
}

func TestBothArtefactsWhenNoneIsNamed(t *testing.T) {
	w := steptest.NewWorld(t)
	restoretest.Backup(t, source(t), w.Store, made(backup.PVs, 1))
	if result, _ := run(t, w, nil); names(result) != "NO_BACKUP=fail OK=pass" {
		t.Errorf("without nodes: %s", names(result))
	}
	restoretest.Backup(t, source(t), w.Store, made(backup.Nodes, 1))
	if result, err := run(t, w, func(c *backups.Check) { c.Rehearse = true }); names(result) != "OK=pass OK=pass OK=pass OK=pass" || err != nil {
		t.Errorf("%s, %v", names(result), err)
	}
}

func TestValidateRefuses(t *testing.T) {
	up := "../x"
	for name, c := range map[string]*backups.Check{
		"leaves the store": {Prefix: &up}, "no key": {Key: "x"}, "key of nodes": {Artefact: backup.PVs, Key: "p/k3s/nodes-20260302-020000-00000000.json.gz"},
	} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "with.") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
