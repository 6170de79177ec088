package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// Serve is the whole work of a helper process (Options.Helper): it serves "bitwarden" or "ping" of the lab in dir
// until ctx ends. s3Endpoint is the endpoint that Bitwarden hands out.
func Serve(ctx context.Context, dir, name, s3Endpoint string) error {
	l, err := Open(dir, Options{Elsewhere: FromEnvironment()})
	if err != nil {
		return err
	}
	f := folder{dir: l.Dir}
	s, err := f.load()
	if err != nil {
		return err
	}
	l.S3.Endpoint = s3Endpoint
	var srv *http.Server
	var ended <-chan error
	switch name {
	case "bitwarden":
		bw, _ := fillBitwarden(s.BitwardenSeed, "", l.S3)
		srv, ended, err = f.listen(s, name, bw, true)
	case "ping":
		srv, ended, err = f.listen(s, name, &sink{file: l.PingFile}, false)
	default:
		err = fmt.Errorf("serve %q: the lab has bitwarden and ping", name)
	}
	if err != nil {
		return err
	}
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return srv.Close()
	}
}

// serveHere serves Bitwarden and the ping sink from this process, unless a process of their own already does.
func (l *Lab) serveHere(f folder, s settings) error {
	bw, _ := fillBitwarden(s.BitwardenSeed, "", l.S3)
	for _, h := range []struct {
		name    string
		handler http.Handler
		tls     bool
	}{{"bitwarden", bw, true}, {"ping", &sink{file: l.PingFile}, false}} {
		if f.serves(h.name) {
			continue
		}
		srv, _, err := f.listen(s, h.name, h.handler, h.tls)
		if err != nil {
			return err
		}
		l.served = append(l.served, srv)
		if h.handler == bw {
			l.BitwardenServer = bw
		}
	}
	return nil
}

// listen serves h on the named port, and 200 on /health; ended gets the server's end.
func (f folder) listen(s settings, name string, h http.Handler, tls bool) (srv *http.Server, ended <-chan error, err error) {
	l, err := net.Listen("tcp", f.addr(s, name))
	if err != nil {
		return nil, nil, fmt.Errorf("serve %s: %w", name, err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok\n") })
	mux.Handle("/", h)
	// A client that does not trust the certificate is a test, not news.
	srv = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	end := make(chan error, 1)
	go func() {
		var err error
		if tls {
			err = srv.ServeTLS(l, f.path("pki", "server.crt"), f.path("pki", "server.key"))
		} else {
			err = srv.Serve(l)
		}
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
		end <- err
	}()
	return srv, end, nil
}

// sink answers every request with 200 and adds it to a file.
type sink struct {
	file string
	mu   sync.Mutex
}

// Ping is one request that the lab's sink got.
type Ping struct {
	Time   time.Time   `json:"time"`
	Method string      `json:"method"`
	Path   string      `json:"path"` // with the query
	Header http.Header `json:"header"`
	Body   string      `json:"body"` // at most 100 KB of it
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 100<<10))
	if err == nil {
		err = s.add(Ping{Time: time.Now().UTC(), Method: r.Method, Path: r.URL.RequestURI(), Header: r.Header, Body: string(body)})
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	io.WriteString(w, "OK\n")
}

func (s *sink) add(p Ping) error {
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f, err := os.OpenFile(s.file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	return errors.Join(err, f.Close())
}

// Pings are the requests that the sink has recorded, oldest first.
func (l *Lab) Pings() ([]Ping, error) {
	f, err := os.Open(l.PingFile)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the pings: %w", err)
	}
	defer f.Close()
	var out []Ping
	for d := json.NewDecoder(f); ; {
		var p Ping
		switch err := d.Decode(&p); {
		case errors.Is(err, io.EOF):
			return out, nil
		case err != nil:
			return out, fmt.Errorf("read the pings: %w", err)
		}
		out = append(out, p)
	}
}
