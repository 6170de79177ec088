package labtest

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	"k8s.io/client-go/tools/clientcmd"

	"plan/test/lab"
)

// Hook decides about a request before it goes on to the server: it calls next, or does something else.
type Hook func(w http.ResponseWriter, req *http.Request, next http.Handler)

// Proxy is a server with TLS in front of one of a lab's.
type Proxy struct {
	*httptest.Server
	CAFile string // PEM of its own certificate and of the roots that the lab's servers need

	transport *http.Transport
}

// NewProxy puts a proxy in front of a server of the lab. Its files are in dir. End it with End.
func NewProxy(l *lab.Lab, dir, target string, h Hook) (*Proxy, error) {
	to, err := url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("make a proxy: %w", err)
	}
	roots := x509.NewCertPool()
	bundle, err := os.ReadFile(l.BundleFile)
	if err != nil {
		return nil, fmt.Errorf("make a proxy: %w", err)
	}
	roots.AppendCertsFromPEM(bundle)
	p := &Proxy{transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, MaxIdleConnsPerHost: 16}}
	quiet := log.New(io.Discard, "", 0) // a client that goes away is a test, not news
	back := &httputil.ReverseProxy{
		Rewrite:   func(pr *httputil.ProxyRequest) { pr.SetURL(to); pr.Out.Host = pr.In.Host }, // S3 signs the host
		Transport: p.transport, ErrorLog: quiet,
		// Nothing of what the server is not answering is made up: a client sees the connection break, as without the proxy.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	p.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { h(w, req, back) }))
	p.Config.ErrorLog = quiet
	p.StartTLS()
	p.CAFile = filepath.Join(dir, "proxy-ca.crt")
	own := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate().Raw})
	if err := os.WriteFile(p.CAFile, append(own, bundle...), 0o600); err != nil {
		p.End()
		return nil, fmt.Errorf("make a proxy: %w", err)
	}
	return p, nil
}

// End closes the proxy with all its connections.
func (p *Proxy) End() {
	p.CloseClientConnections()
	p.Close()
	p.transport.CloseIdleConnections()
}

// Kubeconfig writes a kubeconfig of the lab into a file of dir, so that it goes by way of the proxy.
func (p *Proxy) Kubeconfig(from, dir string) (string, error) {
	c, err := clientcmd.LoadFromFile(from)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", from, err)
	}
	for _, cluster := range c.Clusters {
		cluster.Server, cluster.CertificateAuthority, cluster.CertificateAuthorityData = p.URL, p.CAFile, nil
	}
	file := filepath.Join(dir, "proxy-"+filepath.Base(from))
	if err := clientcmd.WriteToFile(*c, file); err != nil {
		return "", fmt.Errorf("write %s: %w", file, err)
	}
	return file, nil
}

// Reset breaks the connection without an answer.
func Reset() { panic(http.ErrAbortHandler) }

// Lossy executes the first write of each path without an answer.
func Lossy() Hook {
	var mu sync.Mutex
	seen := map[string]bool{}
	return func(w http.ResponseWriter, req *http.Request, next http.Handler) {
		mu.Lock()
		key := req.Method + req.URL.Path
		first := req.Method != http.MethodGet && !seen[key]
		seen[key] = true
		mu.Unlock()
		if first {
			next.ServeHTTP(httptest.NewRecorder(), req)
			Reset()
		}
		next.ServeHTTP(w, req)
	}
}
