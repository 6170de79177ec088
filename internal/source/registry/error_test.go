package registry

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"plan/internal/errclass"
)

// answer is a registry's refusal of what is asked for by a method and a part of a path.
func answer(method, part string, status int, code, message string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if (method != "" && r.Method != method) || !strings.Contains(r.URL.Path, part) {
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(status)
		if code != "" {
			_ = json.NewEncoder(w).Encode(map[string]any{"errors": []any{map[string]string{"code": code, "message": message}}})
		}
	}
}

func cut(method, part string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method == method && strings.Contains(r.URL.Path, part) {
			_ = w.(*rare).Hijack().Close()
		}
	}
}

// refusal is what a registry does, and what is told of it.
type refusal struct {
	handler http.HandlerFunc
	want    []string
	fault   errclass.Fault
}

func refusals() map[string]refusal {
	final := func(k errclass.Kind) errclass.Fault { return errclass.Fault{Class: errclass.Final, Kind: k} }
	busy := errclass.Fault{Class: errclass.Transient, Kind: errclass.Unreachable, RetryAfter: 7 * time.Second}
	gone := errclass.Fault{Class: errclass.Transient, Kind: errclass.Unreachable}
	return map[string]refusal{
		"unauthorised push": {answer("", "/v2/team", 401, "UNAUTHORIZED", "authentication required"),
			[]string{"push to HOST/team/app: HOST wants a login: \"docker login HOST\""}, final(errclass.Denied)},
		"unauthorised base": {answer("", "/v2/base", 401, "UNAUTHORIZED", "authentication required"),
			[]string{"read image HOST/base:1: HOST wants a login, or has no such image", "docker login HOST"}, final(errclass.Denied)},
		"push denied": {answer("POST", "/v2/team", 403, "DENIED", "requested access to the resource is denied"),
			[]string{"push to HOST/team/app: HOST denies the right to push there (DENIED: requested access to the resource is denied)", "docker login HOST"}, final(errclass.Denied)},
		"base denied": {answer("GET", "/v2/base", 403, "DENIED", "no"),
			[]string{"read image HOST/base:1: HOST denies the right to read it (DENIED: no)", "docker login HOST"}, final(errclass.Denied)},
		"no such base": {answer("GET", "/v2/base", 404, "MANIFEST_UNKNOWN", "manifest unknown"),
			[]string{"read image HOST/base:1: HOST has no such image (MANIFEST_UNKNOWN: manifest unknown): check its name and tag"}, final(errclass.NotFound)},
		"no such repository": {answer("POST", "/v2/team", 404, "NAME_UNKNOWN", "repository name not known to registry"),
			[]string{"HOST does not know the repository (NAME_UNKNOWN", "create it"}, final(errclass.NotFound)},
		"too many requests": {answer("", "/v2/base", 429, "TOOMANYREQUESTS", "slow down"), []string{"HOST answers that there are too many requests (TOOMANYREQUESTS: slow down)"}, busy},
		"server error":      {answer("PUT", "/v2/team", 500, "", ""), []string{"push to HOST/team/app: HOST answered 500 Internal Server Error"}, busy},
		"maintenance":       {answer("", "/v2/", 503, "", ""), []string{"read image HOST/base:1: HOST answered 503 Service Unavailable"}, busy},
		"too large":         {answer("PATCH", "/v2/team", 413, "", ""), []string{"HOST answered 413 Request Entity Too Large"}, final(errclass.Invalid)},
		"hostile words":     {answer("PUT", "/v2/team", 400, "MANIFEST_INVALID", "a\x1b[2J\nb"+strings.Repeat("c", 999)), []string{`MANIFEST_INVALID: a\x1b[2J b`, "…"}, final(errclass.Invalid)},
		"cut reading":       {cut("GET", "/v2/base/blobs"), []string{"read image HOST/base:1: HOST cannot be reached: EOF"}, gone},
		"cut greeting":      {cut("GET", "/v2/"), []string{"read image HOST/base:1: HOST cannot be reached: EOF"}, gone},
		"cut sending":       {cut("PATCH", "/v2/team"), []string{"push to HOST/team/app: HOST cannot be reached: "}, gone},
	}
}

