package podlogs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"plan/internal/kube"
)

// silence is how long a stream that must come to its end may stand still before it is opened anew.
const silence = 10 * time.Second

// errSilent is why a stream was given up that stood still.
var errSilent = fmt.Errorf("nothing came for %s: %w", silence, os.ErrDeadlineExceeded)

// stream is an answer that is being read.
type stream struct {
	cancel context.CancelCauseFunc
	bytes  atomic.Int64

	mu    sync.Mutex
	timer *time.Timer
	over  bool
}

// hurry makes the stream end when it stands still from now on.
func (s *stream) hurry() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer == nil && !s.over {
		s.watch()
	}
}

// watch looks after a while whether anything came. The lock is held.
func (s *stream) watch() {
	before := s.bytes.Load()
	s.timer = time.AfterFunc(silence, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		switch {
		case s.over:
		case s.bytes.Load() == before:
			s.cancel(errSilent)
		default:
			s.watch()
		}
	})
}

// close ends what hurry began.
func (s *stream) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	if s.timer != nil {
		s.timer.Stop()
	}
}

// counted counts what is read.
type counted struct {
	io.Reader
	n *atomic.Int64
}

// Read implements io.Reader.
func (c counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// read is what one stream came to.
type read struct {
	lines    int // handed out
	bytes    int64
	complete bool // all that was handed out before was met
	rest     rest // behind the last newline
}

// rest is the end of a log that has no newline.
type rest struct {
	there bool
	mark  mark
	line  line
}

// errSaid is a message in the place of a log, which the kubelet gives when it has begun to answer.
var errSaid = errors.New("the kubelet says")

// read hands out what is new of one stream, until its end in good order (then err is nil) or another.
func (c *container) read(ctx context.Context, o kube.LogOptions) (got read, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s := &stream{cancel: cancel}
	c.opens(s, !o.Follow)
	defer func() {
		c.closes(s)
		got.bytes = s.bytes.Load()
	}()
	var align *alignment
	o.Container, o.Timestamps = c.name, true
	o.Since, align = c.at.cursor.resume(c.at.strange >= patience)
	body, err := c.f.client.Logs(ctx, c.f.namespace, c.pod, o)
	if err != nil {
		return got, ended(ctx, err)
	}
	defer body.Close()
	lines := newSplitter(counted{body, &s.bytes})
	give := func(l line) {
		if align.gap {
			align.gap = false
			c.missing(c.at.last, rotatedAway)
		}
		c.hand(l)
		got.lines++
	}
	for {
		l, err := lines.next()
		switch {
		case err == io.EOF:
			got.complete, err = align.end(give)
			return got, err
		case err != nil:
			return got, ended(ctx, fmt.Errorf("read the log: %w", err))
		case l.ended:
			if err := align.pass(l, give); err != nil {
				return got, err
			}
		case l.timed:
			got.rest = rest{true, l.mark, l.clone()}
		case len(bytes.Trim(l.text, "0123456789-T:.Z+")) > 0: // it is not the beginning of a timestamp
			return got, fmt.Errorf("%w: %s", errSaid, l.text[:min(len(l.text), 500)])
		}
	}
}

// ended is why a stream ended: what this side has decided, where it has, else what the connection brought.
func ended(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}
