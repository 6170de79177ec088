package rigs

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"time"

	"plan/test/lab/labtest"
)

// chaos lets a share of all requests go wrong.
type chaos struct {
	mu      sync.Mutex
	random  *rand.Rand
	percent int
	done    map[string]int // faults by name, over all time
}

// set begins anew: from now on so many of a hundred requests go wrong, as chance says.
func (c *chaos) set(percent int, random *rand.Rand) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.percent, c.random = percent, random
}

// fault is one way to go wrong. A fault of a server is said before the request is executed; those of the network come before or after.
type fault struct {
	name string
	do   func(n int, w http.ResponseWriter, req *http.Request, next http.Handler)
}

func faults() []fault {
	answer := func(code int, after string) func(int, http.ResponseWriter, *http.Request, http.Handler) {
		return func(_ int, w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			if after != "" {
				w.Header().Set("Retry-After", after)
			}
			http.Error(w, "out of order: try again", code)
		}
	}
	return []fault{
		{"429", answer(http.StatusTooManyRequests, "")},
		{"429 with Retry-After", answer(http.StatusTooManyRequests, "1")},
		{"500", answer(http.StatusInternalServerError, "")},
		{"502", answer(http.StatusBadGateway, "")},
		{"503", answer(http.StatusServiceUnavailable, "")},
		{"503 with Retry-After", answer(http.StatusServiceUnavailable, "1")},
		{"504 after it was executed", func(n int, w http.ResponseWriter, req *http.Request, next http.Handler) {
			next.ServeHTTP(httptest.NewRecorder(), req)
			answer(http.StatusGatewayTimeout, "")(n, w, req, next)
		}},
		{"delay", func(n int, w http.ResponseWriter, req *http.Request, next http.Handler) {
			select {
			case <-time.After(time.Duration(n%700) * time.Millisecond):
			case <-req.Context().Done():
			}
			next.ServeHTTP(w, req)
		}},
		{"reset before", func(int, http.ResponseWriter, *http.Request, http.Handler) { labtest.Reset() }},
		{"reset after", func(_ int, _ http.ResponseWriter, req *http.Request, next http.Handler) {
			next.ServeHTTP(httptest.NewRecorder(), req)
			labtest.Reset()
		}},
		{"cut", cut},
	}
}

// cut does what was asked and answers with a part of the body.
func cut(n int, w http.ResponseWriter, req *http.Request, next http.Handler) {
	got := httptest.NewRecorder()
	next.ServeHTTP(got, req)
	body := got.Body.Bytes()
	for name, values := range got.Header() {
		w.Header()[name] = values
	}
	if req.Method != http.MethodHead && len(body) > 0 {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(got.Code)
	if len(body) > 0 {
		_, _ = w.Write(body[:n%len(body)]) // the client may be gone
	}
	_ = http.NewResponseController(w).Flush()
	labtest.Reset()
}

// hook is one for all three servers.
func (c *chaos) hook(w http.ResponseWriter, req *http.Request, next http.Handler) {
	c.mu.Lock()
	var f *fault
	n := 0
	if c.percent > 0 && c.random.IntN(100) < c.percent {
		all := faults()
		f, n = &all[c.random.IntN(len(all))], c.random.Int()
		c.done[f.name]++
	}
	c.mu.Unlock()
	if f == nil {
		next.ServeHTTP(w, req)
		return
	}
	f.do(n, w, req, next)
}

// network is a way to all servers that can be made to fail.
type network struct {
	*chaos
	kubeconfig, caFile string
	s3, bitwarden      string // addresses
	proxies            []*labtest.Proxy
}

func (r *rig) network(dir string) (*network, error) {
	n := &network{chaos: &chaos{done: map[string]int{}}}
	config, err := r.RESTConfig()
	if err != nil {
		return nil, err
	}
	for _, target := range []string{config.Host, r.S3.Endpoint, r.Bitwarden.URL} {
		p, err := labtest.NewProxy(r.Lab, dir, target, n.hook)
		if err != nil {
			n.end()
			return nil, err
		}
		n.proxies = append(n.proxies, p)
	}
	n.caFile, n.s3, n.bitwarden = n.proxies[0].CAFile, n.proxies[1].URL, n.proxies[2].URL
	if n.kubeconfig, err = n.proxies[0].Kubeconfig(r.Kubeconfig, dir); err != nil {
		n.end()
		return nil, fmt.Errorf("make a kubeconfig: %w", err)
	}
	return n, nil
}

func (n *network) end() {
	for _, p := range n.proxies {
		p.End()
	}
}

// variables lead the program through the network.
func (n *network) variables() []string {
	return []string{"KUBECONFIG=" + n.kubeconfig, "SSL_CERT_FILE=" + n.caFile, "BWS_SERVER_URL=" + n.bitwarden}
}
