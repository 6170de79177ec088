package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plan/internal/errclass"
	"plan/steps"
	"plan/steps/steptest"
)

const secretPath = "/ping/canary-path-8Xq"

// hook is a web hook that remembers what it was sent.
type hook struct {
	*httptest.Server
	requests []*http.Request
	bodies   []string
	answer   func(http.ResponseWriter, *http.Request)
}

func newHook(t *testing.T) *hook {
	h := &hook{answer: func(http.ResponseWriter, *http.Request) {}}
	h.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		h.requests, h.bodies = append(h.requests, r), append(h.bodies, string(body))
		h.answer(w, r)
	}))
	h.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes fail on purpose
	h.StartTLS()
	t.Cleanup(h.Close)
	return h
}

// client trusts the hook and is otherwise the real one.
func (h *hook) client() *http.Client {
	c := newClient()
	c.Transport.(*http.Transport).TLSClientConfig = h.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	return c
}

func with(more map[string]any) map[string]any {
	all := map[string]any{"url": map[string]any{"from": map[string]any{"env": "URL"}}}
	for k, v := range more {
		all[k] = v
	}
	return all
}

// call runs a step against a URL.
func call(t *testing.T, client *http.Client, url string, fields map[string]any) (steps.Result, error) {
	t.Helper()
	w := steptest.NewWorld(t)
	w.Secrets["env URL"] = url
	w.Env.Run = steps.RunState{Outcome: "failed", ExitCode: 3}
	a := Kind().New().(*Action)
	if err := steps.Decode(with(fields), a); err != nil {
		t.Fatal(err)
	}
	if err := a.Validate(); err != nil {
		t.Fatal(err)
	}
	a.client = client
	return a.Run(t.Context(), w.Env)
}

func TestConforms(t *testing.T) {
	var h *hook
	steptest.Conforms(t, Kind(), steptest.Fixture{
		With: with(map[string]any{
			"suffix": "/0", "status": "succeeded", "message": "done",
			"headers": map[string]any{"X-Plan": "nightly", "Authorization": map[string]any{"from": map[string]any{"env": "AUTH"}}},
		}),
		World: func(t *testing.T) *steptest.World {
			h = newHook(t)
			w := steptest.NewWorld(t)
			w.Secrets["env URL"] = h.URL + secretPath
			w.Canaries = append(w.Canaries, "canary-path", "127.0.0.1")
			return w
		},
		Prepare: func(_ *testing.T, _ *steptest.World, a steps.Action) { a.(*Action).client = h.client() },
		Repeats: true,
	})
}

func TestNotifySends(t *testing.T) {
	h := newHook(t)
	result, err := call(t, h.client(), h.URL+secretPath+"?a=b", map[string]any{
		"suffix": "/3", "message": "a < b", "headers": map[string]any{"authorization": map[string]any{"from": map[string]any{"env": "X"}}},
	})
	if err != nil || result.Outputs["code"] != int64(200) {
		t.Fatalf("%+v, %v", result, err)
	}
	r := h.requests[0]
	if r.Method != "POST" || r.RequestURI != secretPath+"/3?a=b" || "https://"+r.Host != h.URL {
		t.Errorf("%s %s at %s", r.Method, r.RequestURI, r.Host)
	}
	if r.Header.Get("Authorization") != steptest.Canary || r.Header.Get("Content-Type") != "application/json" {
		t.Errorf("headers %v", r.Header)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(h.bodies[0]), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"plan": "nightly", "run": "run-1", "cluster": "k3s", "status": "failed", "message": "a < b", "exitCode": 3.0}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
}

func TestGetHasNoBody(t *testing.T) {
	h := newHook(t)
	if _, err := call(t, h.client(), h.URL, map[string]any{"method": "GET"}); err != nil {
		t.Fatal(err)
	}
	if h.bodies[0] != "" || h.requests[0].Header.Get("Content-Type") != "" {
		t.Errorf("a GET came with %q", h.bodies[0])
	}
}

func TestNotifyRefusesWhatIsNoURL(t *testing.T) {
	for _, bad := range []string{"canary", "ftp://canary/x", "https://", "/canary", "https://can ary/", "http://[canary", "https://h/%zzcanary", "mailto:canary"} {
		_, err := call(t, nil, bad, nil)
		var want *BadURLError
		if !errors.As(err, &want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: error %v", bad, err)
		}
	}
}

func TestNotifyOtherAnswersAreErrors(t *testing.T) {
	cases := map[string]struct {
		status int
		after  string
		class  errclass.Class
		wait   time.Duration
	}{
		"throttled":  {429, "7", errclass.Transient, 7 * time.Second},
		"down":       {503, "", errclass.Transient, 0},
		"refused":    {403, "", errclass.Final, 0},
		"gone":       {404, "", errclass.Final, 0},
		"unusual":    {299 + 1, "", errclass.Final, 0},
		"out of any": {999, "", errclass.Failure, 0},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h := newHook(t)
			h.answer = func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Retry-After", tc.after)
				w.WriteHeader(tc.status)
				_, _ = io.WriteString(w, "you called "+r.URL.Path)
			}
			_, err := call(t, h.client(), h.URL+secretPath, nil)
			var status *StatusError
			if !errors.As(err, &status) || status.StatusCode() != tc.status || status.RetryAfter() != tc.wait {
				t.Fatalf("error %v", err)
			}
			if got := errclass.Classify(err); got.Class != tc.class || got.RetryAfter != tc.wait {
				t.Errorf("class %v after %v, want %v after %v", got.Class, got.RetryAfter, tc.class, tc.wait)
			}
			if strings.Contains(err.Error(), "canary") {
				t.Errorf("the error shows the path: %v", err)
			}
		})
	}
}

func TestNotifyHeaders(t *testing.T) {
	for name, headers := range map[string]map[string]any{
		"space": {"X Y": "v"}, "empty": {"": "v"}, "host": {"host": "v"}, "length": {"Content-length": "1"}, "twice": {"X-A": "1", "x-a": "2"}, "break": {"X\r\nY": "v"},
	} {
		a := Kind().New().(*Action)
		if err := steps.Decode(with(map[string]any{"headers": headers}), a); err != nil {
			t.Fatal(err)
		}
		if a.Validate() == nil {
			t.Errorf("%s: %v was accepted", name, headers)
		}
	}
	h := newHook(t)
	if _, err := call(t, h.client(), h.URL, map[string]any{"headers": map[string]any{"X-A": "a\r\nX-B: b"}}); err == nil || len(h.requests) > 0 {
		t.Errorf("a value with a line break was sent: %v", err)
	}
}

func TestNotifyDoesNotReadAnEndlessAnswer(t *testing.T) {
	h := newHook(t)
	h.answer = func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		for chunk := bytes.Repeat([]byte("x"), 1<<16); r.Context().Err() == nil; {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}
	if _, err := call(t, h.client(), h.URL, nil); err != nil {
		t.Error(err)
	}
}

func TestNotifyEndsWithItsContext(t *testing.T) {
	h := newHook(t)
	ctx, cancel := context.WithCancel(t.Context())
	h.answer = func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}
	w := steptest.NewWorld(t)
	w.Secrets["env URL"] = h.URL
	a := Kind().New().(*Action)
	if err := steps.Decode(with(nil), a); err != nil {
		t.Fatal(err)
	}
	a.client = h.client()
	if _, err := a.Run(ctx, w.Env); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
