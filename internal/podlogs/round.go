package podlogs

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"plan/internal/errclass"
	"plan/internal/kube"
)

// How long errors are put up with. The wait before a try doubles with each error from minWait to maxWait.
const (
	minWait = time.Second
	maxWait = 15 * time.Second
	settle  = 3 * time.Second // for the news that a container has ended, behind the end of its stream

	patience = 4 // tries, 15 s: the kubelet may know of a restart before the API server does
	said     = 5 // errors in a row before people are told
	final    = 5 // refusals in a row that the log of a container that has ended is given up for
)

// round reads a stream and decides what that means. The end of a log that does not grow any more is certain when two streams in a row end
// there: the API server may end one in good order wherever it is.
func (c *container) round(ctx context.Context, o kube.LogOptions) {
	got, err := c.read(ctx, o)
	at := &c.at
	if got.lines > 0 {
		at.failures, at.refused, at.quiet, at.rest = 0, 0, 0, rest{}
	}
	if got.lines > 0 || err != nil && !errors.Is(err, errChanged) {
		at.strange = 0
	}
	again := at.once && got.lines == 0 && got.rest.there == at.rest.there && got.rest.mark == at.rest.mark
	at.once = err == nil && got.complete
	at.sure = at.once && (o.Previous || c.latest().ended)
	if at.once {
		at.rest = got.rest
	}
	switch {
	case ctx.Err() != nil:
	case errors.Is(err, errChanged) || err == nil && !got.complete && !o.Follow && at.strange < patience:
		at.strange++
		c.pause(ctx, backoff(at.strange))
	case err != nil && got.lines > 0: // there may be more at once
	case err != nil:
		c.failed(ctx, err, failure{ending: !o.Follow, begun: got.bytes > 0})
	case o.Follow:
		at.failures, at.refused = 0, 0
		at.quiet++
		c.pause(ctx, max(settle, backoff(at.quiet)))
	case !got.complete:
		c.giveUp(rotatedAway)
	case again:
		c.finish()
	}
}

// rotatedAway is why there are gaps that nobody is to blame for.
const rotatedAway = "lines were rotated away before they could be read"

// failure says how a stream failed.
type failure struct {
	ending bool // the log does not grow any more
	begun  bool // something came: the server does answer
}

// failed waits before the next try, or gives up: when there is no pod, or the log of a container that has ended is refused for long.
func (c *container) failed(ctx context.Context, err error, how failure) {
	c.at.failures++
	status, answered := errors.AsType[*apierrors.StatusError](err)
	if errors.Is(err, errSaid) || answered && status.ErrStatus.Code == http.StatusBadRequest {
		c.at.refused++
	} else {
		c.at.refused = 0
	}
	switch {
	case answered && status.ErrStatus.Code == http.StatusNotFound && status.ErrStatus.Details != nil && status.ErrStatus.Details.Kind == "pods":
		c.podGone()
		return
	case how.ending && c.at.refused >= final:
		c.giveUp(err.Error())
		return
	case c.at.failures == said:
		c.notice(fmt.Sprintf("log of %s/%s cannot be read for now, and is tried again: %v", c.pod, c.name, err), false)
	}
	wait := backoff(c.at.failures)
	if how.begun && c.at.refused == 0 {
		wait = backoff(1)
	}
	c.pause(ctx, max(wait, errclass.Classify(err).RetryAfter))
}

// backoff is how long to wait after so many failures in a row.
func backoff(failures int) time.Duration {
	wait := min(minWait<<min(failures-1, 10), maxWait)
	return wait/2 + rand.N(wait/2)
}

// pause waits, at most until something is told of the container.
func (c *container) pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-c.wake:
	case <-timer.C:
	}
}

// finish ends an instance whose log was read to its end.
func (c *container) finish() {
	if c.at.rest.there {
		c.hand(c.at.rest.line)
	}
	c.at.done = true
}

// podGone ends an instance whose log is not there any more. One stream that ended behind the end of the container is all that could be had,
// and only the kubelet's end at the same time would have made it shorter.
func (c *container) podGone() {
	if c.at.sure {
		c.finish()
		return
	}
	c.giveUp("the pod is gone")
}

// giveUp ends an instance whose log cannot be read further. What came behind the last newline may be half a line.
func (c *container) giveUp(why string) {
	c.at.done = true
	c.missing(c.at.last, why)
}

// missing tells that there are lines that cannot be read.
func (c *container) missing(after time.Time, why string) {
	from := "its beginning"
	if !after.IsZero() {
		from = after.Format(time.RFC3339Nano)
	}
	c.notice(fmt.Sprintf("log of %s/%s has a gap from %s: %s", c.pod, c.name, from, why), true)
}

func (c *container) notice(text string, gap bool) {
	c.f.hand(Line{Pod: c.pod, Container: c.name, Prefix: c.prefix, Time: c.at.last, Notice: text, Gap: gap})
}

// hand hands a line out. One without a time has that of the line before.
func (c *container) hand(l line) {
	if l.timed {
		c.at.last = l.time()
	}
	c.f.hand(Line{Pod: c.pod, Container: c.name, Prefix: c.prefix, Time: c.at.last, Text: string(l.text), Cut: l.cut})
}
