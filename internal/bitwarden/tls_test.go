package bitwarden_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"plan/internal/bitwarden"
	"plan/internal/bitwarden/bwtest"
)

func listen(t *testing.T, s *bwtest.Server) (url, caFile string) {
	t.Helper()
	l, err := s.ListenTLS("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, l.CAPEM, 0o644); err != nil {
		t.Fatal(err)
	}
	return l.URL, caFile
}

func dial(t *testing.T, cfg bitwarden.Config, token string) *bitwarden.Client {
	t.Helper()
	c, err := bitwarden.New(cfg, token)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestConformOverTLS(t *testing.T) {
	bwtest.Conform(t, func(t *testing.T, s *bwtest.Server, token string) bwtest.Client {
		url, ca := listen(t, s)
		return dial(t, bitwarden.Config{ServerURL: url + "/", CAFile: ca}, token)
	})
}

func TestCertificates(t *testing.T) {
	s, _, id, token := one(t)
	url, ca := listen(t, s)
	if err := dial(t, bitwarden.Config{ServerURL: url}, token).Login(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("unknown CA: %v", err)
	}
	read(t, dial(t, bitwarden.Config{ServerURL: strings.Replace(url, "127.0.0.1", "localhost", 1), CAFile: ca}, token), id)
	read(t, dial(t, bitwarden.Config{ServerURL: url, Insecure: true}, token), id)
}

func TestServerCertificateIsNoCA(t *testing.T) {
	url, ca := listen(t, bwtest.New())
	raw, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(raw)
	root, err := x509.ParseCertificate(block.Bytes)
	if err != nil || !root.IsCA {
		t.Fatalf("CA: %v", err)
	}
	conn, err := tls.Dial("tcp", strings.TrimPrefix(url, "https://"), &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // only looks at it
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	leaf := conn.ConnectionState().PeerCertificates[0]
	if leaf.IsCA || !leaf.BasicConstraintsValid || leaf.VerifyHostname("127.0.0.1") != nil || leaf.VerifyHostname("localhost") != nil {
		t.Errorf("leaf: CA %v, names %v %v", leaf.IsCA, leaf.DNSNames, leaf.IPAddresses)
	}
}

func TestNobodyThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	s := bwtest.New()
	err = dial(t, bitwarden.Config{ServerURL: "https://" + addr}, s.AddMachineAccount("a")).Login(t.Context())
	op := (*net.OpError)(nil)
	if !errors.As(err, &op) || !strings.Contains(err.Error(), "https://"+addr+"/identity/connect/token") {
		t.Errorf("got %v", err)
	}
}

func TestBrokenConnections(t *testing.T) {
	s, _, id, token := one(t)
	url, ca := listen(t, s)
	for name, f := range map[string]bwtest.Fault{"cut": bwtest.Cut(), "truncated": bwtest.Truncate(), "huge": bwtest.Huge(40 << 20)} {
		c := dial(t, bitwarden.Config{ServerURL: url, CAFile: ca}, token)
		s.FailNext(f.At(bwtest.GetSecret).For(-1))
		_, err := c.Secret(t.Context(), id)
		if err == nil {
			t.Errorf("%s: no error", name)
		} else if l := bwtest.Leaks(err.Error(), token); len(l) > 0 {
			t.Errorf("%s: leaks", name)
		}
		s.Heal()
		read(t, c, id)
	}
}
