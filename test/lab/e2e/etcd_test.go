package e2e

import (
	"archive/zip"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"

	"plan/internal/etcdsnapshot"
	"plan/internal/etcdsnapshot/snapshottest"
	"plan/internal/retention/retentiontest"
)

const (
	serverPassword = "etcd-e2e-password-7Kq"
	serverToken    = "K10" + "89abcdef0123456789abcdef0123456789abcdef0123456789abcdef01234567" + "::server:" + serverPassword
	markedKey      = "/plan-e2e/marked"
	snapshotFolder = "etcd-e2e/"
)

// upload stores a snapshot as k3s does, so many minutes old.
func (r *rig) upload(t *testing.T, data []byte, minutes int, zipped bool, change map[string]string) string {
	t.Helper()
	name := fmt.Sprintf("etcd-snapshot-atlas-%d", time.Now().Add(-time.Duration(minutes)*time.Minute).Unix())
	if zipped {
		var err error
		if data, err = snapshottest.Zip(zip.Deflate, snapshottest.File{Name: name, Data: data}); err != nil {
			t.Fatal(err)
		}
		name += ".zip"
	}
	meta := map[string]string{"k3s-cluster-id": r.uid, "k3s-node-name": "atlas", "k3s-token-hash": snapshottest.Hash(serverPassword)}
	maps.Copy(meta, change)
	maps.DeleteFunc(meta, func(_, value string) bool { return value == "" })
	key := snapshotFolder + name
	if err := r.put(t.Context(), key, data, meta); err != nil {
		t.Fatal(err)
	}
	return key
}

// verifyEtcd runs the program and gives the findings that count, sorted, and the step.
func (r *rig) verifyEtcd(t *testing.T, code int, with string, env ...string) (string, stepDocument) {
	t.Helper()
	p := r.program(t, append(append(keysOf(r.S3.AccessKey, r.S3.SecretKey), "E2E_TOKEN="+serverToken), env...)...)
	file := p.write(t, "plan.yaml", r.planText("{name: home}", "    - {id: etcd, uses: verify-etcd, with: {prefix: "+snapshotFolder+", token: {from: {env: E2E_TOKEN}}, "+with+"}}\n"))
	got := p.must(t, code, "apply", file, "-o", "json")
	for _, secret := range []string{serverPassword, serverToken} {
		if strings.Contains(got.all(), secret) {
			t.Errorf("the token is in what was said:\n%s", got.all())
		}
	}
	step := got.json(t).step(t, "etcd")
	var found []string
	list, _ := step.Outputs["findings"].([]any)
	for _, entry := range list {
		f := entry.(map[string]any)
		if f["verdict"] != "none" {
			found = append(found, fmt.Sprintf("%s=%s", f["finding"], f["verdict"]))
		}
		if f["finding"] != "OK" && (f["cause"] == "" || f["next"] == "") {
			t.Errorf("no cause or next step: %v", f)
		}
	}
	slices.Sort(found)
	return strings.Join(found, " "), step
}

// empty takes away what the tests have uploaded.
func (r *rig) empty(t *testing.T) {
	t.Helper()
	for _, key := range r.names(t, snapshotFolder) {
		r.remove(t, key)
	}
}

// TestASnapshotThatPassedBoots: what verify-etcd passes at depth open, etcd itself restores and serves.
func TestASnapshotThatPassedBoots(t *testing.T) {
	r := theLab(t)
	r.ownServers(t)
	tools := r.etcdTools(t)
	file, marked := r.snapshot(t, tools)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, zipped := range []bool{false, true} {
		for _, depth := range []string{"age", "structure", "checksum", "open"} {
			t.Run(fmt.Sprintf("%s, zipped %v", depth, zipped), func(t *testing.T) {
				defer r.empty(t)
				key := r.upload(t, data, 5, zipped, nil)
				found, step := r.verifyEtcd(t, 0, "depth: "+depth)
				if found != "OK=pass" || step.text(t, "newest") != key || step.number(t, "snapshots") != 1 {
					t.Errorf("%s: %v", found, step.Outputs)
				}
			})
		}
	}
	if got := tools.restored(t, file, markedKey); got != marked {
		t.Errorf("the restored etcd has %q, not %q", got, marked)
	}
}

