package e2e

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// restoreClusters is how many random clusters are restored: 5 in a quick run, 100 in a long one.
func restoreClusters(t *testing.T) (n, largest int) {
	t.Helper()
	const name = "PLAN_RESTORE_CLUSTERS"
	n, largest = 5, 400
	if v := os.Getenv(name); v != "" {
		var err error
		if n, err = strconv.Atoi(v); err != nil || n < 1 {
			t.Fatalf("%s is %q, not a number of clusters", name, v)
		}
		largest = 2000
	}
	return n, largest
}

// sizeOf is the size of a random cluster: in a quick run one large one and small ones, in a long one all sizes.
func sizeOf(r *rand.Rand, i, n, largest int) int {
	if i == 0 {
		return largest
	}
	if n <= 5 {
		return 20 + r.IntN(40)
	}
	return 1 + r.IntN(largest)
}

// TestWhatWasBackedUpComesBack: P7. Clusters made up at random are created in a real API server, backed up, and restored into another one.
func TestWhatWasBackedUpComesBack(t *testing.T) {
	t.Parallel()
	w := newRestoreWorld(t)
	seed := rand.Uint64()
	fmt.Printf("random clusters in the lab: seed %d\n", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	n, largest := restoreClusters(t)
	for i := range n {
		size := sizeOf(r, i, n, largest)
		t.Run(fmt.Sprintf("cluster %d of %d objects", i, size), func(t *testing.T) {
			key := w.cluster(t, r, size)
			doc := w.restore(t, 0, key, "")
			want, got := w.from.objects(t), w.to.objects(t)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("seed %d (-backed up +restored):\n%s", seed, diff)
			}
			if diff := cmp.Diff(w.from.phases(t), w.to.phases(t)); diff != "" {
				t.Errorf("phases (-backed up +restored):\n%s", diff)
			}
			if created := doc.number(t, "created"); created != w.backedUp || doc.number(t, "different") != 0 {
				t.Errorf("%d created, %d were backed up", created, w.backedUp)
			}
			again := w.restore(t, 0, key, "")
			if unchanged := again.number(t, "unchanged"); unchanged != w.backedUp || again.number(t, "created") != 0 {
				t.Errorf("the second time: %v", again.Outputs)
			}
			if diff := cmp.Diff(got, w.to.objects(t)); diff != "" {
				t.Errorf("the second time (-once +twice):\n%s", diff)
			}
		})
	}
	t.Run("a hundred nodes", w.nodes)
	t.Run("something else is there", w.different)
	t.Run("killed in the middle", w.killed)
	t.Run("lost answers", w.lost)
	t.Run("rehearsed", w.rehearsed)
	t.Run("a home cluster", w.home)
}

// different has one object in the way: it is left, its claim is not made, everything else is.
func (w *restoreWorld) different(t *testing.T) {
	key := w.cluster(t, rand.New(rand.NewPCG(11, 0)), 30)
	volume := w.bound[0]
	w.to.create(t, volume, bytes.Replace(volume.Create(), []byte(`"storage":"1`), []byte(`"storage":"91`), 1))
	before := w.to.objects(t)["PersistentVolume//"+volume.Name]
	got := w.apply(t, w.to, 1, "restore-pvs", key, "")
	got.says(t, "persistentvolume "+volume.Name+" is there and different, and was left as it is: spec.capacity.storage", "was not made: its volume")
	have := w.to.objects(t)
	if diff := cmp.Diff(before, have["PersistentVolume//"+volume.Name]); diff != "" {
		t.Errorf("it was overwritten:\n%s", diff)
	}
	if len(have) != w.backedUp-1 {
		t.Errorf("%d objects are there, want all %d but one claim", len(have), w.backedUp)
	}
	w.restore(t, 0, key, ", overwrite: true")
	if diff := cmp.Diff(w.from.objects(t), w.to.objects(t)); diff != "" {
		t.Errorf("overwritten (-backed up +restored):\n%s", diff)
	}
}

// killed ends the program by SIGKILL at writes all over its way, and runs it again.
func (w *restoreWorld) killed(t *testing.T) {
	key := w.cluster(t, rand.New(rand.NewPCG(12, 0)), 40)
	for _, at := range []int32{1, int32(w.backedUp) / 2, int32(w.backedUp) + 3} {
		w.to.wipe(t)
		for name := range w.to.objects(t) {
			if !strings.HasPrefix(name, "Namespace/") {
				t.Fatalf("%s is left", name)
			}
		}
		var writes atomic.Int32
		held := newGate(t)
		api := w.to.proxied(t, w.to.apiServer(t), func(rw http.ResponseWriter, req *http.Request, next http.Handler) {
			if req.Method != http.MethodGet && writes.Add(1) == at {
				next.ServeHTTP(discard{}, req) // executed, and never answered
				held.hold(req)
				return
			}
			next.ServeHTTP(rw, req)
		})
		p := w.program.with("KUBECONFIG=" + api.kubeconfig(t, w.to.rig))
		c := p.start(t, "apply", w.plan(t, "restore-pvs", key, ""))
		select {
		case <-held.reached:
			if err := c.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			c.wait(t)
		case <-c.done: // it had fewer writes to make
			c.wait(t)
		}
		w.restore(t, 0, key, "")
		if diff := cmp.Diff(w.from.objects(t), w.to.objects(t)); diff != "" {
			t.Errorf("killed at write %d (-backed up +restored):\n%s", at, diff)
		}
	}
}

