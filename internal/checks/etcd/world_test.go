package etcd_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"plan/internal/checks"
	"plan/internal/checks/checktest"
	"plan/internal/checks/etcd"
	"plan/internal/checks/verify"
	"plan/internal/etcdsnapshot/snapshottest"
	"plan/internal/kube"
	"plan/internal/kube/kubetest"
	"plan/internal/objectstore"
	"plan/internal/objectstore/s3"
	"plan/internal/objectstore/s3test"
	"plan/internal/secrets"
	"plan/steps"
	"plan/steps/steptest"
)

const (
	hour     = time.Hour
	day      = 24 * hour
	folder   = "k3s-etcd-snapshots/"
	password = "not-a-real-password"
	other    = "11111111-2222-4333-8444-555555555555" // another cluster
)

// world is a cluster and an S3 server.
type world struct {
	*steptest.World
	bucket *s3test.Server
}

// object makes the JSON of one.
func object(metadata, rest map[string]any) string {
	o := map[string]any{"metadata": metadata}
	maps.Copy(o, rest)
	data, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	return string(data)
}

// server is a node that runs etcd, with the arguments of its k3s.
func server(name string, args ...string) string {
	text, err := json.Marshal(append([]string{"server"}, args...))
	if err != nil {
		panic(err)
	}
	return object(map[string]any{"name": name, "labels": map[string]string{"node-role.kubernetes.io/control-plane": "true", "node-role.kubernetes.io/etcd": "true"},
		"annotations": map[string]string{"k3s.io/node-args": string(text)}}, nil)
}

// newWorld has servers, no records of snapshots, and an empty bucket.
func newWorld(t *testing.T, nodes ...string) *world {
	t.Helper()
	w := &world{World: steptest.NewWorld(t), bucket: s3test.New("bucket")}
	w.Kube.Add(kube.Resource{Version: "v1", Resource: "nodes"}, "Node", nodes...)
	web := httptest.NewServer(w.bucket)
	t.Cleanup(web.Close)
	store, err := s3.New(t.Context(), s3.Config{Bucket: "bucket", Endpoint: web.URL, Region: "r", PathStyle: true, AccessKey: "a", SecretKey: "s", MaxBackoff: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	w.Env.Store = func(string) (objectstore.Store, error) { return store, nil }
	w.Secrets["env TOKEN"] = password
	return w
}

// key is that of a snapshot of some age.
func key(base string, age time.Duration) string {
	return fmt.Sprintf("%s%s-%d", folder, base, steptest.Started.Add(-age).Unix())
}

// meta is what k3s writes beside a snapshot.
func meta(node string) map[string]string {
	return map[string]string{"k3s-cluster-id": kubetest.UID, "k3s-node-name": node, "k3s-token-hash": snapshottest.Hash(password)}
}

// put stores a snapshot as k3s would, a minute after it was begun.
func (w *world) put(base string, age time.Duration, data []byte, metadata map[string]string) string {
	k := key(base, age)
	w.bucket.Store(k, s3test.Object{Body: data, Metadata: metadata, LastModified: steptest.Started.Add(-age + time.Minute)})
	return k
}

// sound is a snapshot with nothing wrong.
func sound(t testing.TB) []byte {
	t.Helper()
	data, err := snapshottest.Make(snapshottest.Options{Passwords: []string{password}})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// check runs the check with the defaults changed.
func (w *world) check(t *testing.T, change func(*etcd.Check)) (*verify.Outcome, error) {
	t.Helper()
	c := etcd.New()
	if change != nil {
		change(&c)
	}
	o, err := c.Check(t.Context(), w.Env)
	if err == nil {
		checktest.Complete(t, o.Report.Outputs())
	}
	return o, err
}

// must runs the check and wants an outcome.
func (w *world) must(t *testing.T, change func(*etcd.Check)) *verify.Outcome {
	t.Helper()
	o, err := w.check(t, change)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// names are the findings, each with its verdict, sorted; those that are listed only when asked for.
func names(o *verify.Outcome, listed bool) string {
	var all []string
	for _, entry := range o.Report.Outputs() {
		f := entry.(map[string]any)
		if listed || f["verdict"] != "none" {
			all = append(all, fmt.Sprintf("%s=%s", f["finding"], f["verdict"]))
		}
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), " ")
}

// find gives the first finding of a name.
func find(t *testing.T, o *verify.Outcome, name checks.Name) map[string]any {
	t.Helper()
	for _, entry := range o.Report.Outputs() {
		if f := entry.(map[string]any); f["finding"] == string(name) {
			return f
		}
	}
	t.Fatalf("no %s: %s", name, o.Reason())
	return nil
}

func withToken(c *etcd.Check) { c.Token = steps.Secret{From: &secrets.Source{Env: "TOKEN"}} }

func startedBefore(d time.Duration) time.Time { return steptest.Started.Add(-d) }
