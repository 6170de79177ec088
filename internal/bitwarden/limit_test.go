package bitwarden

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for in, want := range map[string]time.Duration{
			"":    0,
			"7":   7 * time.Second,
			" 7 ": 7 * time.Second,
			"-1":  0,
			"x":   0,
			"1.5": 0,
			time.Now().Add(90 * time.Second).UTC().Format(http.TimeFormat): 90 * time.Second,
			time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat):       0,
			"99999999999999999999": 0,
		} {
			if got := retryAfter(http.Header{"Retry-After": {in}}); got != want {
				t.Errorf("%q: %s, want %s", in, got, want)
			}
		}
	})
}

func TestLimitsStayBelowTheServers(t *testing.T) {
	for name, c := range map[string]struct {
		class             class
		minute, second, n int
	}{
		"logins": {identity, 10, 5, 40},
		"writes": {write, 60, 5, 300},
		"reads":  {read, 200, 200, 900},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, start := NewLimits(), time.Now()
				var at []time.Time
				for range c.n {
					if err := l.wait(t.Context(), c.class); err != nil {
						t.Fatal(err)
					}
					at = append(at, time.Now())
				}
				for i := range at {
					if j := i - c.minute; j >= 0 && at[i].Sub(at[j]) <= time.Minute {
						t.Fatalf("%d in a minute after %s", c.minute+1, at[i].Sub(start))
					}
					if j := i - c.second; j >= 0 && at[i].Sub(at[j]) <= time.Second {
						t.Fatalf("%d in a second after %s", c.second+1, at[i].Sub(start))
					}
				}
			})
		})
	}
}

func TestUsualCallsDoNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, start := NewLimits(), time.Now()
		for class, n := range map[class]int{identity: 2, read: 20, write: 3} {
			for range n {
				if err := l.wait(t.Context(), class); err != nil {
					t.Fatal(err)
				}
			}
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("waited %s", d)
		}
	})
}
