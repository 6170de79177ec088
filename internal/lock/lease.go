package lock

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"plan/internal/kube"
	"plan/internal/pause"
)

// ErrForeign means that there is a Lease of the group's name which plan did not make. It is left alone.
var ErrForeign = errors.New("it was not made by plan")

// Right is a kind of call that is made. Without a Name it is for all of the resource: a create cannot be granted by name.
type Right struct{ Verb, Group, Resource, Namespace, Name string }

// LeaseRights are all calls that Lease and what it returns make.
func LeaseRights(namespace, group string) []Right {
	return []Right{
		{"get", "coordination.k8s.io", "leases", namespace, leaseName(group)},
		{"create", "coordination.k8s.io", "leases", namespace, ""},
		{"update", "coordination.k8s.io", "leases", namespace, leaseName(group)},
	}
}

func leaseName(group string) string { return "plan-" + group }

// lease is a contender for a Lease, later its holder.
type lease struct {
	client   *kube.Client
	resource kube.Resource
	name     string
	holder   Holder
	identity string // no other has it, not even of the same run
	times    Times

	record  *record              // as last read or written
	renewed time.Time            // when the last write that is known to be executed was sent
	sent    map[string]time.Time // when the writes were sent of which that is not known yet, by their renewTime
}

// Lease takes the Lease plan-GROUP and renews it until Release. A HeldError when another has it and Options.Wait is over; ErrForeign; a
// refusal of the server at once; else, when the server does not answer, its last error once Options.Wait is over, but not before 30 s.
// The end of ctx ends the waiting, not the lock. A lost answer to the last write before an error may leave the Lease taken: others then wait for 30 s.
func Lease(ctx context.Context, client *kube.Client, namespace, group string, h Holder, o Options) (*Held, error) {
	l := &lease{
		client: client, resource: kube.Resource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases", Namespace: namespace},
		name: leaseName(group), holder: h, times: o.Times.withDefaults(),
		identity: fmt.Sprintf("%s_%s_%016x", h.Run, cmp.Or(h.Pod, h.Host), rand.Uint64()), sent: map[string]time.Time{},
	}
	if err := l.acquire(ctx, o); err != nil {
		return nil, err
	}
	return l.keep(), nil
}

func (t Times) withDefaults() Times {
	t.Duration = cmp.Or(t.Duration, 30*time.Second)
	t.GiveUp = cmp.Or(t.GiveUp, 20*time.Second)
	t.Renew = cmp.Or(t.Renew, 10*time.Second)
	t.Request = cmp.Or(t.Request, 5*time.Second)
	t.Poll = cmp.Or(t.Poll, 2*time.Second)
	return t
}

func (l *lease) describe() string { return "lease " + l.resource.Namespace + "/" + l.name }

// watched is what a contender has seen of another's record.
type watched struct {
	spec    spec
	at      time.Time // when it was first seen like this
	changed bool      // it was different before
}

// see takes in what is stored now.
func (w *watched) see(s spec) {
	if w.at.IsZero() || s != w.spec {
		*w = watched{s, time.Now(), !w.at.IsZero()}
	}
}

// acquire returns when the Lease is ours.
func (l *lease) acquire(ctx context.Context, o Options) error {
	begin := time.Now()
	var seen watched
	for {
		ours, err := l.contend(ctx, &seen, o)
		waited := time.Since(begin)
		switch {
		case ours:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("take %s: %w", l.describe(), ctx.Err())
		case errors.Is(err, ErrHeld):
			// Of one that has not changed for the time of a renewal and a half, it is not known whether it is alive.
			if alive := seen.changed && time.Since(seen.at) < l.times.Renew*3/2; alive && waited >= o.Wait {
				return err
			}
		case err != nil && (!kube.Passing(err) || waited >= max(o.Wait, l.times.Duration)):
			return fmt.Errorf("take %s: %w", l.describe(), kube.TimedOut(ctx, l.times.Request, err))
		}
		delay := l.times.Poll
		if err == nil {
			delay /= 20 // the record changed under our hands
		}
		if pause.For(ctx, delay+rand.N(delay/4+1)) != nil {
			return fmt.Errorf("take %s: %w", l.describe(), ctx.Err())
		}
	}
}

// contend looks once and takes what is free. Neither ours nor an error: look again soon. Our own record is there when the answer to an
// earlier write was lost.
func (l *lease) contend(ctx context.Context, seen *watched, o Options) (ours bool, err error) {
	r, err := l.read(ctx)
	if err != nil {
		return false, err
	}
	if r == nil {
		r = &record{APIVersion: l.resource.APIVersion(), Kind: "Lease", Metadata: map[string]any{"name": l.name, "namespace": l.resource.Namespace}}
	} else if !r.ours() {
		return false, fmt.Errorf("%w: choose another group, or remove it", ErrForeign)
	}
	switch id := r.Spec.HolderIdentity; id {
	case "":
	case l.identity:
		if l.adopt(r) {
			return true, nil
		}
	default:
		seen.see(r.Spec)
		h, certain := r.holder()
		dead := time.Since(seen.at) >= l.times.Duration || certain && o.Takeover != nil && o.Takeover(h)
		if !dead {
			return false, &HeldError{Lock: l.describe(), Holder: h, Since: r.since()}
		}
	}
	r.give(l.identity, l.holder, l.times)
	l.record = r
	err = l.write(ctx)
	if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
		return false, nil
	}
	return err == nil, err
}

// read gets the Lease; nil is that there is none.
func (l *lease) read(ctx context.Context) (*record, error) {
	ctx, cancel := context.WithTimeout(ctx, l.times.Request)
	defer cancel()
	data, err := l.client.Get(ctx, l.resource, l.name)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return decodeRecord(data)
}

// write stores the record if what is stored is what it was made from.
func (l *lease) write(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, l.times.Request)
	defer cancel()
	body, err := json.Marshal(l.record)
	if err != nil {
		return fmt.Errorf("encode lease: %w", err)
	}
	put := l.client.Update
	if l.record.version() == "" {
		put = l.client.Create
	}
	sent := time.Now()
	l.sent[l.record.Spec.RenewTime] = sent
	data, err := put(ctx, l.resource, l.name, body, kube.WriteOptions{})
	if err != nil {
		return err
	}
	r, err := decodeRecord(data)
	if err != nil {
		return fmt.Errorf("%w: %w", kube.ErrUnanswered, err)
	}
	l.record, l.renewed = r, sent
	clear(l.sent)
	return nil
}

// adopt takes over a record of ours that was read, and tells whether that is as good as having written it now: only we write its
// renewTime, so it says which write was the last that was executed.
func (l *lease) adopt(r *record) (fresh bool) {
	l.record = r
	if at, ok := l.sent[r.Spec.RenewTime]; ok && at.After(l.renewed) {
		l.renewed = at
	}
	steady, wall := l.age()
	return max(steady, wall) < l.times.Renew
}
