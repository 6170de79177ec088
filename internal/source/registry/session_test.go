package registry

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"plan/internal/errclass"
)

func TestCertificatesAreCheckedUnlessTold(t *testing.T) {
	s := newServer(t, true, nil)
	base := s.put(t, "base:1", linux(t, "amd64"))
	want, err := Digest(t.Context(), base, Options{Keychain: none().Keychain, CAFile: s.caFile(t)})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Digest(t.Context(), base, Options{Keychain: none().Keychain, Insecure: true}); err != nil || got != want {
		t.Errorf("insecure: %v, %v", got, err)
	}
	if _, err := Append(t.Context(), base, s.host+"/app", someFiles(t), Options{Keychain: none().Keychain, CAFile: s.caFile(t)}); err != nil {
		t.Errorf("with the CA: %v", err)
	}
	_, err = Digest(t.Context(), base, none())
	if err == nil || !strings.Contains(err.Error(), "not trusted here (") || !strings.Contains(err.Error(), "caFile or in SSL_CERT_FILE") {
		t.Errorf("got %v", err)
	}
	if f := errclass.Classify(err); f.Class != errclass.Final || f.Kind != errclass.Unreachable {
		t.Errorf("%v is %+v", err, f)
	}
	if _, err := Digest(t.Context(), base, Options{CAFile: filepath.Join(t.TempDir(), "none")}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing CA file: %v", err)
	}
}

func TestInsecureIsForTheRegistryPushedTo(t *testing.T) {
	far, s := newServer(t, true, nil), newServer(t, true, nil)
	base := far.put(t, "base:1", linux(t, "amd64"))
	o := none()
	o.Insecure = true
	_, err := Append(t.Context(), base, s.host+"/app", someFiles(t), o)
	if err == nil || !strings.Contains(err.Error(), "read image "+base) || !strings.Contains(err.Error(), "not trusted here") {
		t.Errorf("got %v", err)
	}
}

func TestPlainHTTPStaysOnThisMachine(t *testing.T) {
	for url, allowed := range map[string]bool{"http://10.1.2.3/v2/": false, "http://registry.example.net/v2/": false, "http://127.0.0.1:1/": true, "http://localhost:1/": true, "http://[::1]:1/": true} {
		g, err := newGuard("", false)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // so that nothing is sent
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := g.RoundTrip(r); errors.Is(err, errPlain) == allowed {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestNobodyThereIsTransient(t *testing.T) {
	s := newServer(t, false, nil)
	s.Close()
	_, err := Digest(t.Context(), s.host+"/app:1", none())
	if f := errclass.Classify(err); err == nil || f.Class != errclass.Transient || f.Kind != errclass.Unreachable {
		t.Errorf("%v is %+v", err, f)
	}
	if !strings.Contains(err.Error(), s.host+" cannot be reached: ") || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("got %v", err)
	}
}

const secret = "hunter2"

// guarded wants user me and the secret, or a token that one gets for them.
func guarded(bearer bool) http.HandlerFunc {
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("me:"+secret))
	return func(w http.ResponseWriter, r *http.Request) {
		switch got := r.Header.Get("Authorization"); {
		case r.URL.Path == "/token" && got == basic:
			_, _ = io.WriteString(w, `{"token":"t0ken"}`)
		case got == basic && !bearer, got == "Bearer t0ken" && bearer:
			return
		case bearer && r.URL.Path != "/token":
			w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+r.Host+`/token",service="s"`)
			w.WriteHeader(401)
		default:
			w.Header().Set("WWW-Authenticate", "Basic")
			w.WriteHeader(401)
			fmt.Fprintf(w, `{"errors":[{"code":"UNAUTHORIZED","message":%q}]}`, "not "+got)
		}
	}
}

