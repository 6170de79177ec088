package bitwarden_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"plan/internal/bitwarden"
	"plan/internal/bitwarden/bwtest"
)

func TestTooManyRequestsWaitsAndRepeats(t *testing.T) {
	for name, c := range map[string]struct {
		header   func() string
		min, max time.Duration
	}{
		"seconds": {func() string { return "7" }, 7 * time.Second, 7 * time.Second},
		"date": {func() string { return time.Now().Add(30 * time.Second).UTC().Format(http.TimeFormat) },
			29 * time.Second, 30 * time.Second},
		"none": {func() string { return "" }, time.Second, time.Second},
	} {
		for _, e := range []bwtest.Endpoint{bwtest.Login, bwtest.GetSecret} {
			t.Run(name+" on "+string(e), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s, cl, id, _ := one(t)
					s.FailNext(bwtest.TooMany(c.header()).At(e))
					start := time.Now()
					read(t, cl, id)
					if d := time.Since(start); d < c.min || d > c.max {
						t.Errorf("waited %s, want %s to %s", d, c.min, c.max)
					}
				})
			})
		}
	}
}

func TestTooManyRequestsEnds(t *testing.T) {
	for name, c := range map[string]struct {
		after    string
		deadline time.Duration
		requests int
		reason   string
	}{
		"for ever":              {"3", time.Hour, 5, "a few repeats, then the error"},
		"longer than the bound": {"3600", 3 * time.Hour, 1, "nobody waits an hour"},
		"past the deadline":     {"60", 30 * time.Second, 1, "the wait could not end in time"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, cl, id, _ := one(t)
				s.FailNext(bwtest.TooMany(c.after).At(bwtest.GetSecret).For(-1))
				ctx, cancel := context.WithTimeout(t.Context(), c.deadline)
				defer cancel()
				start := time.Now()
				_, err := cl.Secret(ctx, id)
				if c.requests == 1 && time.Since(start) != 0 {
					t.Errorf("waited %s for nothing", time.Since(start))
				}
				e := (*bitwarden.APIError)(nil)
				if !errors.As(err, &e) || e.Status != http.StatusTooManyRequests || e.RetryAfter == 0 {
					t.Errorf("got %v", err)
				}
				if n := s.Count(bwtest.GetSecret); n != c.requests {
					t.Errorf("%d requests, want %d: %s", n, c.requests, c.reason)
				}
			})
		})
	}
}

func TestWaitsEndWithTheContext(t *testing.T) {
	for name, f := range map[string]bwtest.Fault{
		"429": bwtest.TooMany("60"), "hang": bwtest.Hang(), "hang at login": bwtest.Hang().At(bwtest.Login),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, cl, id, _ := one(t)
				s.FailNext(f.For(-1))
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(5*time.Second, cancel)
				start := time.Now()
				_, err := cl.Secret(ctx, id)
				if err == nil || time.Since(start) != 5*time.Second {
					t.Errorf("after %s: %v", time.Since(start), err)
				}
			})
		})
	}
}

func TestWaiterForALoginMayLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, cl, id, _ := one(t)
		s.FailNext(bwtest.Hang().At(bwtest.Login))
		go func() { _ = cl.Login(t.Context()) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := cl.Secret(ctx, id); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		time.Sleep(time.Minute)
		read(t, cl, id)
	})
}

func TestHangEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, cl, id, _ := one(t)
		s.FailNext(bwtest.Hang().At(bwtest.GetSecret))
		_, err := cl.Secret(t.Context(), id)
		var timeout interface{ Timeout() bool }
		if !errors.As(err, &timeout) || !timeout.Timeout() || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		read(t, cl, id)
	})
}

func TestOwnLimitIsBelowTheServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, cl, id, _ := one(t)
		s.EnforceLimits()
		for i := range 150 {
			sec, err := cl.Secret(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			sec.Value += "x"
			if i%3 == 0 {
				_, err = cl.Update(t.Context(), sec)
			} else {
				_, err = cl.SecretsByID(t.Context(), []string{id})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		logins(t, s, 1, "150 rounds")
		if n := s.Limited(); n != 0 {
			t.Errorf("%d requests were over the limit", n)
		}
	})
}

func TestTwoClientsShareLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := bwtest.New()
		s.EnforceLimits()
		limits := bitwarden.NewLimits()
		for range 30 {
			c := open(t, s, s.AddMachineAccount("a"), func(cfg *bitwarden.Config) { cfg.Limits = limits })
			if err := c.Login(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if n := s.Limited(); n != 0 {
			t.Errorf("%d logins were over the limit", n)
		}
	})
}
