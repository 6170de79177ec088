package podlogs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"plan/internal/kube"
)

// container is one whose logs are read, by one goroutine as long as there is something to read.
type container struct {
	f                 *Follower
	pod, name, prefix string
	wake              chan struct{} // holds one: now has changed

	// Under the Follower's lock.
	now    status
	active bool    // the goroutine is there
	open   *stream // what it reads

	// The goroutine's own, and while there is none, that of who starts one.
	at     instance
	ahead  instance // what was read as the log of an instance, and was that of the next
	beside string   // the instance that at was compared with
}

// instance is one start of a container, and how far its log was read.
type instance struct {
	id       string
	nth      int // starts before it; -1 for none
	cursor   cursor
	last     time.Time // of the last line
	rest     rest      // of the last stream that ended in good order
	once     bool      // the last stream did
	sure     bool      // and ended after the container, as far as the server knew
	done     bool      // the log was read to its end, or given up
	failures int       // in a row
	refused  int       // in a row: failures that will not pass by themselves
	strange  int       // in a row: streams that did not go on where the last had ended
	quiet    int       // in a row: streams that ended in good order and had nothing new
}

func newContainer(f *Follower, s State, c Container) *container {
	return &container{f: f, pod: s.Name, name: c.Name, prefix: prefix(f.o.Workload, s, c), wake: make(chan struct{}, 1),
		at: instance{nth: -1, done: true, cursor: newCursor(whole)}}
}

// told takes news. The Follower's lock is held.
func (c *container) told(now status) {
	if now.id == "" { // a node that was lost leaves none
		now.id, now.previous, now.restarts = c.now.id, c.now.previous, c.now.restarts
	}
	now.ended = now.ended || c.now.ended && now.id == c.now.id // news may be late, and none revives an instance
	if now == c.now {
		return
	}
	if c.open != nil && (now.over() || now.id != c.now.id) {
		c.open.hurry()
	}
	c.now = now
	select {
	case c.wake <- struct{}{}:
	default:
	}
	if !c.active && now.id != "" && !(c.at.done && c.at.id == now.id) {
		c.active = true
		c.f.start(c)
	}
}

// latest is what is known of the container.
func (c *container) latest() status {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	return c.now
}

// news is latest, and lets the next pause end only when there is more.
func (c *container) news() status {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	select {
	case <-c.wake:
	default:
	}
	return c.now
}

// retire ends the goroutine, unless there is something to read.
func (c *container) retire(ctx context.Context) bool {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	if ctx.Err() == nil && !(c.at.done && c.at.id == c.now.id) {
		return false
	}
	c.active = false
	close(c.f.changed)
	c.f.changed = make(chan struct{})
	return true
}

// opens makes a stream known, so that news can hurry it.
func (c *container) opens(s *stream, ending bool) {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	c.open = s
	if ending || c.now.over() {
		s.hurry()
	}
}

func (c *container) closes(s *stream) {
	c.f.mu.Lock()
	c.open = nil
	c.f.mu.Unlock()
	s.close()
}

// run reads instance after instance.
func (c *container) run(ctx context.Context) {
	for !c.retire(ctx) {
		switch now := c.news(); {
		case now.id != c.at.id && c.at.cursor.lines > 0 && c.beside != now.id && !now.gone:
			c.compare(ctx, now)
		case c.at.done:
			c.next(now)
		case now.gone:
			c.podGone()
		case now.id == c.at.id:
			c.round(ctx, kube.LogOptions{Follow: !now.ended})
		case now.previous == c.at.id:
			c.round(ctx, kube.LogOptions{Previous: true})
		default:
			c.giveUp("the container was started anew, and the log of the former instance is gone")
		}
	}
	if now := c.latest(); context.Cause(ctx) == errClosed && !c.at.done && (now.over() || now.id != c.at.id) {
		c.giveUp("it was not read to its end in time")
	}
}

// next goes on to the instance after the one that is done with.
func (c *container) next(now status) {
	to := instance{id: now.id, nth: now.restarts, cursor: newCursor(whole)}
	if now.previous != "" && now.previous != c.at.id {
		to.id, to.nth, c.beside = now.previous, now.restarts-1, now.id
	}
	if to.nth > c.at.nth+1 {
		c.missing(c.at.last, fmt.Sprintf("the container was started %d times meanwhile, and these logs are gone", to.nth-c.at.nth-1))
	}
	if to.id == now.id && c.ahead.id == now.id {
		to.cursor, to.last = c.ahead.cursor, c.ahead.last
	}
	c.at, c.ahead = to, instance{}
}

// compare finds out, once for each restart, whether what was read as the log of an instance was that of the next one: the kubelet knew
// of the restart first. Then its own log has yet to be read.
func (c *container) compare(ctx context.Context, now status) {
	first, err := c.firstLine(ctx)
	status, answered := errors.AsType[*apierrors.StatusError](err)
	refused := answered && (status.ErrStatus.Code == http.StatusBadRequest || status.ErrStatus.Code == http.StatusNotFound)
	switch {
	case ctx.Err() != nil:
		return
	case err != nil && err != io.EOF && !refused:
		c.failed(ctx, err, failure{})
		return
	case err == nil && first.ended && c.at.cursor.base == whole && first.mark == c.at.cursor.first:
		c.ahead = c.at
		c.ahead.id = now.id
		c.at = instance{id: c.at.id, nth: c.at.nth, cursor: newCursor(whole)}
	}
	c.beside, c.at.failures = now.id, 0
}

// firstLine is that of the latest instance, without its text.
func (c *container) firstLine(ctx context.Context) (line, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, silence, errSilent)
	defer cancel()
	body, err := c.f.client.Logs(ctx, c.f.namespace, c.pod, kube.LogOptions{Container: c.name, Timestamps: true})
	if err != nil {
		return line{}, ended(ctx, err)
	}
	defer body.Close()
	first, err := newSplitter(body).next()
	return line{mark: first.mark, ended: first.ended}, err
}