func TestLoginsComeFromOptionsOrTheConfiguration(t *testing.T) {
	for _, bearer := range []bool{false, true} {
		s := newServer(t, false, guarded(bearer))
		base := s.put(t, "base:1", linux(t, "amd64"))
		config := fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, s.host, base64.StdEncoding.EncodeToString([]byte("me:"+secret)))
		for name, set := range map[string]func(t *testing.T, dir string) Options{
			"options": func(*testing.T, string) Options { return Options{Username: "me", Password: secret} },
			"docker":  func(t *testing.T, dir string) Options { t.Setenv("DOCKER_CONFIG", dir); return Options{} },
			"podman": func(t *testing.T, dir string) Options {
				t.Setenv("REGISTRY_AUTH_FILE", filepath.Join(dir, "config.json"))
				return Options{}
			},
		} {
			t.Run(fmt.Sprintf("%s, bearer %v", name, bearer), func(t *testing.T) {
				dir := t.TempDir()
				for _, v := range []string{"HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"} {
					t.Setenv(v, t.TempDir())
				}
				for _, v := range []string{"DOCKER_CONFIG", "REGISTRY_AUTH_FILE"} {
					t.Setenv(v, "")
				}
				if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600); err != nil {
					t.Fatal(err)
				}
				if _, err := Append(t.Context(), base, s.host+"/app", someFiles(t), set(t, dir)); err != nil {
					t.Error(err)
				}
				if _, err := Digest(t.Context(), base, Options{}); (err == nil) != (name != "options") {
					t.Errorf("without options: %v", err)
				}
			})
		}
		wrong := Options{Username: "me", Password: "wr0ng"}
		_, err := Digest(t.Context(), base, wrong)
		encoded := base64.StdEncoding.EncodeToString([]byte("me:wr0ng"))
		if err == nil || !strings.Contains(err.Error(), s.host+" did not accept the login") || strings.Contains(err.Error(), "wr0ng") || strings.Contains(err.Error(), encoded) {
			t.Errorf("a wrong password: %v", err)
		}
		if text := fmt.Sprintf("%v %+v %#v %s", wrong, wrong, wrong, &wrong); strings.Contains(text, "wr0ng") {
			t.Error(text)
		}
	}
}

func TestALoginIsForOneRegistry(t *testing.T) {
	far, s := newServer(t, false, nil), newServer(t, false, guarded(false))
	base := far.put(t, "base:1", linux(t, "amd64"))
	o := none()
	o.Username, o.Password, o.UserAgent = "me", secret, "plan/1.2.3"
	if _, err := Append(t.Context(), base, s.host+"/app", someFiles(t), o); err != nil {
		t.Fatal(err)
	}
	if far.loggedIn() || !s.loggedIn() {
		t.Errorf("logged in at the base's registry: %v, at the other: %v", far.loggedIn(), s.loggedIn())
	}
	for _, agent := range append(far.agents, s.agents...) {
		if !strings.HasPrefix(agent, "plan/1.2.3 ") && !strings.HasPrefix(agent, "go-containerregistry") && !strings.HasPrefix(agent, "Go-http-client") {
			t.Errorf("asked as %q", agent)
		}
	}
	if _, err := Digest(t.Context(), base, Options{Username: "me"}); err == nil {
		t.Error("a user without a password is accepted")
	}
}

func TestDigestsAreResolved(t *testing.T) {
	s := newServer(t, false, nil)
	image := linux(t, "amd64")
	ref := s.put(t, "app:1", image)
	want, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string) {
		t.Helper()
		if got, err := Digest(t.Context(), ref, none()); err != nil || got != want.String() {
			t.Errorf("%s: %v, %v, want %v", what, got, err, want)
		}
	}
	check("by HEAD")
	if s.count("GET", "/manifests/") != 0 {
		t.Error("the manifest was read")
	}
	s.be(answer("HEAD", "/manifests/", 405, "", ""))
	check("where HEAD is forbidden")
	s.be(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "HEAD" {
			w.WriteHeader(200)
		}
	})
	check("where HEAD has no digest")
	s.forget()
	if got, err := Digest(t.Context(), s.host+"/app@"+aDigest, none()); err != nil || got != aDigest || s.count("", "") != 0 {
		t.Errorf("a digest: %v, %v", got, err)
	}
	s.be(nil)
	if _, err := Digest(t.Context(), s.host+"/app:2", none()); err == nil || !strings.Contains(err.Error(), "has no such image") {
		t.Errorf("no such tag: %v", err)
	}
}
