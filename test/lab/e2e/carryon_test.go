package e2e

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// sink is a web hook that counts what comes in, and can keep a caller waiting.
type sink struct {
	*httptest.Server
	mu      sync.Mutex
	got     map[string]int
	hold    string // requests of this path are held
	reached chan struct{}
}

func newSink(t *testing.T) *sink {
	s := &sink{got: map[string]int{}, reached: make(chan struct{}, 100)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // or the server does not see that a caller is gone
		s.mu.Lock()
		s.got[r.URL.Path]++
		held := r.URL.Path == s.hold
		s.mu.Unlock()
		if held {
			s.reached <- struct{}{}
			<-r.Context().Done()
		}
	}))
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s
}

// holds makes requests of a path wait, or with "" none.
func (s *sink) holds(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hold = path
}

func (s *sink) count(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got[path]
}

// carried is a plan whose steps show how often they ran; the backup needs the cluster.
const carried = `
    - {id: a, uses: notify, with: {url: {from: {env: SINK}}, suffix: /a}}
    - id: pvs
      uses: backup-pvs
      with: {prefix: %s}
    - {id: b, uses: notify, with: {url: {from: {env: SINK}}, suffix: /b, message: "${{ steps.pvs.outputs.key }}"}}
    - {id: c, uses: notify, with: {url: {from: {env: SINK}}, suffix: /c}}
  finally:
    - {id: end, uses: notify, with: {url: {from: {env: SINK}}, suffix: /end}}
`

// TestTheNextPodOfAJobGoesOn: two processes under one Job's UID, with the run in the cluster, carry one run on. SIGTERM means that the pod
// is moved: no finally, nothing lost, nothing twice.
func TestTheNextPodOfAJobGoesOn(t *testing.T) {
	r := theLab(t)
	t.Parallel()
	for name, stop := range map[string]struct {
		signal syscall.Signal
		code   int
	}{"moved": {syscall.SIGTERM, 143}, "killed": {syscall.SIGKILL, -1}} {
		t.Run(name, func(t *testing.T) {
			s, job := newSink(t), uuid.NewString()
			p := r.program(t, append(keysOf(r.S3.AccessKey, r.S3.SecretKey), "SINK="+s.URL, "PLAN_JOB_UID="+job)...)
			text := r.planText("{name: home}", fmt.Sprintf(carried, "carried-"+name))
			text = strings.Replace(text, "  steps:\n", "  concurrency: {group: carried-"+name+"}\n  steps:\n", 1)
			plan := p.write(t, "plan.yaml", text)
			s.holds("/b")
			first := p.start(t, "apply", plan)
			select {
			case <-s.reached:
			case <-first.done:
				t.Fatalf("it ended early: %s", first.wait(t).all())
			}
			if err := first.Process.Signal(stop.signal); err != nil {
				t.Fatal(err)
			}
			if got := first.wait(t); got.code != stop.code {
				t.Fatalf("exit %d, want %d\n%s", got.code, stop.code, got.all())
			}
			maps, err := r.kube.CoreV1().ConfigMaps("default").List(t.Context(), metav1.ListOptions{LabelSelector: "plan/run=" + job})
			if err != nil || len(maps.Items) != 1 {
				t.Fatalf("%d ConfigMaps of the run, %v", len(maps.Items), err)
			}
			s.holds("")
			got := p.must(t, 0, "apply", plan, "-o", "json").json(t)
			if got.Run != job {
				t.Errorf("the run is %s, want the Job's UID", got.Run)
			}
			for path, want := range map[string]int{"/a": 1, "/b": 2, "/c": 1, "/end": 1} {
				if n := s.count(path); n != want {
					t.Errorf("%s was called %d times, want %d", path, n, want)
				}
			}
			if keys := r.names(t, "carried-"+name+"/"); len(keys) != 1 {
				t.Errorf("in the bucket are %q", keys)
			}
			if b := got.step(t, "b"); b.Attempts != 1 {
				t.Errorf("b has attempt %d: one that did not end is made again under its number", b.Attempts)
			}
			p.must(t, 0, "status", job, "--state", "cluster").says(t, "succeeded, exit 0", "2 invocations")
			if lease, err := r.kube.CoordinationV1().Leases("default").Get(t.Context(), "plan-carried-"+name, metav1.GetOptions{}); err != nil || lease.Spec.HolderIdentity != nil && *lease.Spec.HolderIdentity != "" {
				t.Errorf("the Lease is not given back: %v, %v", lease, err)
			}
		})
	}
}

