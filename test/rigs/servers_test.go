//go:build linux

package rigs

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// brief is a test whose cleanups run when end is called: what belongs to one run does not stay until the test ends.
type brief struct {
	testing.TB
	ends []func()
}

func (b *brief) Cleanup(f func()) { b.ends = append(b.ends, f) }

func (b *brief) end() {
	for i := len(b.ends) - 1; i >= 0; i-- {
		b.ends[i]()
	}
	b.ends = nil
}

// front stands before a server and counts what it was made to do.
type front struct {
	http.Handler
	mu     sync.Mutex
	writes map[string]int // by method and path: writes that were executed
}

// ServeHTTP implements http.Handler.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	seen, asked := &status{ResponseWriter: w, code: http.StatusOK}, &request{ReadCloser: r.Body}
	r.Body = asked
	f.Handler.ServeHTTP(seen, r)
	read := r.Method == http.MethodGet || r.Method == http.MethodHead || r.URL.Query().Get("dryRun") != "" || strings.HasPrefix(r.URL.Path, "/identity") ||
		strings.HasSuffix(r.URL.Path, "/get-by-ids") // a question that needs a body
	if !read && seen.code/100 == 2 && !asked.cut {
		f.mu.Lock()
		f.writes[r.Method+" "+r.URL.Path]++
		f.mu.Unlock()
	}
}

func (f *front) executed() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.writes)
}

type status struct {
	http.ResponseWriter
	code int
}

func (s *status) WriteHeader(code int) { s.code = code; s.ResponseWriter.WriteHeader(code) }
func (s *status) Unwrap() http.ResponseWriter {
	return s.ResponseWriter
}

// request is a body that tells whether it came to its end.
type request struct {
	io.ReadCloser
	cut bool
}

func (r *request) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.cut = r.cut || err != nil && !errors.Is(err, io.EOF)
	return n, err
}

// serve serves with TLS until the end of b. All servers have the same certificate, which is its own authority.
func serve(b *brief, h http.Handler) (url, ca string) {
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that are killed leave in the middle
	server.StartTLS()
	b.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	return server.URL, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
}

// hook is a web hook that counts. What a path's parts say it does: status-N answers N, flaky-N answers 503 to the first N calls of that
// path, slow-N waits N ms, echo answers 400 with everything the caller sent.
type hook struct {
	mu    sync.Mutex
	calls map[string]int
	last  map[string]string // body
}

func newHook() *hook { return &hook{calls: map[string]int{}, last: map[string]string{}} }

// ServeHTTP implements http.Handler.
func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the caller is gone before it had said what it wants
	}
	h.mu.Lock()
	h.calls[r.URL.Path]++
	h.last[r.URL.Path] = string(body)
	n := h.calls[r.URL.Path]
	h.mu.Unlock()
	for part := range strings.SplitSeq(r.URL.Path, "/") {
		word, number, _ := strings.Cut(part, "-")
		value, _ := strconv.Atoi(number)
		switch {
		case word == "slow":
			select {
			case <-r.Context().Done():
			case <-time.After(time.Duration(value) * time.Millisecond):
			}
		case word == "flaky" && n <= value:
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		case word == "status":
			w.WriteHeader(value)
			return
		case word == "echo":
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, "%s %s\n%v\n%s", r.Method, r.URL, r.Header, body)
			return
		}
	}
}

func (h *hook) counts() map[string]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.calls)
}

func (h *hook) bodies() map[string]string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.last)
}
