package registry

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	ggcr "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// server is a registry in this process.
type server struct {
	*httptest.Server
	host string

	mu        sync.Mutex
	asked     []string         // "METHOD /path"
	logins    []string         // Authorization headers
	agents    []string         // User-Agent headers
	misbehave http.HandlerFunc // answers what it wants and leaves the rest; nil is none
}

// rare is a ResponseWriter that knows whether somebody has answered.
type rare struct {
	http.ResponseWriter
	answered bool
}

func (r *rare) WriteHeader(code int)        { r.answered = true; r.ResponseWriter.WriteHeader(code) }
func (r *rare) Write(p []byte) (int, error) { r.answered = true; return r.ResponseWriter.Write(p) }
func (r *rare) Hijack() io.Closer {
	r.answered = true
	conn, _, err := r.ResponseWriter.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	return conn
}

func newServer(t *testing.T, secure bool, misbehave http.HandlerFunc) *server {
	t.Helper()
	s := &server{misbehave: misbehave}
	silent := log.New(io.Discard, "", 0)
	good := ggcr.New(ggcr.Logger(silent))
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked, s.logins = append(s.asked, r.Method+" "+r.URL.Path), append(s.logins, r.Header.Get("Authorization"))
		s.agents = append(s.agents, r.UserAgent())
		bad := s.misbehave
		s.mu.Unlock()
		if bad != nil {
			first := &rare{ResponseWriter: w}
			if bad.ServeHTTP(first, r); first.answered {
				return
			}
		}
		good.ServeHTTP(w, r)
	}))
	s.Config.ErrorLog = silent
	if secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	s.host = s.Listener.Addr().String()
	return s
}

func (s *server) be(h http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.misbehave = h
}

// count is how often something was asked.
func (s *server) count(method, part string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, a := range s.asked {
		if strings.HasPrefix(a, method+" ") && strings.Contains(a, part) {
			n++
		}
	}
	return n
}

func (s *server) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked, s.logins = nil, nil
}

func (s *server) loggedIn() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.logins, "") != ""
}

// caFile is a file with the server's certificate.
func (s *server) caFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(file, block, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// put puts an image or an index into the registry, whatever it misbehaves like.
func (s *server) put(t *testing.T, repo string, image remote.Taggable) string {
	t.Helper()
	ref, err := name.ParseReference(s.host + "/" + repo)
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	bad := s.misbehave
	s.misbehave = nil
	s.mu.Unlock()
	if err := remote.Push(ref, image, remote.WithTransport(s.Client().Transport)); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	s.misbehave = bad
	s.mu.Unlock()
	s.forget()
	return ref.String()
}

// none are options that find no credentials of whoever runs the test.
func none() Options { return Options{Keychain: fixed{authn.Anonymous}} }

func linux(t *testing.T, arch string) v1.Image {
	t.Helper()
	image, err := random.Image(2048, 2)
	if err != nil {
		t.Fatal(err)
	}
	return configured(t, image, "linux", arch)
}

func configured(t *testing.T, image v1.Image, os, arch string) v1.Image {
	t.Helper()
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = os, arch
	config.Config.Entrypoint, config.Config.Env, config.Config.User = []string{"/bin/app"}, []string{"A=b"}, "7"
	if image, err = mutate.ConfigFile(image, config); err != nil {
		t.Fatal(err)
	}
	return image
}

// index is an index of images for platforms, with what else is found in indexes.
func index(t *testing.T, media types.MediaType, platforms ...string) v1.ImageIndex {
	t.Helper()
	var adds []mutate.IndexAddendum
	for _, p := range platforms {
		os, arch, _ := strings.Cut(p, "/")
		image := configured(t, linux(t, arch), os, arch)
		if media == types.OCIImageIndex {
			image = mutate.ConfigMediaType(mutate.MediaType(image, types.OCIManifestSchema1), types.OCIConfigJSON)
		}
		adds = append(adds, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: os, Architecture: arch}}})
	}
	return mutate.AppendManifests(mutate.IndexMediaType(empty.Index, media), adds...)
}

type entry struct {
	name, body, link string
	kind             byte
	mode             int64
}

// packed is an archive as Append takes it.
func packed(t *testing.T, entries ...entry) func() (io.ReadCloser, error) {
	t.Helper()
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	out := tar.NewWriter(zip)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Typeflag: e.kind, Linkname: e.link, Mode: e.mode, Size: int64(len(e.body)), Uid: 1000, Gid: 1000, Uname: "me"}
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if err := out.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(out, e.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil }
}

func someFiles(t *testing.T) func() (io.ReadCloser, error) {
	return packed(t, entry{name: "main.py", body: "print(1)\n"}, entry{name: "lib", kind: tar.TypeDir, mode: 0o755}, entry{name: "lib/a.py", body: "x\n"})
}