// lost drops the answer of every fifth write after it was executed.
func (w *restoreWorld) lost(t *testing.T) {
	key := w.cluster(t, rand.New(rand.NewPCG(13, 0)), 40)
	var writes atomic.Int32
	api := w.to.proxied(t, w.to.apiServer(t), func(rw http.ResponseWriter, req *http.Request, next http.Handler) {
		if req.Method != http.MethodGet && writes.Add(1)%5 == 0 {
			next.ServeHTTP(discard{}, req)
			reset(rw)
		}
		next.ServeHTTP(rw, req)
	})
	p := w.program.with("KUBECONFIG=" + api.kubeconfig(t, w.to.rig))
	doc := p.must(t, 0, "apply", w.plan(t, "restore-pvs", key, ""), "-o", "json").json(t).step(t, "restore")
	if doc.Attempts != 1 || doc.number(t, "created") != w.backedUp {
		t.Errorf("%+v", doc)
	}
	if diff := cmp.Diff(w.from.objects(t), w.to.objects(t)); diff != "" {
		t.Errorf("(-backed up +restored):\n%s", diff)
	}
}

// discard is where an answer goes that nobody gets.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}

// rehearsed tries the newest backup against the cluster that it is of, then one with an object that no API server takes.
func (w *restoreWorld) rehearsed(t *testing.T) {
	key := w.cluster(t, rand.New(rand.NewPCG(14, 0)), 40)
	before := w.from.objects(t)
	got := w.verify(t, 0)
	got.says(t, "rehearsed: the API server takes all "+strconv.Itoa(w.backedUp)+" objects")
	w.from.wipe(t) // so that nothing is there already
	w.verify(t, 0)
	if left := w.from.objects(t); len(left) >= len(before) {
		t.Errorf("the rehearsal has made objects: %d", len(left))
	}
	w.spoil(t, key, `"accessModes":["`, `"accessModes":["Nobody","`)
	got = w.verify(t, 3)
	got.says(t, "REJECTED, 1 OK: persistentvolume", "spec.accessModes", "Nobody")
}

// home restores the lab's home cluster, as it is.
func (w *restoreWorld) home(t *testing.T) {
	r := theLab(t)
	p := r.program(t, keysOf(r.S3.AccessKey, r.S3.SecretKey)...)
	key := p.must(t, 0, "apply", p.write(t, "b.yaml", r.planText("{name: home}", fmt.Sprintf(pvsStep, "restore-home"))), "-o", "json").json(t).step(t, "pvs").text(t, "key")
	w.to.wipe(t)
	step := fmt.Sprintf("    - {id: restore, uses: restore-pvs, with: {key: %s}}\n", key)
	got := p.with("KUBECONFIG="+w.to.Kubeconfig).must(t, 0, "apply", p.write(t, "r.yaml", r.planText("{name: new}", step)))
	got.says(t, "is of cluster home (UID "+r.uid+")", "no node here has that name", "0 unchanged, 0 different")
	want := (&cluster{rig: r}).objects(t)
	for _, name := range (&cluster{rig: r}).released(t) { // whose claims are gone: nobody has named them
		got.says(t, "not restored: persistentvolume "+name+", which was Released in the backup")
		delete(want, "PersistentVolume//"+name)
	}
	if diff := cmp.Diff(want, w.to.objects(t)); diff != "" {
		t.Errorf("(-backed up +restored):\n%s", diff)
	}
	w.drill(t, r, key)
}

// drill runs the published example with that backup: the nodes have not joined, which it puts up with.
func (w *restoreWorld) drill(t *testing.T, r *rig, pvs string) {
	p := r.program(t, "S3_ENDPOINT="+r.S3.Endpoint, "S3_REGION="+r.S3.Region, "S3_BUCKET="+r.S3.Bucket, "S3_ACCESS_KEY="+r.S3.AccessKey, "S3_SECRET_KEY="+r.S3.SecretKey,
		"AWS_ACCESS_KEY_ID="+r.S3.AccessKey, "AWS_SECRET_ACCESS_KEY="+r.S3.SecretKey)
	nodes := p.must(t, 0, "run", "backup-nodes", "--cluster-name", "home", "--prefix", "", "-o", "json",
		"--store", fmt.Sprintf("s3://%s/drill-nodes?endpoint=%s&region=%s&pathStyle=true", r.S3.Bucket, r.S3.Endpoint, r.S3.Region)).json(t).step(t, "backup-nodes").text(t, "key")
	w.to.wipe(t)
	plan := filepath.Join(filepath.Dir(example(t)), "restore-drill.yaml")
	got := p.with("KUBECONFIG="+w.to.Kubeconfig).must(t, 0, "apply", plan, "--set", "pvs="+pvs, "--set", "nodes="+nodes, "-o", "json").json(t)
	if verdict := got.step(t, "bound").Verdict; verdict != "pass" {
		t.Errorf("the claims are %s", verdict)
	}
	if got.step(t, "volumes").number(t, "created") == 0 || got.step(t, "nodes").Outcome != "ignored" {
		t.Errorf("%+v", got)
	}
}
