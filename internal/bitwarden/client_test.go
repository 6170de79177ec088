package bitwarden_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"plan/internal/bitwarden"
	"plan/internal/bitwarden/bwtest"
)

const base = "https://vault.test.invalid"

// open makes a client that reaches s without a network.
func open(t *testing.T, s *bwtest.Server, token string, change ...func(*bitwarden.Config)) *bitwarden.Client {
	t.Helper()
	cfg := bitwarden.Config{ServerURL: base, HTTP: s.Client()}
	for _, f := range change {
		f(&cfg)
	}
	c, err := bitwarden.New(cfg, token)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// one is a server with one secret, a token for it and a client.
func one(t *testing.T, change ...func(*bitwarden.Config)) (s *bwtest.Server, c *bitwarden.Client, id, token string) {
	t.Helper()
	s = bwtest.New()
	id = s.AddSecret(s.AddProject("p"), "k", bwtest.Canary)
	token = s.AddMachineAccount("a")
	return s, open(t, s, token, change...), id, token
}

func read(t *testing.T, c *bitwarden.Client, id string) {
	t.Helper()
	if got, err := c.Secret(t.Context(), id); err != nil || got.Value != bwtest.Canary {
		t.Fatalf("read: %v, %v", got, err)
	}
}

func logins(t *testing.T, s *bwtest.Server, want int, when string) {
	t.Helper()
	if got := s.Logins(); got != want {
		t.Errorf("%s: %d logins, want %d", when, got, want)
	}
}

func TestConform(t *testing.T) {
	bwtest.Conform(t, func(t *testing.T, s *bwtest.Server, token string) bwtest.Client { return open(t, s, token) })
}

func TestParallelCallsShareOneLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c, id, _ := one(t)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { read(t, c, id) })
		}
		wg.Wait()
		logins(t, s, 1, "20 parallel reads")
	})
}

func TestRenewsFiveMinutesBeforeTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c, id, _ := one(t)
		read(t, c, id)
		time.Sleep(54 * time.Minute)
		read(t, c, id)
		logins(t, s, 1, "after 54 minutes")
		time.Sleep(2 * time.Minute)
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() { read(t, c, id) })
		}
		wg.Wait()
		logins(t, s, 2, "after 56 minutes")
	})
}

func TestShortSessionsDoNotLogInOnEachCall(t *testing.T) {
	for _, life := range []time.Duration{0, time.Second, 60 * time.Second, 300 * time.Second, 310 * time.Second} {
		t.Run(life.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, c, id, _ := one(t)
				s.EnforceLimits()
				s.SetExpiresIn(life)
				for range 30 {
					_, err := c.Secret(t.Context(), id)
					if e := (*bitwarden.APIError)(nil); life >= time.Minute && err != nil || errors.As(err, &e) && e.Status == http.StatusTooManyRequests {
						t.Fatal(err)
					}
				}
				if life >= time.Minute {
					logins(t, s, 1, "30 reads at once")
				}
			})
		})
	}
}

func TestFailedRenewalKeepsTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c, id, _ := one(t)
		read(t, c, id)
		time.Sleep(56 * time.Minute)
		s.FailNext(bwtest.Status(http.StatusServiceUnavailable).At(bwtest.Login).For(-1))
		read(t, c, id)
		read(t, c, id)
		logins(t, s, 2, "one renewal that fails serves two reads")
		time.Sleep(5 * time.Minute)
		if _, err := c.Secret(t.Context(), id); err == nil {
			t.Error("read after the end of the session")
		}
		s.Heal()
		read(t, c, id)
	})
}

func TestForgottenSessionIsRenewedOnce(t *testing.T) {
	s, c, id, _ := one(t)
	read(t, c, id)
	s.ForgetSessions()
	read(t, c, id)
	logins(t, s, 2, "401 once")

	s.FailNext(bwtest.Unauthorized().At(bwtest.GetSecret).For(-1))
	_, err := c.Secret(t.Context(), id)
	if !errors.Is(err, bitwarden.ErrUnauthorized) {
		t.Errorf("401 twice: %v", err)
	}
	logins(t, s, 3, "401 for ever")
}

func TestManyForgottenSessionsMakeOneLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c, id, _ := one(t)
		read(t, c, id)
		s.ForgetSessions()
		s.FailNext(bwtest.Fault{On: bwtest.GetSecret, Times: 10, Do: func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
			time.Sleep(time.Second) // all ten are under way with the old session
			next(w, r)
		}})
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() { read(t, c, id) })
		}
		wg.Wait()
		logins(t, s, 2, "10 parallel reads after a 401")
	})
}

func TestRevokedTokenSaysWhatItMayBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c, id, token := one(t)
		s.Revoke(token)
		for range 20 { // a refusal is remembered: a loop over secrets does not use up the logins of a minute
			_, err := c.Secret(t.Context(), id)
			if !errors.Is(err, bitwarden.ErrInvalidClient) {
				t.Fatal(err)
			}
			for _, word := range []string{"mistyped", "expired", "revoked", "region", base + "/identity/connect/token", "secret " + id} {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("the error lacks %q: %v", word, err)
				}
			}
		}
		logins(t, s, 1, "20 reads with a refused token")
		time.Sleep(2 * time.Minute)
		_ = c.Login(t.Context())
		logins(t, s, 2, "two minutes later")
	})
}

func TestCloudHosts(t *testing.T) {
	for url, domain := range map[string]string{"": "bitwarden.com", "https://vault.bitwarden.com": "bitwarden.com", "https://bitwarden.eu/": "bitwarden.eu"} {
		s, c, id, _ := one(t, func(cfg *bitwarden.Config) { cfg.ServerURL = url })
		read(t, c, id)
		reqs := s.Requests()
		if len(reqs) != 2 || reqs[0].Host != "identity."+domain || reqs[0].Path != "/connect/token" ||
			reqs[1].Host != "api."+domain || reqs[1].Path != "/secrets/"+id {
			t.Errorf("%q: %+v", url, reqs)
		}
	}
}

func TestHeaders(t *testing.T) {
	s, c, id, _ := one(t, func(cfg *bitwarden.Config) { cfg.UserAgent = "plan/1.2.3" })
	read(t, c, id)
	for _, r := range s.Requests() {
		if r.Header.Get("User-Agent") != "plan/1.2.3" || r.Header.Get("Device-Type") != "21" {
			t.Errorf("%s: %v", r.Endpoint, r.Header)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	s := bwtest.New()
	token := s.AddMachineAccount("a")
	for name, c := range map[string]struct {
		cfg   bitwarden.Config
		token string
		want  string
	}{
		"plain http":     {bitwarden.Config{ServerURL: "http://vault.example.org"}, token, "plain http"},
		"no scheme":      {bitwarden.Config{ServerURL: "vault.bitwarden.eu"}, token, "https://vault.bitwarden.eu"},
		"missing CA":     {bitwarden.Config{CAFile: "testdata/none.pem"}, token, "read CA file"},
		"no PEM in CA":   {bitwarden.Config{CAFile: "client_test.go"}, token, "no certificate"},
		"no token":       {bitwarden.Config{}, "", "not a Bitwarden access token"},
		"CA and client":  {bitwarden.Config{CAFile: "x", HTTP: http.DefaultClient}, token, "exclude"},
		"password in it": {bitwarden.Config{ServerURL: "https://u:" + bwtest.Canary + "@host"}, token, "user or password"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := bitwarden.New(c.cfg, c.token)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q in it", err, c.want)
			}
			if l := bwtest.Leaks(err.Error(), token); len(l) > 0 {
				t.Errorf("leaks %d secrets", len(l))
			}
		})
	}
	if _, err := bitwarden.New(bitwarden.Config{}, " "+token+"\n"); err != nil {
		t.Errorf("a token with a newline from a file: %v", err)
	}
}
