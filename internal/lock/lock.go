// Package lock lets one run at a time have a group: with a Lease in a cluster, or with a lock on a file of this machine.
//
// Lease has one holder at a time as long as clocks run equally fast, whatever they show. A holder counts from before it sent the last write
// that the server confirmed, and gives up after 20 s; another takes over only after it has seen nothing change for 30 s by its own
// clock, which began after that write. The 10 s between are for what still runs: they are the grace of a run that stops.
package lock

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// ErrHeld is what a HeldError is.
var ErrHeld = errors.New("the lock is held")

// Holder says who has a lock, for people.
type Holder struct {
	Run  string `json:"run,omitempty"`
	Host string `json:"host,omitempty"`
	PID  int    `json:"pid,omitempty"`
	Pod  string `json:"pod,omitempty"`
}

// String is such as: run 20260302-020000-0a1b2c in pod backups/nightly-x7k2p; run r on host pi, process 4711.
func (h Holder) String() string {
	var b strings.Builder
	b.WriteString("run " + h.Run)
	if h.Run == "" {
		b.Reset()
		b.WriteString("somebody")
	}
	switch {
	case h.Pod != "":
		b.WriteString(" in pod " + h.Pod)
	case h.Host != "":
		b.WriteString(" on host " + h.Host)
	}
	if h.PID > 0 && h.Pod == "" {
		fmt.Fprintf(&b, ", process %d", h.PID)
	}
	return b.String()
}

// HeldError says that somebody else has the lock. It is ErrHeld.
type HeldError struct {
	Lock   string // such as: lease plan/plan-home-backup
	Holder Holder
	Since  time.Time // by the holder's clock; zero when it is not known
}

// Error implements error. What is in it came from the holder: escape it on a terminal.
func (e *HeldError) Error() string {
	since := ""
	if !e.Since.IsZero() {
		since = " since " + e.Since.UTC().Format(time.RFC3339)
	}
	return fmt.Sprintf("take %s: %s has it%s", e.Lock, e.Holder, since)
}

// Is makes a HeldError an ErrHeld.
func (e *HeldError) Is(target error) bool { return target == ErrHeld }

// Options say how to take a lock.
type Options struct {
	// Wait is how long to wait for a living holder; 0 is not at all. A Lease whose holder may be dead is watched until that is known,
	// whatever Wait is: a living one is seen within 10 s, a dead one is taken over after 30 s.
	Wait time.Duration
	// Takeover tells that a Lease's holder is dead for certain: it is not waited for. nil is never. A file's lock ends with its holder
	// and needs none.
	Takeover func(Holder) bool
	// Times are for tests; zero ones are those of the product.
	Times Times
}

// Times are the periods of a Lease. All who use one Lease must have the same.
type Times struct {
	Duration time.Duration // without a change for so long, a holder is dead; 0 is 30s
	GiveUp   time.Duration // without a confirmed renewal for so long, a holder gives up; 0 is 20s
	Renew    time.Duration // the age at which a holder renews; 0 is 10s
	Request  time.Duration // how long one request may take; 0 is 5s
	Poll     time.Duration // how often the Lease of another is looked at, and a renewal that was not answered is tried again; 0 is 2s
}

// Held is a lock that is had.
type Held struct {
	lost    chan struct{}
	once    sync.Once
	release func(context.Context) error
	err     error
}

// Lost is closed when the lock is not ours any more, or that is not certain any more: another took it, or 20 s went by without a confirmed
// renewal. Whoever holds it must have stopped all it does 10 s later, for then another may begin. There is one signal for both: a run that
// only starts nothing more at 20 s and stops later would still be working when the next one begins. It never closes for a file.
func (h *Held) Lost() <-chan struct{} { return h.lost }

// Release gives the lock back and ends the renewals. Others may take it at once. It is called once all work has ended, also after Lost; a
// second call does nothing and gives the first one's error. An error means that others have to wait for 30 s.
func (h *Held) Release(ctx context.Context) error {
	h.once.Do(func() { h.err = h.release(ctx) })
	return h.err
}
