package registry

import (
	"io"
	"net/http"
	"sync"
)

// meter tells how far uploads are. That of go-containerregistry panics where a body is still read when the push has ended already.
type meter struct {
	mu          sync.Mutex
	tell        func(done, total int64) // nil is nobody
	done, total int64
}

func (m *meter) add(done, total int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done, m.total = m.done+done, m.total+total
	if m.tell != nil {
		m.tell(m.done, m.total)
	}
}

// stop makes it silent: no call is under way and none will follow.
func (m *meter) stop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tell = nil
}

// send counts the body of an upload, and takes back what was counted when it has to be sent again.
func (m *meter) send(r *http.Request, send http.RoundTripper) (*http.Response, error) {
	if r.Method != http.MethodPatch || r.Body == nil || r.ContentLength <= 0 {
		return send.RoundTrip(r)
	}
	sent := &body{ReadCloser: r.Body, m: m}
	counted := *r
	counted.Body = sent
	if r.GetBody != nil {
		counted.GetBody = func() (io.ReadCloser, error) {
			again, err := r.GetBody()
			if err != nil {
				return nil, err
			}
			sent.takeBack()
			sent = &body{ReadCloser: again, m: m}
			return sent, nil
		}
	}
	m.add(0, r.ContentLength)
	resp, err := send.RoundTrip(&counted)
	if err != nil || resp.StatusCode >= http.StatusBadRequest {
		sent.takeBack()
		m.add(0, -r.ContentLength)
	}
	return resp, err
}

// body counts what is read of it.
type body struct {
	io.ReadCloser
	m    *meter
	mu   sync.Mutex
	n    int64
	void bool
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	if n > 0 && !b.void {
		b.n += int64(n)
		b.m.add(int64(n), 0)
	}
	return n, err
}

func (b *body) takeBack() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.m.add(-b.n, 0)
	b.n, b.void = 0, true
}
