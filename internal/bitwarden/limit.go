package bitwarden

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// class is a group of requests the server counts together.
type class int

const (
	identity class = iota
	read
	write
)

// Limits keeps requests below what Bitwarden's cloud allows one address: logins 10 a minute, API writes 60 a minute and 5 a
// second, reads 200 a minute. In any minute at most 9 logins, 55 writes (4 in a second) and 180 reads pass; the first few of
// each never wait. Clients of one process share one.
type Limits struct{ by map[class][]*rate.Limiter }

// NewLimits gives full limits.
func NewLimits() *Limits {
	perMinute := func(n float64, burst int) *rate.Limiter { return rate.NewLimiter(rate.Limit(n/60), burst) }
	return &Limits{by: map[class][]*rate.Limiter{
		identity: {perMinute(6, 3)},
		read:     {perMinute(120, 60)},
		write:    {perMinute(40, 15), rate.NewLimiter(1, 3)},
	}}
}

// wait returns when the next request may go, or at once when ctx ends before that.
func (l *Limits) wait(ctx context.Context, c class) error {
	for _, lim := range l.by[c] {
		if err := lim.Wait(ctx); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("own rate limit: the wait would be too long: %w", context.DeadlineExceeded)
		}
	}
	return nil
}

const (
	maxRepeats = 4               // after 429
	maxWait    = 2 * time.Minute // for one repeat
)

// retryAfter reads the header (RFC 9110 10.2.3): seconds or a date. 0 is absent, unreadable or past.
func retryAfter(h http.Header) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if n, err := strconv.ParseUint(v, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(0, time.Until(t))
	}
	return 0
}

// again waits after a 429 and says whether to repeat: not more than a few times, not for long, not past ctx's deadline.
func again(ctx context.Context, asked time.Duration, repeats int) bool {
	pause := asked
	if pause == 0 {
		pause = time.Second << repeats
	}
	if deadline, ok := ctx.Deadline(); repeats >= maxRepeats || pause > maxWait || ok && time.Until(deadline) <= pause {
		return false
	}
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
