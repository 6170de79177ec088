package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"plan/internal/kube"
	"plan/internal/objectstore/s3test"
)

// internet is every server that the examples name, behind one proxy.
type internet struct {
	*world
	buckets map[string]*s3test.Server
	proxy   string
	ca      string
}

const exampleCommit = "0123456789abcdef0123456789abcdef01234567"

func newInternet(t *testing.T, w *world) *internet {
	t.Helper()
	i := &internet{world: w, buckets: map[string]*s3test.Server{}}
	for _, name := range []string{"home-backups", "cabin-backups", "home-backups-copy", "homelab"} {
		i.buckets[name] = s3test.New(name)
	}
	cert := i.certificate(t, "*.example.net", "*.s3.example.net", "*.docker.io", "docker.io", "*.bitwarden.com", "*.s3.eu-central-1.amazonaws.com")
	far := httptest.NewUnstartedServer(i)
	far.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	far.Config.ErrorLog = log.New(io.Discard, "", 0)
	far.StartTLS()
	t.Cleanup(far.Close)
	tunnel := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { connect(rw, r, far.Listener.Addr().String()) }))
	t.Cleanup(tunnel.Close)
	i.proxy = tunnel.URL
	for _, image := range []string{"index.docker.io/library/busybox:1.37", "index.docker.io/library/alpine:3.22"} {
		w.images.put(t, image)
	}
	return i
}

// certificate is one for names, which is its own authority.
func (i *internet) certificate(t *testing.T, names ...string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: names,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	i.ca = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// connect is a proxy that leads everybody to one address.
func connect(rw http.ResponseWriter, r *http.Request, to string) {
	far, err := net.Dial("tcp", to)
	if err != nil || r.Method != http.MethodConnect {
		http.Error(rw, "no", http.StatusBadGateway)
		return
	}
	defer far.Close()
	near, buffered, err := http.NewResponseController(rw).Hijack()
	if err != nil {
		return
	}
	defer near.Close()
	fmt.Fprint(near, "HTTP/1.1 200 OK\r\n\r\n")
	go func() { io.Copy(far, buffered); far.Close() }()
	io.Copy(near, far)
}

// ServeHTTP answers for all of them.
func (i *internet) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	host, _, _ := strings.Cut(r.Host, ":")
	first, rest, _ := strings.Cut(host, ".")
	switch {
	case strings.HasSuffix(host, ".bitwarden.com"):
		r.URL.Path = "/" + first + r.URL.Path
		i.bw.ServeHTTP(rw, r)
	case host == "vault.example.net":
		i.bw.ServeHTTP(rw, r)
	case strings.HasPrefix(rest, "s3."): // the bucket is in the name
		r.URL.Path = "/" + first + r.URL.Path
		i.bucket(rw, r)
	case first == "s3":
		i.bucket(rw, r)
	case first == "git":
		refs(rw)
	default:
		i.images.ServeHTTP(rw, r)
	}
}

func (i *internet) bucket(rw http.ResponseWriter, r *http.Request) {
	name, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if s := i.buckets[name]; s != nil {
		s.ServeHTTP(rw, r)
		return
	}
	http.NotFound(rw, r)
}

// refs is what a git server answers who asks for its references.
func refs(rw http.ResponseWriter) {
	rw.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
	line := func(text string) string { return fmt.Sprintf("%04x%s", len(text)+4, text) }
	fmt.Fprint(rw, line("# service=git-upload-pack\n"), "0000", line(exampleCommit+" HEAD\x00symref=HEAD:refs/heads/main agent=git/2\n"),
		line(exampleCommit+" refs/heads/main\n"), "0000")
}