// TestDamageToARealSnapshotIsFound, and etcd itself does not restore what checksum finds damaged.
func TestDamageToARealSnapshotIsFound(t *testing.T) {
	r := theLab(t)
	r.ownServers(t)
	tools := r.etcdTools(t)
	file, _ := r.snapshot(t, tools)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(data)
	flipped[len(data)/2] ^= 1
	cases := map[string]struct {
		data   []byte
		change map[string]string
		depth  string
		code   int
		want   string
	}{
		"a bit, not looked for":   {flipped, nil, "structure", 0, "OK=pass"},
		"a bit":                   {flipped, nil, "checksum", 3, "DAMAGED=fail"},
		"a bit, opened":           {flipped, nil, "open", 3, "DAMAGED=fail"},
		"cut to pages":            {data[:len(data)-8192], nil, "structure", 3, "DAMAGED=fail"},
		"cut anywhere":            {data[:len(data)-1000], nil, "age", 3, "DAMAGED=fail"},
		"no bytes":                {nil, nil, "age", 3, "EMPTY=fail NO_BACKUP=fail"},
		"another cluster's":       {data, map[string]string{"k3s-cluster-id": "11111111-2222-4333-8444-555555555555"}, "age", 3, "OTHER_CLUSTER=fail"},
		"without metadata":        {data, map[string]string{"k3s-cluster-id": "", "k3s-node-name": "", "k3s-token-hash": ""}, "open", 4, "NO_METADATA=unknown"},
		"another token":           {data, map[string]string{"k3s-token-hash": "0123456789ab"}, "age", 3, "TOKEN_MISMATCH=fail"},
		"no token hash, unopened": {data, map[string]string{"k3s-token-hash": ""}, "checksum", 4, "NO_METADATA=unknown"},
		"no token hash, opened":   {data, map[string]string{"k3s-token-hash": ""}, "open", 0, "OK=pass"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			defer r.empty(t)
			r.upload(t, tc.data, 5, false, tc.change)
			if found, step := r.verifyEtcd(t, tc.code, "depth: "+tc.depth); found != tc.want {
				t.Errorf("%s: %v", found, step.Outputs)
			}
		})
	}
	bad := filepath.Join(t.TempDir(), "bad")
	if err := os.WriteFile(bad, flipped, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := tools.try(t.Context(), "", "snapshot", "restore", bad, "--data-dir="+filepath.Join(t.TempDir(), "data")); err == nil {
		t.Errorf("etcd restores what was damaged:\n%s", out)
	}
	mutate(t, data)
}

// mutate damages the snapshot in many ways, each found by checksum, and by structure where the size or a meta page is touched.
func mutate(t *testing.T, data []byte) {
	seed := uint64(time.Now().UnixNano())
	count, err := strconv.Atoi(cmp.Or(os.Getenv("PLAN_ETCD_MUTATIONS"), "200"))
	if err != nil {
		t.Fatalf("PLAN_ETCD_MUTATIONS: %v", err)
	}
	t.Logf("seed %d, %d mutations of a snapshot of %d bytes", seed, count, len(data))
	random := rand.New(rand.NewPCG(seed, 0))
	for range count {
		m := snapshottest.Mutate(random, data)
		if len(m.Data) == 0 {
			continue
		}
		store := &retentiontest.Store{}
		s := etcdsnapshot.Snapshot{Key: "s", Name: "etcd-snapshot-atlas-1768478400", Size: int64(len(m.Data))}
		store.Add(s.Key, m.Data, nil)
		if err := etcdsnapshot.Checksum(t.Context(), store, s, nil); !errors.Is(err, etcdsnapshot.ErrDamaged) {
			t.Fatalf("%s: checksum says %v", m.What, err)
		}
		if err := etcdsnapshot.Structure(t.Context(), store, s); m.Size && !errors.Is(err, etcdsnapshot.ErrDamaged) {
			t.Fatalf("%s: structure says %v", m.What, err)
		}
	}
}

