package main

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	ggcr "github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/rogpeppe/go-internal/testscript"
)

// images is a container registry that can be told to refuse.
type images struct {
	good http.Handler

	mu     sync.Mutex
	asked  []string // "METHOD /path"
	faults map[string]int
}

func newImages() *images {
	return &images{good: ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0))), faults: map[string]int{}}
}

// ServeHTTP implements http.Handler.
func (i *images) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call := r.Method + " " + r.URL.Path
	i.mu.Lock()
	i.asked = append(i.asked, call)
	status := 0
	for part, code := range i.faults {
		if strings.Contains(call, part) {
			status = code
		}
	}
	i.mu.Unlock()
	if status != 0 {
		http.Error(w, "no", status)
		return
	}
	i.good.ServeHTTP(w, r)
}

// put adds an empty image under a reference, past the network.
func (i *images) put(t testing.TB, reference string) {
	t.Helper()
	ref, err := name.ParseReference(reference)
	if err == nil {
		err = remote.Write(ref, empty.Image, remote.WithTransport(inMemory{i.good}))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// inMemory is a transport that leads to a handler.
type inMemory struct{ http.Handler }

// RoundTrip implements http.RoundTripper.
func (m inMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r = r.Clone(r.Context())
		r.Body = http.NoBody // as a server has it
	}
	answer := httptest.NewRecorder()
	m.Handler.ServeHTTP(answer, r)
	got := answer.Result()
	got.Request = r
	return got, nil
}

// imagesCommand: images fail STATUS PART (of "METHOD /path") · images calls PART N · images heal
func (w *world) imagesCommand(ts *testscript.TestScript, _ bool, args []string) {
	w.images.mu.Lock()
	defer w.images.mu.Unlock()
	switch args[0] {
	case "fail":
		w.images.faults[args[2]] = number(ts, args[1])
	case "heal":
		clear(w.images.faults)
	case "calls":
		n := 0
		for _, call := range w.images.asked {
			if strings.Contains(call, args[1]) {
				n++
			}
		}
		count(ts, "requests "+args[1], n, args[2])
	default:
		ts.Fatalf("images %s?", args[0])
	}
}