func TestRefusalsAreToldWithTheReferenceAndTheNextStep(t *testing.T) {
	for name, tc := range refusals() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, false, tc.handler)
			base := s.put(t, "base:1", linux(t, "amd64"))
			_, err := Append(t.Context(), base, s.host+"/team/app", someFiles(t), none())
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), strings.ReplaceAll(want, "HOST", s.host)) {
					t.Errorf("got %q\nwant %q", err, want)
				}
			}
			if len(err.Error()) > 600 || strings.ContainsAny(err.Error(), "\x1b\n") {
				t.Errorf("not a line: %q", err)
			}
			got := errclass.Classify(err)
			if got.Hint = ""; got != tc.fault {
				t.Errorf("%v is %+v, want %+v", err, got, tc.fault)
			}
			if s.count("PUT", "/team/app/manifests/plan-") > 0 && !strings.Contains(name, "server error") && !strings.Contains(name, "hostile") {
				t.Error("something was tagged")
			}
		})
	}
}

func TestFaultsThatPassAreNotNoticed(t *testing.T) {
	for name, handler := range map[string]func() http.HandlerFunc{
		"a 500 of a blob":     func() http.HandlerFunc { return once("PATCH", answer("", "", 500, "", "")) },
		"a 429 of a manifest": func() http.HandlerFunc { return once("PUT", answer("", "", 429, "TOOMANYREQUESTS", "")) },
		"a cut":               func() http.HandlerFunc { return once("PATCH", cut("PATCH", "")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, false, nil)
			base := s.put(t, "base:1", linux(t, "amd64"))
			s.be(handler())
			var done, total int64
			o := none()
			o.Progress = func(d, all int64) { done, total = d, all }
			if _, err := Append(t.Context(), base, s.host+"/app", someFiles(t), o); err != nil {
				t.Fatal(err)
			}
			if done != total || total == 0 {
				t.Errorf("progress ends with %d of %d", done, total)
			}
		})
	}
}

func once(method string, h http.HandlerFunc) http.HandlerFunc {
	turn := make(chan bool, 1)
	turn <- true
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != method {
			return
		}
		select {
		case <-turn:
			h(w, r)
		default:
		}
	}
}

func TestTheContextEndsEverything(t *testing.T) {
	for name, method := range map[string]string{"asking": "GET", "sending": "PATCH"} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			over := make(chan struct{})
			s := newServer(t, false, nil)
			base := s.put(t, "base:1", linux(t, "amd64"))
			s.be(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == method {
					cancel()
					<-over
				}
			})
			_, err := Append(ctx, base, s.host+"/app", someFiles(t), none())
			close(over)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("waiting for a helper of docker", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		over := make(chan struct{})
		defer close(over)
		o := Options{Keychain: slow(func() { cancel(); <-over })}
		if _, err := Digest(ctx, "localhost:1/app", o); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

type slow func()

func (s slow) Resolve(authn.Resource) (authn.Authenticator, error) { s(); return authn.Anonymous, nil }

func TestRegistriesWithoutTLSAreToldApart(t *testing.T) {
	s, err := none().open("registry.example.net", true)
	if err != nil {
		t.Fatal(err)
	}
	for want, cause := range map[string]error{
		"registry.example.net does not speak TLS":                    http.ErrSchemeMismatch,
		"registry.example.net points to an address without TLS":      errPlain,
		"registry.example.net cannot be reached: some other trouble": errors.New("some other trouble"),
	} {
		err := s.fail(t.Context(), opRead, "registry.example.net/a", &url.Error{Op: "Get", URL: "https://registry.example.net/v2/?signature=x", Err: cause})
		if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "signature") || !errors.Is(err, cause) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
