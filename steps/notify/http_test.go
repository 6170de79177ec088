package notify

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"plan/internal/errclass"
)

func TestJoin(t *testing.T) {
	cases := map[string]struct{ url, suffix, want string }{
		"no suffix":      {"https://h/u", "", "https://h/u"},
		"suffix":         {"https://h/u", "/fail", "https://h/u/fail"},
		"one slash":      {"https://h/u/", "/fail", "https://h/u/fail"},
		"no slash":       {"https://h/u", ".json", "https://h/u.json"},
		"bare host":      {"https://h", "/1", "https://h/1"},
		"bare, no slash": {"https://h", "1", "https://h/1"},
		"before a query": {"https://h/u?k=v#f", "/1", "https://h/u/1?k=v"},
		"no query made":  {"https://h/u", "/?x#y", "https://h/u/%3Fx%23y"},
		"escapes stay":   {"https://h/a%2Fb", "/c d", "https://h/a%2Fb/c%20d"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got, err := join(tc.url, tc.suffix); err != nil || got.String() != tc.want {
				t.Errorf("join(%q, %q) = %v, %v; want %s", tc.url, tc.suffix, got, err, tc.want)
			}
		})
	}
}

// roundTrip is a transport.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestNotifyConnectionErrorsHideTheURL(t *testing.T) {
	closed := newHook(t)
	closed.Close()
	untrusted := newHook(t)
	cut := newHook(t)
	cut.answer = func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	odd := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		return nil, &url.Error{Op: "Post", URL: r.URL.String(), Err: errors.New("odd: " + r.URL.String())}
	})}
	cases := map[string]struct {
		client *http.Client
		url    string
		want   string
		class  errclass.Class
	}{
		"refused":   {closed.client(), closed.URL, "connection refused", errclass.Transient},
		"untrusted": {newClient(), untrusted.URL, "certificate is not trusted", errclass.Final},
		"cut":       {cut.client(), cut.URL, "the connection failed", errclass.Transient},
		"odd":       {odd, "https://canary.example", "the connection failed", errclass.Failure},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := call(t, tc.client, tc.url+secretPath, nil)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("error %v, want %q", err, tc.want)
			}
			if strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "127.0.0.1") {
				t.Errorf("the error shows the URL: %v", err)
			}
			if got := errclass.Classify(err); got.Class != tc.class {
				t.Errorf("class %v, want %v", got.Class, tc.class)
			}
		})
	}
}

func TestNotifyFollowsRedirectsToTheSameHostOnly(t *testing.T) {
	other := newHook(t)
	cases := map[string]struct {
		status   int
		location string
		ok       bool
		reason   string
	}{
		"same host":    {308, "/new", true, "the method and the body stay"},
		"becomes GET":  {302, "/new", false, "the body would be lost"},
		"another host": {307, other.URL + "/new", false, "the message is for the host that the secret names"},
		"downgrade":    {307, "http://", false, "never in the clear"},
		"circle":       {307, "/ping", false, "it has an end"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h := newHook(t)
			location := tc.location
			if location == "http://" {
				location = strings.Replace(h.URL, "https", "http", 1) + "/new"
			}
			h.answer = func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/new" {
					w.Header().Set("Location", location)
					w.WriteHeader(tc.status)
				}
			}
			_, err := call(t, h.client(), h.URL+"/ping", nil)
			if (err == nil) != tc.ok || len(other.requests) > 0 {
				t.Errorf("error %v, %d requests elsewhere: %s", err, len(other.requests), tc.reason)
			}
			if tc.ok && h.bodies[1] != h.bodies[0] {
				t.Errorf("the body became %q", h.bodies[1])
			}
		})
	}
}
