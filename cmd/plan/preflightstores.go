package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"plan/engine"
	"plan/internal/objectstore"
	"plan/internal/stores"
	"plan/steps"
)

// storeProbes open the stores, and list each place in them that a step works in. One that cannot be opened has a line of its own.
func (p *preflight) storeProbes(ctx context.Context, n *needs) (probes []probe) {
	for _, name := range slices.Sorted(maps.Keys(p.specs)) {
		c := check{Check: checkStore, What: p.storeName(name)}
		if why := p.unopened(ctx, name); why != nil {
			probes = append(probes, func(context.Context) check {
				if errors.Is(why, errNotRead) {
					return c.skipped("%v", why)
				}
				return c.failed(why)
			})
			continue
		}
		for _, place := range n.places {
			if place.of.Store == name {
				probes = append(probes, func(ctx context.Context) check { return p.lookAtPlace(ctx, place) })
			}
		}
	}
	return probes
}

// unopened opens a store, or says why not.
func (p *preflight) unopened(ctx context.Context, name string) error {
	for _, field := range p.specs[name].Fields() {
		if _, err := p.value(field.Value); err != nil {
			return err
		}
	}
	return p.openStore(ctx, name)
}

// lookAtPlace lists a place and, where the plan writes there, tries that, too.
func (p *preflight) lookAtPlace(ctx context.Context, place needed[steps.Place]) check {
	c := check{Check: checkStore, What: p.storeName(place.of.Store) + " " + place.of.Prefix, For: place.askers}
	if err := p.listPlace(ctx, place.of); err != nil {
		return c.failed(err)
	}
	where := stores.Describe(p.specs[place.of.Store], absolute(p.baseDir))
	switch {
	case !place.of.Puts && !place.of.Deletes:
		return c.ok("%s, listed", where)
	case !p.write:
		return c.ok("%s, listed; writing was not tried: --write tries it", where)
	}
	var tried objectstore.Probe
	err := bounded(ctx, openTimeout, func(ctx context.Context) error {
		tried = objectstore.Try(ctx, p.stores[place.of.Store], place.of.Prefix)
		return tried.Put
	})
	tried.Put = err
	return tellProbe(c, place.of, tried, where)
}

// tellProbe says what came of a probe. What the plan does not do there may be denied.
func tellProbe(c check, place steps.Place, tried objectstore.Probe, where string) check {
	stays := ""
	if tried.Delete != nil {
		stays = fmt.Sprintf("%v; the probe %q stays, or may: delete it", tried.Delete, tried.Key)
	}
	switch {
	case tried.Put != nil && !place.Puts && errors.Is(tried.Put, objectstore.ErrDenied):
		return c.warning("whether something can be deleted there was not tried, since putting a probe is denied, which the plan does not need: %v", tried.Put)
	case tried.Put != nil:
		return c.failed(writeError(tried.Put, stays))
	case tried.Delete != nil && place.Deletes:
		return c.failed(writeError(tried.Delete, fmt.Sprintf("the probe %q stays, or may: delete it", tried.Key)))
	case tried.Delete != nil:
		return c.warning("a probe was put and read back; the plan deletes nothing there, and this could not be deleted: %s", stays)
	}
	return c.ok("%s, listed; a probe was put, read back and deleted", where)
}

// writeError says what to do about a store that is not to be written to.
func writeError(err error, more string) error {
	text := ""
	if errors.Is(err, objectstore.ErrDenied) {
		text = "; the keys must be allowed to put, read and, where old backups go, delete objects below this prefix"
	}
	if more != "" {
		text += "; " + more
	}
	err = fmt.Errorf("%w%s", err, text)
	if errors.Is(err, objectstore.ErrDenied) {
		return exit{code: engine.ExitDenied, err: err}
	}
	return err
}
