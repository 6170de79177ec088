package bwtest

import (
	"net/http"
	"strconv"
	"time"
)

// limits are the cloud's limits for one address, as sliding windows.
type limits struct {
	seen    map[string][]time.Time
	refused int
}

// EnforceLimits makes the server count as Bitwarden's cloud does (its repository's defaults): logins 10 a minute, API
// POST, PUT and DELETE 60 a minute and 5 a second each, GET 200 a minute. What is above gets 429 with Retry-After.
func (s *Server) EnforceLimits() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limits = &limits{seen: map[string][]time.Time{}}
}

// Limited is how many requests were over the limits since EnforceLimits.
func (s *Server) Limited() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.limits == nil {
		return 0
	}
	return s.limits.refused
}

// over counts one request and says how long to wait when it is one too many. A nil receiver has no limits.
func (l *limits) over(e Endpoint, method string) (wait time.Duration, limited bool) {
	if l == nil {
		return 0, false
	}
	class, perMinute, perSecond := method, 60, 5
	switch {
	case e == Login:
		class, perMinute = "login", 10
	case method == http.MethodGet:
		perMinute, perSecond = 200, 200
	}
	now := time.Now()
	seen := l.seen[class]
	for len(seen) > 0 && now.Sub(seen[0]) >= time.Minute {
		seen = seen[1:]
	}
	l.seen[class] = seen
	if n := len(seen); n >= perMinute {
		l.refused++
		return seen[n-perMinute].Add(time.Minute).Sub(now), true
	} else if n >= perSecond && now.Sub(seen[n-perSecond]) < time.Second {
		l.refused++
		return seen[n-perSecond].Add(time.Second).Sub(now), true
	}
	l.seen[class] = append(seen, now)
	return 0, false
}

func tooMany(w http.ResponseWriter, wait time.Duration) {
	after := strconv.Itoa(int((wait + time.Second - 1) / time.Second))
	w.Header().Set("Retry-After", after)
	reply(w, http.StatusTooManyRequests, apiError("Slow down! Too many requests. Try again in "+after+"s."))
}
