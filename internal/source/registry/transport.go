package registry

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"plan/internal/errclass"
)

// errPlain is the refusal to speak without TLS.
var errPlain = errors.New("refused to speak plain http")

// guard refuses plain http over a network, wherever a registry sends its client, and notes whom was asked and what they say about
// the wait.
type guard struct {
	inner    *http.Transport
	insecure bool
	wait     atomic.Int64 // the last Retry-After, in nanoseconds
	asked    sync.Map     // hosts
	plain    atomic.Value // of broken: what plain http failed with, where it was tried because there is no TLS
	meter    meter
}

type broken struct{ error }

func newGuard(caFile string, insecure bool) (*guard, error) {
	pool, err := roots(caFile)
	if err != nil {
		return nil, err
	}
	return &guard{insecure: insecure, inner: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: insecure, RootCAs: pool},
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: 5 * time.Minute, // a registry may copy a whole layer before it answers
		ExpectContinueTimeout: time.Second,
		IdleConnTimeout:       90 * time.Second,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   16,
	}}, nil
}

// RoundTrip implements http.RoundTripper.
func (g *guard) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" && !g.insecure && !isLoopback(r.URL.Hostname()) {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, errPlain
	}
	g.asked.Store(r.URL.Host, true)
	resp, err := g.meter.send(r, g.inner)
	if err != nil && r.URL.Scheme != "https" {
		g.plain.Store(broken{err})
	}
	if err == nil && resp.StatusCode >= http.StatusBadRequest {
		g.wait.Store(int64(errclass.ParseRetryAfter(resp.Header.Get("Retry-After"), time.Now())))
	}
	return resp, err
}

func isLoopback(host string) bool {
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || net.ParseIP(host).IsLoopback()
}

// roots are the system's and those of a file; nil, which is the system's, without a file.
func roots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read CA file: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read CA file %s: no PEM certificate in it", file)
	}
	return pool, nil
}