// settled puts into the world what the plan of an example wants from it, and gives the environment in which plan runs.
func (i *internet) settled(t *testing.T, e *testscript.Env, text string) []string {
	t.Helper()
	project := i.bw.AddProject("homelab")
	for key, value := range map[string]string{
		"s3-endpoint": "https://s3.example.net", "s3-region": "us-east-1", "s3-bucket": "homelab", "s3-access-key": canary("access"), "s3-secret-key": canary("secret"),
	} {
		i.bw.AddSecret(project, key, value)
	}
	for _, id := range []string{"11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"} {
		i.bw.AddSecretWithID(id, project, "key", canary("secret"))
	}
	i.kube.Add(kube.Resource{Version: "v1", Resource: "secrets"}, "Secret", fmt.Sprintf(
		`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"pings","namespace":"monitoring"},"data":{"nightly-url":%q}}`,
		base64.StdEncoding.EncodeToString([]byte(i.hookURL+"/"+canary("hook")))))
	for _, m := range regexp.MustCompile(`resource: ([a-z0-9.-]+)/([a-z0-9]+)/([a-z]+)`).FindAllStringSubmatch(text, -1) {
		i.kube.Add(kube.Resource{Group: m[1], Version: m[2], Resource: m[3]}, "Any")
	}
	ca, err := os.ReadFile(e.Getenv("SSL_CERT_FILE"))
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(e.WorkDir, "bin")
	for name, text := range map[string]string{
		e.Getenv("SSL_CERT_FILE"):                     string(ca) + i.ca,
		filepath.Join(e.WorkDir, "bitwarden-token"):   i.token,
		filepath.Join(bin, "docker"):                  "#!/bin/sh\necho 29.1.3\n",
		filepath.Join(e.WorkDir, "secrets-test.yaml"): strings.ReplaceAll(text, "/run/secrets/bitwarden-token", "bitwarden-token"),
	} {
		write(t, e, strings.TrimPrefix(name, e.WorkDir+"/"), text)
	}
	if err := os.Chmod(filepath.Join(bin, "docker"), 0o755); err != nil {
		t.Fatal(err)
	}
	env := append(slices.Clone(e.Vars), "HTTPS_PROXY="+i.proxy, "PATH="+bin+":"+os.Getenv("PATH"), "DOCKER_CONFIG="+e.WorkDir, "SITE=home", "BACKUP_DIR=backups",
		"S3_ENDPOINT=https://s3.example.net", "S3_REGION=us-east-1", "S3_BUCKET=homelab", "AWS_ACCESS_KEY_ID="+canary("access"), "AWS_SECRET_ACCESS_KEY="+canary("secret"))
	for _, name := range []string{"HEALTHCHECKS_URL", "HOOK_URL", "ALARM_URL", "S3_ACCESS_KEY", "S3_SECRET_KEY", "API_TOKEN", "DB_PASSWORD", "PING_AUTHORIZATION"} {
		env = append(env, name+"="+canary(name))
	}
	return env
}

// TestExamplesPassPreflight: where all is there, all is found, and nothing is written, neither to the cluster nor to stores, registries and this
// machine.
func TestExamplesPassPreflight(t *testing.T) {
	for _, file := range examples(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil || !bytes.Contains(text, []byte("kind: Plan")) {
				return // a manifest that a job applies
			}
			e := &testscript.Env{WorkDir: t.TempDir(), Vars: os.Environ()}
			w := newWorld(t)
			if err := w.setup(e); err != nil {
				t.Fatal(err)
			}
			i := newInternet(t, w)
			env := i.settled(t, e, string(text))
			if bytes.Contains(text, []byte("/run/secrets/")) {
				file = filepath.Join(e.WorkDir, "secrets-test.yaml")
			}
			args := []string{"preflight", file}
			if strings.HasSuffix(file, "restore-drill.yaml") {
				args = append(args, "--set", "pvs=pv-backups/home/pvs-20260302-020000-0123abcd.json.gz", "--set", "nodes=nodes-backups/home/nodes-20260302-020000-0123abcd.json.gz")
			}
			command := exec.Command("plan", args...)
			command.Env = env
			out, err := command.CombinedOutput()
			if err != nil || regexp.MustCompile(`(?m) (failed|warning)  `).Match(out) {
				t.Errorf("%v\n%s", err, out)
			}
			if bytes.Contains(out, []byte("CANARY")) || bytes.Contains(out, []byte(w.token)) {
				t.Errorf("there is a secret in it:\n%s", out)
			}
			i.untouched(t, e)
		})
	}
}

// untouched wants only reads, and questions about rights.
func (i *internet) untouched(t *testing.T, e *testscript.Env) {
	t.Helper()
	for _, r := range i.kube.Requests() {
		if r.Method != http.MethodGet && !strings.HasSuffix(r.Path, "/selfsubjectaccessreviews") {
			t.Errorf("the cluster got %s %s", r.Method, r.Path)
		}
	}
	for name, s := range i.buckets {
		if n := s.Calls(s3test.Put) + s.Calls(s3test.Delete) + s.Calls(s3test.Deletes); n > 0 {
			t.Errorf("bucket %s got %d writes", name, n)
		}
	}
	i.images.mu.Lock()
	defer i.images.mu.Unlock()
	i.hook.mu.Lock()
	defer i.hook.mu.Unlock()
	i.other.mu.Lock()
	defer i.other.mu.Unlock()
	for _, call := range i.images.asked {
		if !strings.HasPrefix(call, "GET ") && !strings.HasPrefix(call, "HEAD ") {
			t.Errorf("the registry got %s", call)
		}
	}
	if len(i.hook.got) > 0 || len(i.other.got) > 0 {
		t.Errorf("the web hook got %q, the other cluster %q", i.hook.got, i.other.got)
	}
	for _, folder := range []string{"state", "home/.local", "backups"} {
		if _, err := os.Stat(filepath.Join(e.WorkDir, folder)); err == nil {
			t.Errorf("%s was made", folder)
		}
	}
}
