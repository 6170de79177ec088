package gitrepo

import (
	"net/http"
	"testing"

	"plan/internal/errclass"
)

// TestReachAsksTheServer, which Resolve of a whole commit id does not.
func TestReachAsksTheServer(t *testing.T) {
	r := newRepository(t)
	there, trusting := serve(t, r.handler(t))
	refuses, trusted := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) }))
	for name, tc := range map[string]struct {
		url  URL
		o    Options
		ref  string
		kind errclass.Kind
	}{
		"there":    {there, trusting, r.first, errclass.Other},
		"denied":   {refuses, trusted, r.first, errclass.Denied},
		"nobody":   {address(t, "https://127.0.0.1:1/group/repo.git"), Options{}, r.first, errclass.Unreachable},
		"in clear": {address(t, "http://git.example.net/a"), Options{}, "main", errclass.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			if err := Reach(t.Context(), tc.url, tc.ref, tc.o); (err == nil) != (tc.kind == errclass.Other) || errclass.Classify(err).Kind != tc.kind {
				t.Errorf("%v is %s, want %s", err, errclass.Classify(err).Kind, tc.kind)
			}
		})
	}
}
