package errclass

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// Real errors of net/http, not ones made to look like them.
func TestClassifyOfRealConnections(t *testing.T) {
	ask := func(t *testing.T, c *http.Client, url string) error {
		t.Helper()
		resp, err := c.Get(url)
		if err == nil {
			_ = resp.Body.Close()
			t.Fatal("no error")
		}
		return err
	}
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	secure.Config.ErrorLog = nil
	open := httptest.NewServer(http.NotFoundHandler())
	defer open.Close()
	hangUp := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, _ := w.(http.Hijacker).Hijack()
		_ = conn.Close()
	}))
	defer hangUp.Close()
	stop := make(chan struct{})
	hang := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stop }))
	defer hang.Close()
	defer close(stop)

	tests := map[string]struct {
		client *http.Client
		url    string
		want   Fault
	}{
		"refused":         {http.DefaultClient, closed.URL, Fault{Class: Transient, Kind: Unreachable}},
		"authority":       {&http.Client{}, secure.URL, Fault{Class: Final, Kind: Unreachable}},
		"plain for https": {&http.Client{}, "https" + open.URL[len("http"):], Fault{Class: Final, Kind: Unreachable}},
		"hung up":         {&http.Client{}, hangUp.URL, Fault{Class: Transient, Kind: Unreachable}},
		"client timeout":  {&http.Client{Timeout: time.Millisecond}, hang.URL, Fault{Class: Transient, Kind: Unreachable}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			err := ask(t, tc.client, tc.url)
			if diff := cmp.Diff(tc.want, Classify(err), cmpopts.IgnoreFields(Fault{}, "Hint")); diff != "" {
				t.Errorf("Classify(%v), -want +got:\n%s", err, diff)
			}
		})
	}

	t.Run("the caller's deadline", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, hang.URL, nil)
		_, err := http.DefaultClient.Do(req)
		if got := Classify(err); got != (Fault{}) {
			t.Errorf("Classify(%v) = %+v", err, got)
		}
	})
}
