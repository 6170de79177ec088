//go:build linux

package rigs

import (
	"encoding/base64"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"plan/internal/bitwarden/bwtest"
	"plan/internal/jobs/jobstest"
	"plan/internal/kube"
	"plan/internal/kube/kubetest"
	"plan/internal/objectstore"
	"plan/internal/objectstore/dir"
	"plan/internal/objectstore/s3test"
	"plan/internal/restore/restoretest"
	"plan/internal/retention/retentiontest"
)

const bucket = "vault-77"

// world is what one run meets: a cluster, a bucket, a Bitwarden, a web hook, and a folder with everything that is on its machine.
type world struct {
	*brief
	dir  string
	env  []string
	vars map[string]string // what @NAME@ stands for in a plan

	kube                           *kubetest.Server
	s3                             *s3test.Server
	bw                             *bwtest.Server
	hook                           *hook
	kubeFront, s3Front, bwFront    *front
	token, project, kubeURL, bwURL string

	inCluster bool
	frozen    map[string]int // calls of the hook by steps that are recorded as done; they may not change
	done      map[string]bool
}

// The server's token, and the one before it, which a copy still holds.
const (
	caHash       = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	nodeToken    = "K10" + caHash + "::server:current-password"
	earlierToken = "K10" + caHash + "::server:earlier-password"
)

var (
	secrets    = kube.Resource{Version: "v1", Resource: "secrets"}
	configMaps = kube.Resource{Version: "v1", Resource: "configmaps"}
	leases     = kube.Resource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}
)

// newWorld makes a world; its end has to be called.
func newWorld(t testing.TB, r *reference) *world {
	t.Helper()
	b := &brief{TB: t}
	program(t)
	folder, err := os.MkdirTemp(shared.dir, "run-")
	if err != nil {
		t.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(folder) })
	w := &world{
		brief: b, dir: folder, kube: kubetest.New(b), s3: s3test.New(bucket), bw: bwtest.NewSeeded("rigs"), hook: newHook(),
		frozen: map[string]int{}, done: map[string]bool{}, inCluster: r.inCluster,
	}
	w.kubeFront, w.s3Front, w.bwFront = &front{Handler: w.kube, writes: map[string]int{}}, &front{Handler: w.s3, writes: map[string]int{}}, &front{Handler: w.bw, writes: map[string]int{}}
	w.s3.AccessKey = "AKIARIGS"
	w.fill(t, r.empty)
	jobstest.Start(b, w.kube, nil) // it reads, and each read binds volumes: those that are there with their claims
	w.listen(t)
	w.files(t, r.text)
	return w
}

// fill puts into the servers what a plan finds there.
func (w *world) fill(t testing.TB, empty bool) {
	w.kube.Add(configMaps, "ConfigMap")
	w.kube.Add(leases, "Lease")
	w.kube.BindVolumes()
	w.token = w.bw.AddMachineAccount("plan")
	w.project = w.bw.AddProject("home")
	w.bw.AddSecret(w.project, "held-token", earlierToken)
	if !empty {
		volumes(w.kube)
	}
	for name, data := range map[string]map[string]string{
		"default/held-token": {"token": earlierToken}, "external-secrets/bitwarden-machine-account": {"token": w.token}, "default/s3": {"secret": "s3-secret-key"},
	} {
		namespace, name, _ := strings.Cut(name, "/")
		var fields []string
		for key, value := range data {
			fields = append(fields, fmt.Sprintf("%q:%q", key, base64.StdEncoding.EncodeToString([]byte(value))))
		}
		w.kube.Add(secrets, "Secret", fmt.Sprintf(`{"apiVersion":"v1","kind":"Secret","metadata":{"name":%q,"namespace":%q},"data":{%s}}`, name, namespace, strings.Join(fields, ",")))
	}
	for key, object := range seeds(t) {
		w.s3.Store(key, object)
	}
}

// volumes is a small cluster.
func volumes(k *kubetest.Server) {
	k.Add(kube.Resource{Version: "v1", Resource: "namespaces"}, "Namespace", `{"metadata":{"name":"db","uid":"ns-db"}}`)
	k.Add(kube.Resource{Group: "storage.k8s.io", Version: "v1", Resource: "storageclasses"}, "StorageClass", `{"metadata":{"name":"longhorn","uid":"sc-1"},"provisioner":"driver.longhorn.io"}`)
	for i := range 3 {
		name := fmt.Sprintf("data-%d", i)
		k.Add(kube.Resource{Version: "v1", Resource: "persistentvolumes"}, "PersistentVolume", fmt.Sprintf(
			`{"metadata":{"name":%[1]q,"uid":"pv-%[2]d"},"spec":{"accessModes":["ReadWriteOnce"],"capacity":{"storage":"1Gi"},"persistentVolumeReclaimPolicy":"Delete","storageClassName":"longhorn","csi":{"driver":"driver.longhorn.io","volumeHandle":"vol-%[2]d"},"claimRef":{"apiVersion":"v1","kind":"PersistentVolumeClaim","namespace":"db","name":%[1]q,"uid":"claim-%[2]d"}},"status":{"phase":"Bound"}}`, name, i))
		k.Add(kube.Resource{Version: "v1", Resource: "persistentvolumeclaims"}, "PersistentVolumeClaim", fmt.Sprintf(
			`{"metadata":{"name":%[1]q,"namespace":"db","uid":"claim-%[2]d"},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}},"storageClassName":"longhorn","volumeName":%[1]q},"status":{"phase":"Bound"}}`, name, i))
		k.Add(kube.Resource{Version: "v1", Resource: "nodes"}, "Node", fmt.Sprintf(`{"metadata":{"name":"node-%d","uid":"node-%d","labels":{"zone":"z%d"}},"spec":{}}`, i, i, i))
	}
}

