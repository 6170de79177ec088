package s3

import (
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"plan/internal/objectstore"
	"plan/internal/objectstore/s3test"
)

func TestConfigIsCheckedBeforeAnyConnection(t *testing.T) {
	good := Config{Bucket: "bucket", Endpoint: "s3.example.com", AccessKey: "id", SecretKey: "very-secret"}
	tests := map[string]struct {
		change func(*Config)
		want   string // in the error, "" for none
	}{
		"host":                  {func(*Config) {}, ""},
		"host and port":         {func(c *Config) { c.Endpoint = "127.0.0.1:9000" }, ""},
		"http":                  {func(c *Config) { c.Endpoint = "http://minio:9000/" }, ""},
		"AWS":                   {func(c *Config) { c.Endpoint = "" }, ""},
		"no bucket":             {func(c *Config) { c.Bucket = "" }, "not a bucket name"},
		"a path as bucket":      {func(c *Config) { c.Bucket = "a/b" }, "not a bucket name"},
		"another scheme":        {func(c *Config) { c.Endpoint = "ftp://host" }, "want host"},
		"no host":               {func(c *Config) { c.Endpoint = "https://" }, "want host"},
		"a query":               {func(c *Config) { c.Endpoint = "host?x=very-secret-too" }, "want host"},
		"a password":            {func(c *Config) { c.Endpoint = "https://user:very-secret@host" }, "user or password"},
		"half credentials":      {func(c *Config) { c.AccessKey = "" }, "go together"},
		"a token alone":         {func(c *Config) { c.AccessKey, c.SecretKey, c.SessionToken = "", "", "very-secret" }, "go together"},
		"CA file not there":     {func(c *Config) { c.CAFile = "/no/such/ca.pem" }, "/no/such/ca.pem"},
		"CA file without a PEM": {func(c *Config) { c.CAFile = os.DevNull }, "no PEM certificate"},
	}
	for name, tc := range tests {
		c := good
		tc.change(&c)
		_, err := New(t.Context(), c)
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: error %v, want %q in it", name, err, tc.want)
		}
		if err != nil && strings.Contains(err.Error(), "very-secret@") {
			t.Errorf("%s: the error shows a password: %v", name, err)
		}
	}
}

func TestNoSecretIsPrinted(t *testing.T) {
	c := Config{Bucket: "bucket", AccessKey: "id", SecretKey: "very-secret", SessionToken: "very-secret"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(verb, c); strings.Contains(text, "secret") {
			t.Errorf("%s: %s", verb, text)
		}
	}
}

func TestTheEnvironmentDoesNotRedirectAnEndpoint(t *testing.T) {
	trap := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the request went to the environment's endpoint") }))
	defer trap.Close()
	t.Setenv("AWS_ENDPOINT_URL", trap.URL)
	t.Setenv("AWS_ENDPOINT_URL_S3", trap.URL)
	t.Setenv("AWS_ACCESS_KEY_ID", "from-env")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	server := s3test.New("bucket")
	server.AccessKey = "from-env"
	http := httptest.NewServer(server)
	defer http.Close()
	store, err := New(t.Context(), Config{Bucket: "bucket", Endpoint: http.URL, PathStyle: true}) // the chain's credentials
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Head(t.Context(), "k"); !errors.Is(err, objectstore.ErrNotFound) {
		t.Errorf("error %v, want ErrNotFound of the right server", err)
	}
}

func TestMissingCredentialsAreSaidPlainly(t *testing.T) {
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	server := s3test.New("bucket")
	http := httptest.NewServer(server)
	defer http.Close()
	store, err := New(t.Context(), Config{Bucket: "bucket", Endpoint: http.URL, PathStyle: true, MaxBackoff: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = store.Head(t.Context(), "k"); err == nil || !strings.Contains(err.Error(), "find credentials (none are configured") {
		t.Errorf("error %v", err)
	}
	if n := server.Calls(s3test.Head); n != 0 {
		t.Errorf("%d requests without credentials", n)
	}
}

func TestTLS(t *testing.T) {
	server := httptest.NewTLSServer(s3test.New("bucket"))
	defer server.Close()
	plain := httptest.NewServer(s3test.New("bucket"))
	defer plain.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		t.Fatal(err)
	}
	host := strings.TrimPrefix(server.URL, "https://") // no scheme: https
	port := host[strings.LastIndexByte(host, ':')+1:]
	good := Config{Bucket: "bucket", Endpoint: host, PathStyle: true, AccessKey: "id", SecretKey: "s", MaxBackoff: time.Millisecond}
	tests := map[string]struct {
		change func(*Config)
		want   string
	}{
		"CA file":           {func(c *Config) { c.CAFile = ca }, "no such object"},
		"insecure":          {func(c *Config) { c.Insecure = true }, "no such object"},
		"unknown authority": {func(*Config) {}, "certificate signed by unknown authority"},
		"another name":      {func(c *Config) { c.CAFile, c.Endpoint = ca, "localhost:"+port }, "not localhost"},
		"no TLS":            {func(c *Config) { c.Endpoint = strings.TrimPrefix(plain.URL, "http://") }, "server gave HTTP response"},
	}
	for name, tc := range tests {
		c := good
		tc.change(&c)
		tries := 0
		c.WrapTransport = func(rt http.RoundTripper) http.RoundTripper {
			return roundTripper(func(r *http.Request) (*http.Response, error) { tries++; return rt.RoundTrip(r) })
		}
		store, err := New(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.Head(t.Context(), "k"); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v, want %q", name, err, tc.want)
		}
		if tries != 1 {
			t.Errorf("%s: tried %d times; it is the same every time", name, tries)
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestRedirectsAreNotFollowed(t *testing.T) {
	server := httptest.NewServer(http.RedirectHandler("http://127.0.0.1:1/elsewhere", http.StatusTemporaryRedirect))
	defer server.Close()
	store, err := New(t.Context(), Config{Bucket: "bucket", Endpoint: server.URL, PathStyle: true, AccessKey: "id", SecretKey: "s"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = store.Head(t.Context(), "k")
	if err == nil || !strings.Contains(err.Error(), "check endpoint and region") {
		t.Errorf("error %v", err)
	}
}