// TestVerifyEtcdsRights runs as a user who may do exactly what the kind's README says, and with less.
func TestVerifyEtcdsRights(t *testing.T) {
	r := theLab(t)
	r.ownServers(t)
	data := r.snapshotBytes(t)
	defer r.empty(t)
	r.upload(t, data, 5, false, nil)
	identity := rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"namespaces"}, ResourceNames: []string{"kube-system"}, Verbs: []string{"get"}}
	nodes := rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"nodes"}, Verbs: []string{"list"}}
	records := rbacv1.PolicyRule{APIGroups: []string{"k3s.cattle.io"}, Resources: []string{"etcdsnapshotfiles"}, Verbs: []string{"list"}}
	for name, tc := range map[string]struct {
		rules []rbacv1.PolicyRule
		code  int
		want  string
	}{
		"all":            {[]rbacv1.PolicyRule{identity, nodes, records}, 0, "OK=pass"},
		"no nodes":       {[]rbacv1.PolicyRule{identity, records}, 4, "NOT_ALLOWED=unknown OK=pass"},
		"no records":     {[]rbacv1.PolicyRule{identity, nodes}, 4, "NOT_ALLOWED=unknown OK=pass"},
		"identity alone": {[]rbacv1.PolicyRule{identity}, 4, "NOT_ALLOWED=unknown NOT_ALLOWED=unknown OK=pass"},
	} {
		t.Run(name, func(t *testing.T) {
			r.grant(t, tc.rules...)
			if found, step := r.verifyEtcd(t, tc.code, "depth: open", "KUBECONFIG="+r.Limited); found != tc.want {
				t.Errorf("%s: %v", found, step.Outputs)
			}
		})
	}
}

// snapshotFileCRD is as much of k3s' ETCDSnapshotFile as the check reads.
const snapshotFileCRD = `{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"etcdsnapshotfiles.k3s.cattle.io"},
"spec":{"group":"k3s.cattle.io","scope":"Cluster","names":{"plural":"etcdsnapshotfiles","singular":"etcdsnapshotfile","kind":"ETCDSnapshotFile","listKind":"ETCDSnapshotFileList"},
"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","properties":{
"spec":{"type":"object","x-kubernetes-preserve-unknown-fields":true},"status":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}}}]}}`

// TestRecordsOfK3sAreRead: the resource absent, there and empty, and with a failure.
func TestRecordsOfK3sAreRead(t *testing.T) {
	r := theLab(t)
	r.ownServers(t)
	data := r.snapshotBytes(t)
	defer r.empty(t)
	r.upload(t, data, 30, false, nil)
	absent, _ := r.verifyEtcd(t, 0, "depth: age")
	const path = "/apis/k3s.cattle.io/v1/etcdsnapshotfiles"
	if err := r.kube.RESTClient().Post().AbsPath(crdPath).SetHeader("Content-Type", "application/json").Body([]byte(snapshotFileCRD)).Do(t.Context()).Error(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.uninstall(t, "etcdsnapshotfiles.k3s.cattle.io") })
	r.until(t, "etcdsnapshotfiles are served", func() bool {
		_, err := r.kube.RESTClient().Get().AbsPath(path).DoRaw(t.Context())
		return err == nil
	})
	none, _ := r.verifyEtcd(t, 0, "depth: age")
	failed := fmt.Sprintf(`{"apiVersion":"k3s.cattle.io/v1","kind":"ETCDSnapshotFile","metadata":{"name":"s3-failed"},
"spec":{"snapshotName":"etcd-snapshot-atlas-1","nodeName":"s3","location":""},"status":{"readyToUse":false,"size":"0","error":{"time":%q,"message":"bucket is full"}}}`, time.Now().UTC().Format(time.RFC3339))
	if err := r.kube.RESTClient().Post().AbsPath(path).SetHeader("Content-Type", "application/json").Body([]byte(failed)).Do(t.Context()).Error(); err != nil {
		t.Fatal(err)
	}
	last, step := r.verifyEtcd(t, 3, "depth: age")
	if absent != "OK=pass" || none != "OK=pass" || last != "LAST_BACKUP_FAILED=fail OK=pass" || !strings.Contains(fmt.Sprint(step.Outputs), "bucket is full") {
		t.Errorf("absent: %s; none: %s; failed: %s %v", absent, none, last, step.Outputs)
	}
}
