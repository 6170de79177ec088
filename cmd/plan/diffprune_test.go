package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plan/internal/backup"
	"plan/internal/kube"
	"plan/internal/kube/kubetest"
	"plan/internal/objectstore"
	"plan/internal/objectstore/dir"
	"plan/internal/spool"
)

// diffed is what the JSON output of diff says.
type diffed struct {
	Steps []struct {
		ID, Status, Reason, Error string
		Changes                   []struct{ Op, Target, Detail string }
	}
	Summary diffSummary
}

// TestDiffNamesTheKeysThatApplyDeletes compares, over random histories and random plans that back up and prune, what diff says with what apply
// then does. PLAN_DIFFS is their number, 200 when it is not set: half of them the same each time, half from a seed that is printed.
func TestDiffNamesTheKeysThatApplyDeletes(t *testing.T) {
	n, seed := uint64(200), rand.Uint64()
	for name, to := range map[string]*uint64{"PLAN_DIFFS": &n, "PLAN_DIFFS_SEED": &seed} {
		if v := os.Getenv(name); v != "" {
			var err error
			if *to, err = strconv.ParseUint(v, 10, 64); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
	fmt.Printf("diffs: PLAN_DIFFS_SEED=%d\n", seed)
	worlds := []clusterOf{newClusterOf(t, 0), newClusterOf(t, 1), newClusterOf(t, 3)}
	t.Setenv("PLAN_STATE_DIR", t.TempDir())
	deleted, held, failed := 0, 0, 0
	for i := range n {
		from := uint64(1)
		if i%2 == 1 {
			from = seed
		}
		day := time.Now().UTC().YearDay()
		c := &pruneCase{Rand: rand.New(rand.NewPCG(from, i)), t: t, dir: t.TempDir(), run: fmt.Sprint("r-", i), worlds: worlds}
		c.kubeconfig = c.world().kubeconfig
		c.fill()
		said, did := c.diff(), c.apply()
		if day != time.Now().UTC().YearDay() {
			continue // the rules are about days, and one ended in between
		}
		if diff := cmp.Diff(said, did); diff != "" {
			t.Fatalf("seed %d, number %d: what diff says and what apply does (-said +did):\n%s\nof the plan\n%s\nand the history\n%s", from, i, diff, c.plan, strings.Join(c.history, "\n"))
		}
		deleted += len(said.Deleted)
		if said.Failed {
			failed++
		}
		if c.held {
			held++
		}
	}
	if deleted < int(n)/3 || held == 0 || failed == 0 {
		t.Errorf("%d cases, and only %d keys are deleted, %d prunes held back, %d failed: they prove little", n, deleted, held, failed)
	}
}

// clusterOf is a cluster of so many volumes and nodes.
type clusterOf struct {
	client     *kube.Client
	kubeconfig string
}

func newClusterOf(t *testing.T, n int) clusterOf {
	server := kubetest.New(t)
	for i := range n {
		object := fmt.Sprintf(`{"metadata":{"name":"o-%d"}}`, i)
		server.Add(kube.Resource{Version: "v1", Resource: "persistentvolumes"}, "PersistentVolume", object)
		server.Add(kube.Resource{Version: "v1", Resource: "nodes"}, "Node", object)
	}
	file := filepath.Join(t.TempDir(), "kubeconfig")
	config := fmt.Sprintf("{apiVersion: v1, kind: Config, current-context: a, clusters: [{name: a, cluster: {server: %q}}], contexts: [{name: a, context: {cluster: a}}]}", server.Config().Host)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return clusterOf{server.Client(t), file}
}

// pruneCase is a history of backups in a store and a plan that prunes it.
type pruneCase struct {
	*rand.Rand
	t                    *testing.T
	dir, kubeconfig, run string
	worlds               []clusterOf
	plan                 string
	history              []string
	held                 bool // diff says that something is held back
}

func (c *pruneCase) world() clusterOf { return c.worlds[min(c.IntN(5), len(c.worlds)-1)] }

func (c *pruneCase) prefix() string { return []string{"a/", "a/", "a/", "b/"}[c.IntN(4)] }

// came is what becomes of a store. New keys have no time: diff and apply begin at different ones.
type came struct {
	Deleted, Written []string
	Failed           bool
}

var keyTime = regexp.MustCompile(`-[0-9]{8}-[0-9]{6}-`)

func untimed(keys []string) []string {
	out := []string{}
	for _, key := range keys {
		out = append(out, keyTime.ReplaceAllString(key, "-TIME-"))
	}
	slices.Sort(out)
	return out
}

func (c *pruneCase) fill() {
	store, err := dir.New(dir.Config{Path: filepath.Join(c.dir, "store")})
	if err != nil {
		c.t.Fatal(err)
	}
	now := time.Now().UTC().Truncate(time.Second)
	for i := range c.IntN(14) {
		at := now.Add(-time.Duration(c.IntN(24*70))*time.Hour - 17*time.Minute)
		switch c.IntN(8) {
		case 0:
			at = now.Add(-time.Duration(c.IntN(3)) * time.Second) // the last seconds, and perhaps the very one of the run
		case 1:
			at = now.Add(time.Duration(c.IntN(8)) * time.Minute) // the future, which counts for five minutes
		}
		c.put(store, at, i)
	}
	c.plan = "apiVersion: plan/v1\nkind: Plan\nmetadata: {name: history}\nspec:\n  cluster: {name: home}\n  stores: {main: {dir: {path: store}}}\n" +
		"  defaults: {retry: {attempts: 1}}\n  steps:\n"
	for i := range 1 + c.IntN(4) {
		c.plan += "    - " + c.step(i) + "\n"
	}
	if err := os.WriteFile(filepath.Join(c.dir, "plan.yaml"), []byte(c.plan), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// step writes to or prunes one of two folders.
func (c *pruneCase) step(i int) string {
	prefix, rules := c.prefix(), []string{fmt.Sprintf("last: %d", 1+c.IntN(2))}
	for _, rule := range []string{"daily", "weekly", "monthly"} {
		if n := c.IntN(6); 0 < n && n < 4 {
			rules = append(rules, fmt.Sprintf("%s: %d", rule, n))
		}
	}
	keep := fmt.Sprintf("keep: {%s}, maxDelete: %d, minAge: %s", strings.Join(rules[c.IntN(len(rules)):], ", "), []int{50, 50, 50, 2}[c.IntN(4)], []string{"0s", "0s", "5h", "10d"}[c.IntN(4)])
	switch c.IntN(6) {
	case 0:
		return fmt.Sprintf("{id: s%d, uses: backup-nodes, with: {prefix: %s, %s}}", i, prefix, keep)
	case 1, 2:
		return fmt.Sprintf("{id: s%d, uses: backup-pvs, with: {prefix: %s}}", i, prefix)
	case 3:
		return fmt.Sprintf("{id: s%d, uses: backup-pvs, with: {prefix: %s, %s}}", i, prefix, keep)
	}
	return fmt.Sprintf("{id: s%d, uses: prune, with: {artefact: %s, prefix: %s, %s}}", i, []string{"pvs", "pvs", "nodes"}[c.IntN(3)], prefix, keep)
}

// put makes a backup of an earlier run: a sound one, or one that is damaged, another cluster's, or cut off.
func (c *pruneCase) put(store objectstore.Store, at time.Time, i int) {
	artefact, resource := backup.PVs, kube.Resource{Version: "v1", Resource: "persistentvolumes"}
	if c.IntN(5) == 0 {
		artefact, resource.Resource = backup.Nodes, "nodes"
	}
	key, err := backup.NewKey(c.prefix(), "home", artefact, at, fmt.Sprintf("%08x", i))
	if err != nil {
		c.t.Fatal(err)
	}
	uid, sort := kubetest.UID, "sound"
	if c.IntN(10) == 0 {
		uid, sort = "another", "another cluster's"
	}
	buffer, index := c.document(backup.Index{Artefact: artefact, Cluster: backup.Cluster{Name: "home", UID: uid}, Run: fmt.Sprint("old-", i), CreatedAt: at}, resource)
	defer buffer.Close()
	body, err := io.ReadAll(buffer.Reader())
	if err != nil {
		c.t.Fatal(err)
	}
	meta := backup.Content{Spool: buffer, Index: index}.Meta()
	switch c.IntN(12) {
	case 0:
		body[len(body)/2] ^= 1
		sort += ", damaged"
	case 1:
		body = body[:len(body)-1]
		sort += ", cut off"
	}
	if err := store.Put(c.t.Context(), key.String(), bytes.NewReader(body), int64(len(body)), objectstore.PutOptions{Metadata: meta.Map()}); err != nil {
		c.t.Fatal(err)
	}
	c.history = append(c.history, fmt.Sprintf("%s of %d: %s", key, meta.Count, sort))
}

// document is a backup of one of the clusters.
func (c *pruneCase) document(index backup.Index, resource kube.Resource) (*spool.Spool, backup.Index) {
	buffer := spool.New(c.dir)
	writer, err := backup.NewWriter(buffer, index)
	if err == nil {
		err = writer.List(c.t.Context(), c.world().client, resource, nil, func(int64, int64) {})
	}
	if err != nil {
		c.t.Fatal(err)
	}
	if index, err = writer.Close(); err != nil {
		c.t.Fatal(err)
	}
	return buffer, index
}

// diff asks what would be done up to the first step that cannot: apply skips those behind it.
func (c *pruneCase) diff() (said came) {
	before := c.tree()
	var out, talk bytes.Buffer
	run([]string{"diff", filepath.Join(c.dir, "plan.yaml"), "--kubeconfig", c.kubeconfig, "--run-id", c.run, "-o", "json"}, strings.NewReader(""), &out, &talk)
	var doc diffed
	if err := json.Unmarshal(out.Bytes(), &doc); err != nil || doc.Steps == nil {
		c.t.Fatalf("%v: %s%s\n%s", err, out.String(), talk.String(), c.plan)
	}
	if diff := cmp.Diff(before, c.tree()); diff != "" {
		c.t.Fatalf("diff changed the store:\n%s", diff)
	}
	c.held = strings.Contains(out.String(), "nothing is deleted on its account")
	said = came{Deleted: []string{}, Written: []string{}}
	for _, step := range doc.Steps {
		for _, change := range step.Changes {
			_, key, _ := strings.Cut(change.Target, " ")
			if change.Op == "delete" {
				said.Deleted = append(said.Deleted, key)
			} else {
				said.Written = append(said.Written, key)
			}
		}
		if said.Failed = step.Status == "failed"; said.Failed {
			break
		}
	}
	written, deleted := said.Written, said.Deleted // what one step writes another may delete
	said.Written, said.Deleted = untimed(without(written, deleted)), without(deleted, written)
	slices.Sort(said.Deleted)
	return said
}

func (c *pruneCase) apply() came {
	before := c.tree()
	var out, talk bytes.Buffer
	code := run([]string{"apply", filepath.Join(c.dir, "plan.yaml"), "--kubeconfig", c.kubeconfig, "--run-id", c.run}, strings.NewReader(""), &out, &talk)
	after := c.tree()
	return came{Deleted: without(before, after), Written: untimed(without(after, before)), Failed: code != 0}
}

// without are the keys that are not among others.
func without(keys, others []string) []string {
	return slices.DeleteFunc(append([]string{}, keys...), func(key string) bool { return slices.Contains(others, key) })
}

// tree lists the keys of the store.
func (c *pruneCase) tree() []string {
	store, err := dir.New(dir.Config{Path: filepath.Join(c.dir, "store")})
	if err != nil {
		c.t.Fatal(err)
	}
	var keys []string
	for object, err := range store.List(c.t.Context(), "", objectstore.ListOptions{}) {
		if err != nil {
			c.t.Fatal(err)
		}
		keys = append(keys, object.Key)
	}
	return keys
}
