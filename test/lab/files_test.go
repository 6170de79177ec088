package lab

import (
	"crypto/x509"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestServerCertificateIsNoCA(t *testing.T) {
	f := testFolder(t)
	if err := f.keys(settings{Ports: map[string]int{"apiserver": 20000}}); err != nil {
		t.Fatal(err)
	}
	read := func(name string) *x509.Certificate {
		t.Helper()
		b, err := os.ReadFile(f.path("pki", name))
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(b)
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	ca, leaf := read("ca.crt"), read("server.crt")
	if !leaf.BasicConstraintsValid || leaf.IsCA {
		t.Error("the servers' certificate does not say CA:FALSE")
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	for _, name := range []string{"127.0.0.1", "localhost"} {
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWithoutEtcdSaysWhatIsMissing(t *testing.T) {
	cases := map[string]struct{ install, want, reason string }{
		"forbidden":  {install: "0", want: "PLAN_LAB_INSTALL=0", reason: "the machine's owner said no"},
		"not Debian": {install: "", want: "this is not Debian", reason: "there is no apt-get on the PATH"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Setenv("PATH", t.TempDir())
			t.Setenv("PLAN_LAB_INSTALL", c.install)
			_, err := etcd(t.Context(), t.Logf, t.TempDir())
			for _, want := range []string{c.want, "etcd", "PLAN_TEST_KUBECONFIG", "kind"} {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v does not name %s (%s)", err, want, c.reason)
				}
			}
		})
	}
}

func TestProgramsAreBuiltAnewWhenThePinsChange(t *testing.T) {
	p := kubernetesPin()
	if again := kubernetesPin(); p.folder("/c") != again.folder("/c") || filepath.Dir(p.folder("/c")) != "/c" {
		t.Error("the same pins have two folders")
	}
	q := p
	q.sum = append([]byte(nil), append(p.sum, '\n')...)
	if p.folder("/c") == q.folder("/c") {
		t.Error("other pins have the same folder")
	}
}

func TestPinsNameTheVersionsThatAreBuilt(t *testing.T) {
	for _, c := range []struct {
		p    pinned
		path string
	}{{kubernetesPin(), "k8s.io/kubernetes"}, {versitygwPin(), "github.com/versity/versitygw"}} {
		if want := "require " + c.path + " " + c.p.version; !strings.Contains(string(c.p.mod), want) && !strings.Contains(string(c.p.mod), "\t"+c.path+" "+c.p.version) {
			t.Errorf("pins/%s.mod does not say %q", c.p.name, want)
		}
	}
}

func TestPingsAreRecordedInOrder(t *testing.T) {
	l := &Lab{PingFile: filepath.Join(t.TempDir(), "pings.ndjson")}
	if got, err := l.Pings(); err != nil || len(got) != 0 {
		t.Fatalf("before any ping: %v, %v", got, err)
	}
	s := &sink{file: l.PingFile}
	for _, path := range []string{"/one/0", "/two/3?x=1"} {
		s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", path, strings.NewReader("body of "+path)))
	}
	got, err := l.Pings()
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].Path != "/one/0" || got[1].Path != "/two/3?x=1" || got[1].Body != "body of /two/3?x=1" {
		t.Errorf("recorded %+v", got)
	}
}
