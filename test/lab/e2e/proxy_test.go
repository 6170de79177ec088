package e2e

import (
	"net/http"
	"sync"
	"testing"

	"plan/test/lab/labtest"
)

// proxy is a server with TLS in front of one of the lab's.
type proxy struct{ *labtest.Proxy }

// proxied puts a proxy in front of a server of the lab.
func (r *rig) proxied(t *testing.T, target string, h labtest.Hook) *proxy {
	t.Helper()
	p, err := labtest.NewProxy(r.Lab, t.TempDir(), target, h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.End)
	return &proxy{p}
}

// kubeconfig is the administrator's, by way of the proxy.
func (p *proxy) kubeconfig(t *testing.T, r *rig) string {
	t.Helper()
	file, err := p.Kubeconfig(r.Kubeconfig, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// reset breaks the connection without an answer.
func reset(http.ResponseWriter) { labtest.Reset() }

// gate holds requests back until it opens.
type gate struct {
	reached, open chan struct{}
	once, opened  sync.Once
}

func newGate(t *testing.T) *gate {
	g := &gate{reached: make(chan struct{}), open: make(chan struct{})}
	t.Cleanup(g.release)
	return g
}

func (g *gate) release() { g.opened.Do(func() { close(g.open) }) }

// hold lets the test know, and waits for the gate or the client's end.
func (g *gate) hold(req *http.Request) {
	g.once.Do(func() { close(g.reached) })
	select {
	case <-g.open:
	case <-req.Context().Done():
	}
}
