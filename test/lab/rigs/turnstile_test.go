package rigs

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// turnstile is a web hook that counts who is inside, by the first part of the path, and can keep callers there.
type turnstile struct {
	*httptest.Server
	mu    sync.Mutex
	rooms map[string]*room
}

type room struct {
	inside, most, visits int
	entered              chan struct{} // one for each visit
	open                 chan struct{} // closed: nobody is kept
}

func newTurnstile(t *testing.T) *turnstile {
	s := &turnstile{rooms: map[string]*room{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body) // or nobody notices that the client is gone
		r := s.room(strings.Split(req.URL.Path, "/")[1])
		s.mu.Lock()
		r.inside++
		r.visits++
		r.most = max(r.most, r.inside)
		s.mu.Unlock()
		r.entered <- struct{}{}
		select {
		case <-r.open:
			time.Sleep(20 * time.Millisecond) // long enough to meet somebody
		case <-req.Context().Done():
		}
		s.mu.Lock()
		r.inside--
		s.mu.Unlock()
	}))
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s
}

func (s *turnstile) room(name string) *room {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rooms[name] == nil {
		s.rooms[name] = &room{entered: make(chan struct{}, 100), open: make(chan struct{})}
	}
	return s.rooms[name]
}