// seeds are backups of earlier nights, of this cluster and of another one.
func seeds(t testing.TB) map[string]s3test.Object {
	t.Helper()
	shared.seeds.Do(func() {
		b := &brief{TB: t}
		defer b.end()
		from, other := kubetest.New(b), kubetest.New(b)
		volumes(from)
		var store retentiontest.Store
		for i := range 4 {
			at := time.Now().UTC().Truncate(time.Second).Add(-time.Duration(4-i) * 6 * time.Hour)
			shared.newest = restoretest.Backup(b, from, &store, restoretest.Made{Cluster: "home", At: at, N: i})
			restoretest.Backup(b, from, &store, restoretest.Made{Cluster: "home", At: at, N: i, Artefact: "nodes"})
		}
		restoretest.Backup(b, other, &store, restoretest.Made{Cluster: "home", UID: "another", At: time.Now().UTC().Truncate(time.Second).Add(-240 * time.Hour), N: 9})
		shared.seeded = map[string]s3test.Object{"pv-backups/home/README": {Body: []byte("of somebody else"), LastModified: time.Now()}}
		for _, key := range store.Keys() {
			info, body := restoretest.Fetch(b, &store, key)
			shared.seeded[key] = s3test.Object{Body: body, Metadata: info.Metadata, LastModified: time.Now()}
		}
	})
	return shared.seeded
}

func (w *world) listen(t testing.TB) {
	t.Helper()
	var s3URL, hookURL, ca string
	w.kubeURL, ca = serve(w.brief, w.kubeFront)
	s3URL, _ = serve(w.brief, w.s3Front)
	w.bwURL, _ = serve(w.brief, w.bwFront)
	hookURL, _ = serve(w.brief, w.hook)
	w.bw.AddSecret(w.project, "hook", hookURL)
	w.bw.AddSecret(w.project, "s3-access", w.s3.AccessKey)
	w.write(t, "ca.pem", ca)
	w.write(t, "kubeconfig", fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: home
clusters: [{name: home, cluster: {server: %q}}]
contexts: [{name: home, context: {cluster: home, user: me}}]
users: [{name: me, user: {}}]
`, w.kubeURL))
	w.vars = map[string]string{"S3_URL": s3URL, "BW_URL": w.bwURL, "BUCKET": bucket, "BW_PROJECT": w.project, "SEED_KEY": shared.newest, "UID": kubetest.UID}
	w.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + w.dir, "XDG_STATE_HOME=" + filepath.Join(w.dir, "state"), "KUBECONFIG=" + filepath.Join(w.dir, "kubeconfig"),
		"SSL_CERT_FILE=" + filepath.Join(w.dir, "ca.pem"), "TMPDIR=" + w.dir, "HOOK=" + hookURL, "BW_TOKEN=" + w.token,
		"S3_ACCESS=" + w.s3.AccessKey, "S3_SECRET=s3-secret-key",
	}
	if w.inCluster {
		w.env = append(w.env, "PLAN_STATE=cluster", "PLAN_JOB_UID="+runID)
	}
}

// files makes the machine's files.
func (w *world) files(t testing.TB, plan string) {
	for name, text := range map[string]string{"server/token": nodeToken + "\n", "held/token": earlierToken + "\n", "work/run.sh": "true\n", "plan.yaml": w.filled(plan)} {
		w.write(t, name, text)
	}
	if !strings.Contains(plan, "dir: {path: ./backups}") {
		return
	}
	store, err := dir.New(dir.Config{Path: filepath.Join(w.dir, "backups")})
	if err != nil {
		t.Fatal(err)
	}
	for key, o := range seeds(t) {
		if err := store.Put(t.Context(), key, strings.NewReader(string(o.Body)), int64(len(o.Body)), objectstore.PutOptions{Metadata: o.Metadata}); err != nil {
			t.Fatal(err)
		}
	}
}

func (w *world) write(t testing.TB, name, text string) {
	t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// filled puts values in the place of @NAME@.
func (w *world) filled(text string) string {
	for _, name := range slices.Sorted(maps.Keys(w.vars)) {
		text = strings.ReplaceAll(text, "@"+name+"@", w.vars[name])
	}
	return text
}
