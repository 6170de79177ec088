// Package wiretest leads to a kubetest.Server within this process, so that time can be virtual (testing/synctest), over a network that can
// be told to misbehave.
package wiretest

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"plan/internal/kube"
	"plan/internal/kube/kubetest"
)

var errBroken = &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}

// Fate is what becomes of a request.
type Fate struct {
	Before, After time.Duration // on the way there and back
	Refused       bool          // it does not get there
	Broken        bool          // it is executed, and the answer is lost
	Status        int           // answered instead of executed
}

// Wire leads to a server in this process, so that time can be virtual. What is on the way there arrives, though nobody waits any more.
type Wire struct {
	Server *kubetest.Server
	Fate   func(*http.Request) Fate // nil: nothing happens to them; called by one goroutine at a time

	mu   sync.Mutex
	dead bool // nothing gets through any more
}

// Cut makes nothing get through any more, or all again.
func (w *Wire) Cut(dead bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dead = dead
}

func (w *Wire) meet(r *http.Request) Fate {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead {
		return Fate{Refused: true}
	}
	if w.Fate == nil {
		return Fate{}
	}
	return w.Fate(r)
}

// RoundTrip implements http.RoundTripper.
func (w *Wire) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
	}
	f := w.meet(r)
	done := make(chan *http.Response, 1)
	go func() {
		time.Sleep(f.Before)
		switch {
		case f.Refused:
			done <- nil
			return
		case f.Status != 0:
			rec := httptest.NewRecorder()
			http.Error(rec, "the wire says no", f.Status)
			done <- rec.Result()
			return
		}
		again := r.Clone(r.Context())
		again.Body = io.NopCloser(bytes.NewReader(body))
		rec := httptest.NewRecorder()
		w.Server.ServeHTTP(rec, again)
		time.Sleep(f.After)
		if f.Broken {
			done <- nil
			return
		}
		done <- rec.Result()
	}()
	select {
	case <-r.Context().Done():
		return nil, r.Context().Err()
	case resp := <-done:
		if resp == nil {
			return nil, errBroken
		}
		return resp, nil
	}
}

// Client is connected to the server.
func (w *Wire) Client(t testing.TB) *kube.Client {
	t.Helper()
	c, err := kube.New(&rest.Config{Host: "http://api.invalid", Transport: w}, "test", "default")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Weather makes fates at random; bad is how many of a hundred requests meet one.
func Weather(r *rand.Rand, bad int) func(*http.Request) Fate {
	return func(*http.Request) Fate {
		if r.IntN(100) >= bad {
			return Fate{Before: time.Duration(r.IntN(50)) * time.Millisecond, After: time.Duration(r.IntN(50)) * time.Millisecond}
		}
		slow := func() time.Duration { return time.Duration(r.IntN(9000)) * time.Millisecond }
		return []Fate{
			{Refused: true}, {Refused: true, Before: slow()}, {Broken: true}, {Broken: true, Before: slow(), After: slow()},
			{Before: slow()}, {After: slow()}, {Before: 3 * slow()}, {Status: http.StatusInternalServerError}, {Status: http.StatusBadGateway},
			{Status: http.StatusTooManyRequests},
		}[r.IntN(10)]
	}
}
