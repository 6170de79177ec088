package nodetoken

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"plan/internal/bitwarden"
	"plan/internal/bitwarden/bwtest"
	"plan/internal/errclass"
)

// vaultWith is a Bitwarden server with an account that has these grants, and the place that asks it.
func vaultWith(t *testing.T, s *bwtest.Server, to Bitwarden, grants ...bwtest.Grant) Place {
	t.Helper()
	c, err := bitwarden.New(bitwarden.Config{ServerURL: "https://vault.test.invalid", HTTP: s.Client()}, s.AddMachineAccount("a", grants...))
	if err != nil {
		t.Fatal(err)
	}
	return mustOpen(t, To{Bitwarden: &to}, Options{Bitwarden: func() (*bitwarden.Client, error) { return c, nil }})
}

func TestProjectsByIDAndNameAndThoseThatAreNotGranted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := bwtest.New()
		mine, readOnly, hidden := s.AddProject("mine"), s.AddProject("read only"), s.AddProject("hidden")
		s.AddProject("twice")
		second := s.AddProject("twice")
		grants := []bwtest.Grant{{Project: mine, Write: true}, {Project: readOnly}, {Project: second, Write: true}}
		_, token := tokens(t)
		cases := map[string]struct {
			project string
			is      error
			says    string
		}{
			"by name":         {"mine", nil, ""},
			"by id":           {strings.ToUpper(mine), nil, ""},
			"only read":       {"read only", bitwarden.ErrNotFound, "right to write"},
			"not granted":     {"hidden", bitwarden.ErrNotFound, "answers both alike"},
			"its id":          {hidden, bitwarden.ErrNotFound, "answers both alike"},
			"unknown":         {"nobody's", bitwarden.ErrNotFound, "answers both alike"},
			"one of a name":   {"twice", nil, ""},
			"name of another": {"Mine", bitwarden.ErrNotFound, "answers both alike"},
		}
		for name, tc := range cases {
			p := vaultWith(t, s, Bitwarden{Project: tc.project, Key: "token-" + strings.ReplaceAll(name, " ", "-")}, grants...)
			if _, err := keep(t.Context(), p, token, -1); !errors.Is(err, tc.is) || err != nil && !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%s: %v, want %q", name, err, tc.says)
			}
		}
		p := vaultWith(t, s, Bitwarden{Project: "twice"})
		if _, err := p.Look(t.Context(), ""); !errors.As(err, new(*bitwarden.AmbiguousError)) || !strings.Contains(err.Error(), second) {
			t.Errorf("two projects of a name: %v", err)
		}
	})
}

// TestARunThatChangesNothingWritesNothing counts requests: one login, three reads.
func TestARunThatChangesNothingWritesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := bwtest.New()
		_, token := tokens(t)
		id := s.AddSecret(s.AddProject("p"), "k", token.Reveal()+"\n")
		p := vaultWith(t, s, Bitwarden{Project: "p", Key: "k"})
		if action, err := keep(t.Context(), p, token, -1); action != Unchanged || err != nil {
			t.Fatalf("%s, %v", action, err)
		}
		if s.Versions(id) != 0 || s.Logins() != 1 || len(s.Requests()) != 4 {
			t.Errorf("%d versions, requests %v", s.Versions(id), s.Requests())
		}
	})
}

// TestACreateThatArrivesLateIsLostAndNeverTwice: the server was at it longer than the client waited.
func TestACreateThatArrivesLateIsLostAndNeverTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := bwtest.New()
		project := s.AddProject("p")
		s.FailNext(bwtest.Fault{On: bwtest.CreateSecret, Do: func(_ http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
			late := r.Clone(t.Context())
			go func() {
				time.Sleep(time.Minute)
				next(httptest.NewRecorder(), late)
			}()
			<-r.Context().Done()
		}})
		_, token := tokens(t)
		p := vaultWith(t, s, Bitwarden{Project: "p", Key: "k"})
		if _, err := keep(t.Context(), p, token, -1); !errors.Is(err, errclass.ErrLost) {
			t.Errorf("%v", err)
		}
		time.Sleep(time.Minute)
		if action, err := keep(t.Context(), p, token, -1); action != Unchanged || err != nil || s.Count(bwtest.CreateSecret) != 1 {
			t.Errorf("%s, %v, %d creates of project %s", action, err, s.Count(bwtest.CreateSecret), project)
		}
	})
}

// TestACreateThatIsExecutedJustAfterTheConnectionBrokeIsFound: the first look is too early, and a repeat would be a second secret.
func TestACreateThatIsExecutedJustAfterTheConnectionBrokeIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := bwtest.New()
		s.AddProject("p")
		s.FailNext(bwtest.Fault{On: bwtest.CreateSecret, Do: func(_ http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
			late := r.Clone(t.Context())
			go func() {
				time.Sleep(5 * time.Second)
				next(httptest.NewRecorder(), late)
			}()
			panic(http.ErrAbortHandler)
		}})
		_, token := tokens(t)
		p := vaultWith(t, s, Bitwarden{Project: "p", Key: "k"})
		action, err := keep(t.Context(), p, token, -1)
		if action != Created || err != nil || s.Count(bwtest.CreateSecret) != 1 {
			t.Errorf("%s, %v, %d creates", action, err, s.Count(bwtest.CreateSecret))
		}
	})
}
