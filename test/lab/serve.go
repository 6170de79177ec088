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
	"syscall"
	"time"

	"plan/internal/bitwarden/bwtest"
)

// Serve is the whole work of a helper process (Options.Helper): it serves "bitwarden", "ping", "registry", "git" or "pods" of
// the lab in dir until ctx ends. s3Endpoint is the endpoint that Bitwarden hands out.
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
	sites, err := l.sites(f, s, name)
	if err != nil {
		return err
	}
	ended := make(chan error, len(sites))
	for _, site := range sites {
		srv, err := f.listen(site, ended)
		if err != nil {
			return err
		}
		defer srv.Close()
	}
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return nil
	}
}

// site is something that the lab serves itself.
type site struct {
	addr    string
	cert    string // name of its key pair in pki; "" for plain HTTP
	handler http.Handler
	to      string // an address that connections are passed on to, as they are; then there is no handler
}

// sites are what the named helper serves.
func (l *Lab) sites(f folder, s settings, name string) ([]site, error) {
	switch name {
	case "bitwarden":
		bw, _ := fillBitwarden(s.BitwardenSeed, "", l.S3)
		return []site{{addr: f.addr(s, name), cert: "server", handler: bw}}, nil
	case "ping":
		return []site{{addr: f.addr(s, name), handler: &sink{file: l.PingFile}}}, nil
	case "registry":
		open, err := registryHandler(f.path("registry", "open"))
		if err != nil {
			return nil, err
		}
		private, err := registryHandler(f.path("registry", "private"))
		if err != nil {
			return nil, err
		}
		r := f.registry(s)
		return []site{
			{addr: r.Address, cert: "server", handler: denied(open)}, {addr: r.Private, cert: "server", handler: guarded(r.User, r.Password, private)},
		}, nil
	case "git":
		handler, err := gitHandler(f.git(s))
		cert := "server"
		if s.Number != 0 {
			cert = "address"
		}
		return []site{{addr: f.addr(s, name), cert: cert, handler: handler}}, err
	case "pods":
		return f.doors(s), nil
	}
	return nil, fmt.Errorf("serve %q: the lab has bitwarden, ping, registry, git and pods", name)
}

// serveMore serves what a helper would: by a helper, where there is one, or by this process, unless that is done already.
func (l *Lab) serveMore(ctx context.Context, f folder, s settings, name string) error {
	if l.opts.Helper != "" {
		return f.ensure(ctx, l.log, f.helper(name, s, l), true)
	}
	if f.serves(name) || f.servedHere(s, name) {
		return nil
	}
	sites, err := l.sites(f, s, name)
	if err != nil {
		return err
	}
	for _, site := range sites {
		srv, err := f.listen(site, make(chan error, 1))
		if err != nil {
			return err
		}
		l.mu.Lock()
		l.served = append(l.served, srv)
		if bw, ok := site.handler.(*bwtest.Server); ok {
			l.BitwardenServer = bw
		}
		l.mu.Unlock()
	}
	return nil
}

// more does something to a lab that was started, while nobody else starts or stops it.
func (l *Lab) more(ctx context.Context, do func(f folder, s *settings) error) error {
	f := folder{dir: l.Dir}
	unlock, err := lockFile(ctx, f.path("lock"), func() { l.log("waiting for another start or stop in %s", l.Dir) })
	if err != nil {
		return err
	}
	defer unlock()
	s, err := f.load()
	if err != nil {
		return err
	}
	return do(f, &s)
}

// listen serves a site, and 200 on /health; ended, which has room for it, gets the server's end.
func (f folder) listen(site site, ended chan<- error) (io.Closer, error) {
	l, err := net.Listen("tcp", site.addr)
	if errors.Is(err, syscall.EADDRINUSE) && site.to != "" {
		err = fmt.Errorf("%w: a server on that port of all addresses is in the way of the lab's node; let it have addresses of its own, or end it", err)
	}
	if err != nil {
		return nil, fmt.Errorf("serve on %s: %w", site.addr, err)
	}
	if site.to != "" {
		go passOn(l, site.to, ended)
		return l, nil
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok\n") })
	mux.Handle("/", site.handler)
	// A client that does not trust the certificate is a test, not news.
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	go func() {
		var err error
		if site.cert != "" {
			err = srv.ServeTLS(l, f.path("pki", site.cert+".crt"), f.path("pki", site.cert+".key"))
		} else {
			err = srv.Serve(l)
		}
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
		ended <- err
	}()
	return srv, nil
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
