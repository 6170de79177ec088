package podlogs_test

import (
	"io"
	"net/http"
	"sync"
	"testing"

	"k8s.io/client-go/rest"

	"plan/internal/kube"
	"plan/internal/kube/kubetest"
)

// wire leads to a server within this process, so that time can be virtual (testing/synctest), and lets answers flow while they are made.
type wire struct{ server http.Handler }

// client is connected to a server by a wire.
func client(t testing.TB, s *kubetest.Server) *kube.Client { return clientOf(t, s) }

func clientOf(t testing.TB, server http.Handler) *kube.Client {
	t.Helper()
	c, err := kube.New(&rest.Config{Host: "http://api.invalid", Transport: wire{server}}, "test", "default")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// RoundTrip implements http.RoundTripper.
func (w wire) RoundTrip(r *http.Request) (*http.Response, error) {
	body, out := io.Pipe()
	a := &answer{header: http.Header{}, out: out, begun: make(chan struct{})}
	go func() {
		defer func() {
			if recover() != nil { // http.ErrAbortHandler
				a.WriteHeader(http.StatusOK)
				out.CloseWithError(io.ErrUnexpectedEOF)
				return
			}
			a.WriteHeader(http.StatusOK)
			out.Close()
		}()
		w.server.ServeHTTP(a, r)
	}()
	select {
	case <-a.begun:
	case <-r.Context().Done():
		body.CloseWithError(r.Context().Err())
		return nil, r.Context().Err()
	}
	stop := make(chan struct{})
	go func() {
		select {
		case <-r.Context().Done():
			body.CloseWithError(r.Context().Err())
		case <-stop:
		}
	}()
	return &http.Response{StatusCode: a.code, Status: http.StatusText(a.code), Header: a.header, Body: &closer{ReadCloser: body, stop: stop}, Request: r, ContentLength: -1}, nil
}

type closer struct {
	io.ReadCloser
	once sync.Once
	stop chan struct{}
}

func (c *closer) Close() error {
	c.once.Do(func() { close(c.stop) })
	return c.ReadCloser.Close()
}

// answer is an http.ResponseWriter that nothing is held back in.
type answer struct {
	header http.Header
	out    *io.PipeWriter
	once   sync.Once
	code   int
	begun  chan struct{}
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(code int) {
	a.once.Do(func() {
		a.code = code
		close(a.begun)
	})
}

func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	if len(p) == 0 {
		return 0, nil
	}
	return a.out.Write(p)
}

func (a *answer) Flush() { a.WriteHeader(http.StatusOK) }
