// Package podlogs follows the logs of pods: of all containers, late ones and restarted ones too, each to its end, over connections that
// break. Every line comes exactly once and in order; where lines are missing because the cluster has them no more, that is said.
package podlogs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"plan/internal/kube"
)

// Options say what becomes of the lines.
type Options struct {
	// Workload is the name of what the pods belong to; their names are shown without it.
	Workload string

	// Line gets every line. It is never called twice at once. While it runs nothing is read: what a connection has room for is all that
	// waits. It must not call the Follower.
	Line func(Line)
}

// Follower follows the logs of the pods it is told of. It may be used by several goroutines.
type Follower struct {
	client    *kube.Client
	namespace string
	o         Options
	start     func(*container)
	stop      context.CancelCauseFunc
	running   sync.WaitGroup

	mu      sync.Mutex
	pods    map[string]*pod // by UID
	closed  bool
	changed chan struct{} // closed and replaced when a log is done with

	out sync.Mutex // held while a line is handed out
}

// pod is one that was told of.
type pod struct {
	name       string
	containers map[string]*container
}

// errClosed is why streams end when the Follower does.
var errClosed = errors.New("the logs are not followed any more")

// Follow begins to follow the logs of pods of a namespace, at most until ctx ends. It opens no connection before there is a container
// that has started, then one for each that runs; nothing is polled. End it with Wait.
func Follow(ctx context.Context, client *kube.Client, namespace string, o Options) *Follower {
	f := &Follower{client: client, namespace: namespace, o: o, pods: map[string]*pod{}, changed: make(chan struct{})}
	ctx, f.stop = context.WithCancelCause(ctx)
	f.start = func(c *container) { f.running.Go(func() { c.run(ctx) }) }
	return f
}

// Pod tells how a pod is now. It does not wait, and may be called with what is known already.
func (f *Follower) Pod(s State) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	p := f.pods[s.UID]
	if p == nil {
		p = &pod{s.Name, map[string]*container{}}
		for _, other := range f.pods {
			if other.name == s.Name { // its name is another's now
				other.gone()
			}
		}
		f.pods[s.UID] = p
	}
	for _, one := range s.Containers {
		c := p.containers[one.Name]
		if c == nil {
			c = newContainer(f, s, one)
			p.containers[one.Name] = c
		}
		now := one.status
		now.gone = c.now.gone
		c.told(now)
	}
	if s.Gone {
		p.gone()
	}
}

// gone tells that the pod is not there any more.
func (p *pod) gone() {
	for _, c := range p.containers {
		now := c.now
		now.gone = true
		c.told(now)
	}
}

// Wait waits until the log of every container that has ended was read to its end, at most until ctx ends; then it ends the following, and
// nothing of it is left. Its error names the containers whose logs were not read to their end by then. Those that run are not waited for.
func (f *Follower) Wait(ctx context.Context) error {
	for {
		f.mu.Lock()
		left, changed := f.unread(), f.changed
		if len(left) == 0 || ctx.Err() != nil {
			f.closed = true
			f.mu.Unlock()
			f.stop(errClosed)
			f.running.Wait()
			if len(left) > 0 {
				return fmt.Errorf("read the log of %s to its end: %w", strings.Join(left, ", "), ctx.Err())
			}
			return nil
		}
		f.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-changed:
		}
	}
}

// unread are the containers that have ended and whose logs are not done with.
func (f *Follower) unread() (names []string) {
	for _, p := range f.pods {
		for _, c := range p.containers {
			if c.active && c.now.over() {
				names = append(names, p.name+"/"+c.name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// hand hands a line out.
func (f *Follower) hand(l Line) {
	f.out.Lock()
	defer f.out.Unlock()
	f.o.Line(l)
}
