package e2e

import (
	"fmt"
	"net/http"
	"syscall"
	"testing"
)

// TestInterruptedRunStillPings: a signal while a backup is held up stops it, finally runs, nothing is stored.
func TestInterruptedRunStillPings(t *testing.T) {
	r := theLab(t)
	for name, c := range map[string]struct {
		signal syscall.Signal
		code   int
	}{"SIGINT": {syscall.SIGINT, 130}, "SIGTERM": {syscall.SIGTERM, 143}} {
		t.Run(name, func(t *testing.T) {
			held := newGate(t)
			api := r.proxied(t, r.apiServer(t), func(w http.ResponseWriter, req *http.Request, next http.Handler) {
				if lists(req, "persistentvolumes") {
					held.hold(req)
				}
				next.ServeHTTP(w, req)
			})
			pings, err := r.Pings()
			if err != nil {
				t.Fatal(err)
			}
			p := r.program(t, append(keysOf(r.S3.AccessKey, r.S3.SecretKey), "KUBECONFIG="+api.kubeconfig(t, r), "PING="+r.PingURL)...)
			steps := fmt.Sprintf(pvsStep, "interrupted") + "    - {id: nodes, uses: backup-nodes, with: {prefix: interrupted}}\n"
			run := p.start(t, "apply", p.write(t, "plan.yaml", r.planText("{name: home}", steps+finallyPing)), "-o", "json")
			select {
			case <-held.reached:
			case <-run.done:
				t.Fatalf("it ended early: %+v", run.wait(t))
			}
			if err := run.Process.Signal(c.signal); err != nil {
				t.Fatal(err)
			}
			got := run.wait(t)
			if got.code != c.code {
				t.Errorf("exit %d, want %d\n%s", got.code, c.code, got.all())
			}
			doc := got.json(t)
			for id, want := range map[string]string{"pvs": "cancelled", "nodes": "cancelled", "ping": "succeeded"} {
				if step := doc.step(t, id); step.Outcome != want {
					t.Errorf("step %s is %s, want %s", id, step.Outcome, want)
				}
			}
			r.pinged(t, len(pings), fmt.Sprintf("/%d", c.code), `"cancelled"`)
			if left := r.names(t, "interrupted/"); len(left) > 0 {
				t.Errorf("in the bucket are %q", left)
			}
		})
	}
}

// TestSignalBeforeTheFirstStep: nothing was begun, so nothing is recorded and nobody is pinged.
func TestSignalBeforeTheFirstStep(t *testing.T) {
	r := theLab(t)
	held := newGate(t)
	api := r.proxied(t, r.apiServer(t), func(_ http.ResponseWriter, req *http.Request, _ http.Handler) { held.hold(req) })
	pings, err := r.Pings()
	if err != nil {
		t.Fatal(err)
	}
	p := r.program(t, append(keysOf(r.S3.AccessKey, r.S3.SecretKey), "KUBECONFIG="+api.kubeconfig(t, r), "PING="+r.PingURL)...)
	run := p.start(t, "apply", p.write(t, "plan.yaml", r.planText("{name: home}", fmt.Sprintf(pvsStep, "interrupted")+finallyPing)))
	<-held.reached
	if err := run.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if got := run.wait(t); got.code != 130 {
		t.Errorf("exit %d\n%s", got.code, got.all())
	}
	if after, err := r.Pings(); err != nil || len(after) != len(pings) {
		t.Errorf("%d pings, were %d; %v", len(after), len(pings), err)
	}
	if files := p.journals(); len(files) > 0 {
		t.Errorf("there are journals: %q", files)
	}
}
