package lock

import (
	"context"
	"fmt"
	"time"

	"plan/internal/kube"
	"plan/internal/pause"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// keep renews the Lease until it is released or lost.
func (l *lease) keep() *Held {
	// Not the context of taking it: the lock outlives that.
	ctx, cancel := context.WithCancel(context.Background())
	h := &Held{lost: make(chan struct{})}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if l.renewals(ctx) {
			close(h.lost)
		}
	}()
	h.release = func(ctx context.Context) error {
		cancel()
		<-ended
		return l.giveBack(ctx)
	}
	return h
}

// age is how long ago the Lease was renewed, by a clock that stands still while the machine sleeps and by the one on the wall, which
// does not, but may be set.
func (l *lease) age() (steady, wall time.Duration) {
	now := time.Now()
	return now.Sub(l.renewed), now.Round(0).Sub(l.renewed.Round(0))
}

// renewals returns true when the Lease is lost, or may be, and false when ctx ends.
func (l *lease) renewals(ctx context.Context) (lost bool) {
	t := l.times
	for {
		steady, _ := l.age()
		nap := min(t.Poll, t.GiveUp-steady)
		if due := t.Renew - steady; due > 0 {
			nap = min(nap, due)
		}
		if pause.For(ctx, nap) != nil {
			return false
		}
		steady, wall := l.age()
		if max(steady, wall) < t.Renew {
			continue
		}
		patience := min(t.Request, t.GiveUp-steady) // none is left when this process stood still
		if wall >= t.GiveUp {                       // the machine slept, and another may have begun; or the clock was set
			patience = min(patience, t.Poll)
		}
		taken, err := l.renew(ctx, patience)
		if ctx.Err() != nil {
			return false
		}
		steady, wall = l.age()
		if taken || err != nil && max(steady, wall) >= t.GiveUp {
			return true
		}
	}
}

// renew writes the record anew. taken is certain: the Lease is another's, or was removed, and then anybody may make it.
func (l *lease) renew(ctx context.Context, patience time.Duration) (taken bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		l.record.Spec.RenewTime = time.Now().UTC().Format(microTime)
		err := l.write(ctx)
		if err == nil || !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
			return false, err
		}
		if mine, fresh, err := l.reread(ctx); err != nil || !mine || fresh {
			return err == nil && !mine, err
		}
	}
}

// reread takes over what is stored if it is still ours: an earlier write was executed though its answer was lost, or somebody else has
// changed what does not concern us.
func (l *lease) reread(ctx context.Context) (mine, fresh bool, err error) {
	r, err := l.read(ctx)
	if err != nil || r == nil || r.Spec.HolderIdentity != l.identity {
		return false, false, err
	}
	return true, l.adopt(r), nil
}

// giveBack lets others have the Lease, if it is still ours. It tries for two requests' time.
func (l *lease) giveBack(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*l.times.Request)
	defer cancel()
	for {
		l.record.Spec.HolderIdentity = ""
		err := l.write(ctx)
		if err == nil || apierrors.IsNotFound(err) {
			return nil
		}
		mine := true
		if apierrors.IsConflict(err) {
			mine, _, err = l.reread(ctx)
		}
		if !mine && err == nil {
			return nil
		}
		if err != nil && (!kube.Passing(err) || pause.For(ctx, l.times.Poll/4) != nil) {
			return fmt.Errorf("release %s: others have to wait until it runs out: %w", l.describe(), err)
		}
	}
}
