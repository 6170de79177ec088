package e2e

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"plan/internal/kube"
	"plan/internal/restore/restoretest"
	"plan/test/lab"
)

// restoreWorld is a cluster to back up and another one to restore into, each with its own etcd and controllers.
type restoreWorld struct {
	from, to *cluster
	program  *program // against from, with its bucket

	bound    []restoretest.Thing // volumes of the cluster made last that have claims
	backedUp int                 // objects that a restore of its backup makes
}

// cluster is one of the two.
type cluster struct {
	*rig
	client *kube.Client
}

func newRestoreWorld(t *testing.T) *restoreWorld {
	r := theLab(t)
	r.ownServers(t)
	w := &restoreWorld{}
	var group errgroup.Group
	for _, c := range []**cluster{&w.from, &w.to} {
		dir := t.TempDir()
		t.Cleanup(func() {
			if err := lab.Stop(theEnd(), dir); err != nil {
				t.Error(err)
			}
		})
		group.Go(func() (err error) {
			*c, err = newCluster(dir, r.binary)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	w.program = w.from.program(t, keysOf(w.from.S3.AccessKey, w.from.S3.SecretKey)...)
	return w
}

func newCluster(dir, binary string) (*cluster, error) {
	l, err := lab.Start(context.Background(), dir, lab.Options{})
	if err != nil {
		return nil, err
	}
	c := &cluster{rig: &rig{Lab: l, binary: binary}}
	if c.kube, err = l.Client(); err != nil {
		return nil, err
	}
	if c.s3, err = l.S3Client(); err != nil {
		return nil, err
	}
	config, err := l.RESTConfig()
	if err != nil {
		return nil, err
	}
	c.client, err = kube.New(config, "lab", "default")
	return c, err
}

// cluster makes a random cluster in from, backs it up and empties to. It gives the backup's key.
func (w *restoreWorld) cluster(t *testing.T, r *rand.Rand, size int) string {
	t.Helper()
	w.from.wipe(t)
	w.to.wipe(t)
	things := restoretest.Cluster(r, size)
	w.bound = nil
	for _, thing := range things {
		if thing.Bound() {
			w.bound = append(w.bound, thing)
		}
	}
	w.from.fill(t, things)
	w.from.waitBound(t, len(w.bound))
	step := w.apply(t, w.from, 0, "backup-pvs", "", "").json(t).step(t, "restore")
	w.backedUp = step.number(t, "objects") // there are no VolumeAttachments
	return step.text(t, "key")
}

// fill creates things, kind by kind.
func (c *cluster) fill(t *testing.T, things []restoretest.Thing) {
	t.Helper()
	for from := 0; from < len(things); {
		var group errgroup.Group
		group.SetLimit(16)
		to := from
		for ; to < len(things) && (things[to].Kind == things[from].Kind || things[from].Kind != "Namespace"); to++ {
			thing := things[to]
			group.Go(func() error {
				_, err := c.client.Create(context.Background(), thing.Resource, thing.Name, thing.Create(), kube.WriteOptions{})
				return err
			})
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		from = to
	}
}

func (c *cluster) create(t *testing.T, thing restoretest.Thing, object []byte) {
	t.Helper()
	if _, err := c.client.Create(t.Context(), thing.Resource, thing.Name, object, kube.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
}

func (c *cluster) waitBound(t *testing.T, want int) {
	t.Helper()
	for range 600 {
		if c.phases(t)["Bound PersistentVolume"] == want && c.phases(t)["Bound PersistentVolumeClaim"] == want {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("%v, want %d bound", c.phases(t), want)
}

// phases counts volumes and claims by phase.
func (c *cluster) phases(t *testing.T) map[string]int {
	t.Helper()
	n := map[string]int{}
	for _, kind := range []string{"PersistentVolume", "PersistentVolumeClaim"} {
		var l struct {
			Items []struct{ Status struct{ Phase string } }
		}
		decode(t, c.raw(t, resources()[kind]), &l)
		for _, item := range l.Items {
			n[item.Status.Phase+" "+kind]++
		}
	}
	return n
}

// released are the volumes whose claims are gone.
func (c *cluster) released(t *testing.T) (names []string) {
	t.Helper()
	var l struct {
		Items []struct {
			Metadata struct{ Name string }
			Status   struct{ Phase string }
		}
	}
	decode(t, c.raw(t, resources()["PersistentVolume"]), &l)
	for _, item := range l.Items {
		if item.Status.Phase == "Released" {
			names = append(names, item.Metadata.Name)
		}
	}
	return names
}

// objects are those that a backup of volumes is about, without what the server and its controllers own. It is written down here once
// more, so that the product's own list of such fields is held against it.
func (c *cluster) objects(t *testing.T) map[string]any {
	t.Helper()
	all, claimed := map[string]any{}, map[string]bool{}
	list := resources()
	delete(list, "Node")
	list["Namespace"] = "/api/v1/namespaces"
	for kind, path := range list {
		var l struct{ Items []map[string]any }
		decode(t, c.raw(t, path), &l)
		for _, item := range l.Items {
			item["kind"] = kind
			if kind == "PersistentVolumeClaim" {
				claimed[item["metadata"].(map[string]any)["namespace"].(string)] = true
			}
			all[name(item)] = essence(item)
		}
	}
	for name := range all {
		if space, is := strings.CutPrefix(name, "Namespace//"); is && !claimed[space] {
			delete(all, name)
		}
	}
	return all
}

// essence takes out of an object what a restore does not give back.
func essence(item map[string]any) map[string]any {
	meta := item["metadata"].(map[string]any)
	for _, field := range []string{"uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "finalizers"} {
		delete(meta, field)
	}
	annotations, _ := meta["annotations"].(map[string]any)
	for _, key := range []string{"pv.kubernetes.io/bind-completed", "pv.kubernetes.io/bound-by-controller", "volume.kubernetes.io/selected-node",
		"volume.kubernetes.io/storage-provisioner", "volume.beta.kubernetes.io/storage-provisioner"} {
		delete(annotations, key)
	}
	if len(annotations) == 0 {
		delete(meta, "annotations")
	}
	delete(item, "status")
	spec, _ := item["spec"].(map[string]any)
	if ref, ok := spec["claimRef"].(map[string]any); ok {
		item["spec"].(map[string]any)["claimRef"] = fmt.Sprint(ref["namespace"], "/", ref["name"])
	}
	if spec["volumeName"] != nil && spec["storageClassName"] == nil {
		spec["storageClassName"] = "" // no default class is given to it
	}
	if item["kind"] == "Namespace" {
		delete(item, "spec")
	}
	return item
}

// wipe takes volumes, claims, classes and nodes out of etcd, behind the back of finalizers and controllers.
func (c *cluster) wipe(t *testing.T) {
	t.Helper()
	for _, kind := range []string{"persistentvolumeclaims", "persistentvolumes", "storageclasses", "minions"} {
		prefix := []byte("/registry/" + kind + "/")
		end := bytes.Clone(prefix)
		end[len(end)-1]++
		body, err := json.Marshal(map[string][]byte{"key": prefix, "range_end": end})
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.Post(c.Etcd+"/v3/kv/deleterange", "application/json", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatal(resp.Status)
		}
	}
}

// plan is a plan of one step with the id restore.
func (w *restoreWorld) plan(t *testing.T, kind, key, more string) string {
	t.Helper()
	with := "prefix: restored" + more
	if key != "" {
		with = "key: " + key + more
	}
	return w.program.write(t, kind+".yaml", w.from.planText("{name: home}", fmt.Sprintf("    - {id: restore, uses: %s, timeout: 80s, with: {%s}}\n", kind, with)))
}

// apply runs one step against a cluster.
func (w *restoreWorld) apply(t *testing.T, c *cluster, code int, kind, key, more string) result {
	t.Helper()
	if strings.HasPrefix(kind, "backup-") {
		tick()
	}
	return w.program.with("KUBECONFIG="+c.Kubeconfig).must(t, code, "apply", w.plan(t, kind, key, more), "-o", "json")
}

// restore restores into the cluster for that.
func (w *restoreWorld) restore(t *testing.T, code int, key, more string) stepDocument {
	t.Helper()
	return w.apply(t, w.to, code, "restore-pvs", key, more).json(t).step(t, "restore")
}

// verify rehearses the newest backup against the cluster that it is of.
func (w *restoreWorld) verify(t *testing.T, code int) result {
	t.Helper()
	return w.apply(t, w.from, code, "verify-backup", "", ", artefact: pvs, rehearse: true")
}

// spoil stores a backup once more under another name of the same time, with something else in every object, and metadata that fits.
func (w *restoreWorld) spoil(t *testing.T, key, old, to string) {
	t.Helper()
	body, meta := w.from.object(t, key)
	text := bytes.ReplaceAll(unzip(t, body), []byte(old), []byte(to))
	var out bytes.Buffer
	zw := gzip.NewWriter(&out)
	if _, err := zw.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	meta["plan-sha256"] = fmt.Sprintf("%x", sha256.Sum256(out.Bytes()))
	meta["plan-size"] = strconv.Itoa(out.Len())
	tick()
	if err := w.from.put(t.Context(), key[:len(key)-len("00000000.json.gz")]+"ffffffff.json.gz", out.Bytes(), meta); err != nil {
		t.Fatal(err)
	}
}

// nodes gives a hundred nodes that have joined anew what they had.
func (w *restoreWorld) nodes(t *testing.T) {
	w.from.wipe(t)
	w.to.wipe(t)
	seed := rand.Uint64()
	things := restoretest.Nodes(rand.New(rand.NewPCG(seed, 0)), 100)
	w.from.fill(t, things)
	key := w.apply(t, w.from, 0, "backup-nodes", "", "").json(t).step(t, "restore").text(t, "key")
	for _, thing := range things {
		w.to.create(t, thing, fmt.Appendf(nil, `{"apiVersion":"v1","kind":"Node","metadata":{"name":%q,"labels":{"kubernetes.io/hostname":"its-own","node.kubernetes.io/own":"1"}}}`, thing.Name))
	}
	step := w.apply(t, w.to, 0, "restore-nodes", key, "").json(t).step(t, "restore")
	again := w.apply(t, w.to, 0, "restore-nodes", key, "").json(t).step(t, "restore")
	if again.number(t, "created") != 0 || again.number(t, "unchanged") != 100 {
		t.Errorf("first %v, again %v", step.Outputs, again.Outputs)
	}
	want, got := w.from.peoplesNodes(t), w.to.peoplesNodes(t)
	for name, node := range want {
		if fmt.Sprint(node) != fmt.Sprint(got[name]) {
			t.Errorf("seed %d: node %s had %v, has %v", seed, name, node, got[name])
		}
	}
}

// peoplesNodes are labels and taints that people set, by node, with the hostname and annotations that must not have come along.
func (c *cluster) peoplesNodes(t *testing.T) map[string]string {
	t.Helper()
	var l struct {
		Items []struct {
			Metadata struct {
				Name        string
				Labels      map[string]string
				Annotations map[string]string
			}
			Spec struct {
				Taints []struct{ Key, Value, Effect string }
			}
		}
	}
	decode(t, c.raw(t, "/api/v1/nodes"), &l)
	all := map[string]string{}
	for _, n := range l.Items {
		var text []string
		for _, key := range []string{"kubernetes.io/arch", "node-role.kubernetes.io/control-plane", "svccontroller.k3s.cattle.io/pool", "node.kubernetes.io/instance-type"} {
			if _, there := n.Metadata.Labels[key]; there && n.Metadata.Labels["kubernetes.io/hostname"] == "its-own" {
				t.Errorf("node %s has got label %s", n.Metadata.Name, key)
			}
			delete(n.Metadata.Labels, key)
		}
		delete(n.Metadata.Annotations, "node.alpha.kubernetes.io/ttl") // a controller's
		if own := n.Metadata.Labels["kubernetes.io/hostname"]; own == "its-own" && len(n.Metadata.Annotations) > 0 {
			t.Errorf("node %s has got annotations %v", n.Metadata.Name, n.Metadata.Annotations)
		}
		delete(n.Metadata.Labels, "kubernetes.io/hostname")
		delete(n.Metadata.Labels, "node.kubernetes.io/own")
		text = append(text, fmt.Sprint(n.Metadata.Labels))
		for _, taint := range n.Spec.Taints {
			if !strings.HasPrefix(taint.Key, "node.kubernetes.io/") {
				text = append(text, fmt.Sprint(taint))
			}
		}
		all[n.Metadata.Name] = strings.Join(text, " ")
	}
	return all
}