// TestOneRunOfAGroupAtATime: P3.
func TestOneRunOfAGroupAtATime(t *testing.T) {
	r := theLab(t)
	t.Parallel()
	s := newSink(t)
	p := r.program(t, append(keysOf(r.S3.AccessKey, r.S3.SecretKey), "SINK="+s.URL)...)
	with := func(conflict string) string {
		text := r.planText("{name: home}", "    - {id: list, uses: list-pvs}\n    - {id: a, uses: notify, with: {url: {from: {env: SINK}}, suffix: /"+conflict+"}}\n")
		return p.write(t, conflict+".yaml", strings.Replace(text, "  steps:\n", "  concurrency: {group: alone, onConflict: "+conflict+", waitTimeout: 30s}\n  steps:\n", 1))
	}
	s.holds("/wait")
	first := p.start(t, "apply", with("wait"))
	<-s.reached
	p.must(t, 75, "apply", with("fail")).says(t, "another run of group alone goes on", "run ")
	p.must(t, 0, "apply", with("skip")).says(t, "skipped")
	if outcome := p.must(t, 0, "apply", with("skip"), "-o", "json").json(t).Outcome; outcome != "skipped" {
		t.Errorf("the run is %q", outcome)
	}
	if n := s.count("/fail") + s.count("/skip"); n != 0 {
		t.Errorf("%d steps ran beside it", n)
	}
	second := p.start(t, "apply", with("wait"))
	time.Sleep(time.Second)
	s.holds("")
	if err := first.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if got := first.wait(t); got.code != 130 {
		t.Errorf("exit %d\n%s", got.code, got.all())
	}
	if got := second.wait(t); got.code != 0 {
		t.Errorf("who waited: exit %d\n%s", got.code, got.all())
	}
}

// crashes is how many kills of processes are tried.
func crashes(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(os.Getenv("PLAN_KILLS"))
	if err != nil {
		return 8
	}
	return n
}

// TestKilledAtAnyTimeARunIsResumed: P1. The program is killed by SIGKILL after a random time, up to three times a run, and gone on with.
func TestKilledAtAnyTimeARunIsResumed(t *testing.T) {
	r := theLab(t)
	s := newSink(t)
	seed := rand.Uint64()
	fmt.Printf("kills at random times: seed %d\n", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for kills := 0; kills < crashes(t); {
		id := "kill-" + strconv.Itoa(kills)
		p := r.program(t, append(keysOf(r.S3.AccessKey, r.S3.SecretKey), "SINK="+s.URL+"/"+id, "AWS_ACCESS_KEY_ID="+r.S3.AccessKey, "AWS_SECRET_ACCESS_KEY="+r.S3.SecretKey)...)
		plan := p.write(t, "plan.yaml", r.planText("{name: home}", fmt.Sprintf(carried, id)))
		args := []string{"apply", plan, "--run-id", id}
		for range 1 + random.IntN(3) {
			c := p.start(t, args...)
			time.Sleep(time.Duration(random.IntN(250)) * time.Millisecond)
			if err := c.Process.Kill(); err != nil && !strings.Contains(err.Error(), "finished") {
				t.Fatal(err)
			}
			c.wait(t)
			kills++
			if p.run(t, "status", id).code == 0 {
				args = []string{"resume", id}
			}
		}
		got := p.must(t, 0, append(args, "-o", "json")...).json(t)
		for _, step := range []string{"a", "pvs", "b", "c", "end"} {
			if outcome := got.step(t, step).Outcome; outcome != "succeeded" {
				t.Errorf("%s: %s is %s", id, step, outcome)
			}
		}
		if keys := r.names(t, id+"/"); len(keys) != 1 {
			t.Errorf("%s: in the bucket are %q", id, keys)
		}
		p.must(t, 0, "run", "verify-backup", "--artefact", "pvs", "--cluster-name", "home", "--key", r.names(t, id+"/")[0], "--prefix", id,
			"--store", fmt.Sprintf("s3://%s?endpoint=%s&region=%s&pathStyle=true", r.S3.Bucket, r.S3.Endpoint, r.S3.Region))
	}
}
