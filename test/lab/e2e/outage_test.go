package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"plan/test/lab"
)

// kubernetes is the address of the lab's API server.
func (r *rig) apiServer(t *testing.T) string {
	t.Helper()
	c, err := r.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	return c.Host
}

func lists(req *http.Request, plural string) bool {
	return req.Method == http.MethodGet && strings.HasSuffix(req.URL.Path, "/"+plural)
}

// TestAPIServerThatGoesAwayForAMomentIsAskedAgain in the middle of a backup: connections break for three requests in a row.
func TestAPIServerThatGoesAwayForAMomentIsAskedAgain(t *testing.T) {
	r := theLab(t)
	var broken atomic.Int32
	p := r.program(t, keysOf(r.S3.AccessKey, r.S3.SecretKey)...)
	api := r.proxied(t, r.apiServer(t), func(w http.ResponseWriter, req *http.Request, next http.Handler) {
		if lists(req, "persistentvolumeclaims") && broken.Add(1) <= 3 {
			reset(w)
		}
		next.ServeHTTP(w, req)
	})
	file := p.write(t, "plan.yaml", r.planText("{name: home}", fmt.Sprintf(pvsStep, "outage-moment")))
	doc := p.with("KUBECONFIG="+api.kubeconfig(t, r)).must(t, 0, "apply", file, "-o", "json").json(t)
	if broken.Load() <= 3 {
		t.Errorf("only %d requests were broken", broken.Load())
	}
	r.isStored(t, "outage-moment", doc.step(t, "pvs").text(t, "key"))
}

func (r *rig) isStored(t *testing.T, prefix, key string) {
	t.Helper()
	if got := r.names(t, prefix+"/"); len(got) != 1 || got[0] != key {
		t.Errorf("in the bucket are %q, want %s", got, key)
	}
}

// TestAPIServerThatStaysAwayFailsTheStep: nothing of a half backup is stored, the ping tells, the exit code is 1.
func TestAPIServerThatStaysAwayFailsTheStep(t *testing.T) {
	r := theLab(t)
	var away atomic.Bool
	api := r.proxied(t, r.apiServer(t), func(w http.ResponseWriter, req *http.Request, next http.Handler) {
		if lists(req, "persistentvolumeclaims") {
			away.Store(true)
		}
		if away.Load() {
			reset(w)
		}
		next.ServeHTTP(w, req)
	})
	pings, err := r.Pings()
	if err != nil {
		t.Fatal(err)
	}
	before := r.keys(t, "")
	p := r.program(t, append(keysOf(r.S3.AccessKey, r.S3.SecretKey), "KUBECONFIG="+api.kubeconfig(t, r), "PING="+r.PingURL)...)
	file := p.write(t, "plan.yaml", r.planText("{name: home}", fmt.Sprintf(pvsStep, "outage")+finallyPing))
	doc := p.must(t, 1, "apply", file, "-o", "json").json(t)
	if step := doc.step(t, "pvs"); step.Outcome != "failed" || step.Attempts != 3 {
		t.Errorf("the step: %+v", step)
	}
	r.pinged(t, len(pings), "/1", `"failed"`)
	if after := r.keys(t, ""); len(after) != len(before) {
		t.Errorf("%d objects in the bucket, were %d", len(after), len(before))
	}
}

// TestAPIServerIsKilledAndComesBack: the real one, by SIGKILL, while a backup lists.
func TestAPIServerIsKilledAndComesBack(t *testing.T) {
	r := theLab(t)
	r.ownServers(t)
	held := newGate(t)
	api := r.proxied(t, r.apiServer(t), func(w http.ResponseWriter, req *http.Request, next http.Handler) {
		if lists(req, "persistentvolumeclaims") {
			held.hold(req)
		}
		next.ServeHTTP(w, req)
	})
	p := r.program(t, append(keysOf(r.S3.AccessKey, r.S3.SecretKey), "KUBECONFIG="+api.kubeconfig(t, r))...)
	text := strings.Replace(r.planText("{name: home}", fmt.Sprintf(pvsStep, "outage-kill")), "attempts: 3", "attempts: 60", 1)
	c := p.start(t, "apply", p.write(t, "plan.yaml", text), "-o", "json")
	select {
	case <-held.reached:
	case <-c.done:
		t.Fatalf("it ended early: %+v", c.wait(t))
	}
	r.kill(t, "kube-apiserver")
	held.release()
	r.restart(t)
	got := c.wait(t)
	if got.code != 0 {
		t.Fatalf("exit %d\n%s", got.code, got.all())
	}
	r.isStored(t, "outage-kill", got.json(t).step(t, "pvs").text(t, "key"))
}

func (r *rig) kill(t *testing.T, server string) {
	t.Helper()
	for _, p := range lab.Status(r.Dir) {
		if p.Name == server && p.Running {
			if err := syscall.Kill(p.PID, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			for running(r.Dir, p.PID) {
				time.Sleep(10 * time.Millisecond)
			}
			return
		}
	}
	t.Fatalf("no %s runs", server)
}

func running(dir string, pid int) bool {
	return slices.ContainsFunc(lab.Status(dir), func(p lab.Process) bool { return p.PID == pid && p.Running })
}

// restart brings back what is missing of the lab.
func (r *rig) restart(t *testing.T) {
	t.Helper()
	if _, err := lab.Start(context.Background(), r.Dir, r.options); err != nil {
		t.Fatal(err)
	}
}

// theEnd is for what is tidied up after a test, when its context has ended.
func theEnd() context.Context { return context.Background() }

// walk yields the files below a folder.
func walk(dir string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() && !yield(path) {
				return filepath.SkipAll
			}
			return nil
		})
	}
}
