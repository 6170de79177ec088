package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
)

// hook decides about a request before it goes on to the server: it calls next, or does something else.
type hook func(w http.ResponseWriter, req *http.Request, next http.Handler)

// proxy is a server with TLS in front of one of the lab's.
type proxy struct {
	*httptest.Server
	caFile string // PEM of its own certificate and of the roots that the lab's servers need
}

// proxied puts a proxy in front of a server of the lab.
func (r *rig) proxied(t *testing.T, target string, h hook) *proxy {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	bundle, err := os.ReadFile(r.BundleFile)
	if err != nil {
		t.Fatal(err)
	}
	roots.AppendCertsFromPEM(bundle)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	t.Cleanup(transport.CloseIdleConnections)
	quiet := log.New(io.Discard, "", 0) // a client that goes away is a test, not news
	back := &httputil.ReverseProxy{Rewrite: func(pr *httputil.ProxyRequest) { pr.SetURL(to); pr.Out.Host = pr.In.Host }, Transport: transport, ErrorLog: quiet}
	p := &proxy{Server: httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { h(w, req, back) }))}
	p.Config.ErrorLog = quiet
	p.StartTLS()
	t.Cleanup(func() { p.CloseClientConnections(); p.Close() })
	p.caFile = filepath.Join(t.TempDir(), "ca.crt")
	own := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate().Raw})
	if err := os.WriteFile(p.caFile, append(own, bundle...), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// kubeconfig is the administrator's, by way of the proxy.
func (p *proxy) kubeconfig(t *testing.T, r *rig) string {
	t.Helper()
	c, err := clientcmd.LoadFromFile(r.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	for _, cluster := range c.Clusters {
		cluster.Server, cluster.CertificateAuthority, cluster.CertificateAuthorityData = p.URL, p.caFile, nil
	}
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*c, file); err != nil {
		t.Fatal(err)
	}
	return file
}

// reset breaks the connection without an answer.
func reset(http.ResponseWriter) { panic(http.ErrAbortHandler) }

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
