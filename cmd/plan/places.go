package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"plan/engine"
	"plan/internal/objectstore"
	"plan/internal/stores"
	"plan/steps"
)

// place is a part of a store that a step works on; the store's name is settled.
type place struct {
	step *engine.Step
	steps.Place
}

// places are those of all steps that may run. Of a matrix the first instance speaks for all.
func (s *session) places() (list []place) {
	for _, step := range s.mayRun() {
		for _, p := range s.needs(step).Places {
			p.Store = cmp.Or(p.Store, step.Store)
			list = append(list, place{step, p})
		}
	}
	return list
}

func (s *session) needs(step *engine.Step) steps.Needs {
	if len(s.actions[step.ID]) == 0 {
		return steps.Needs{}
	}
	return s.actions[step.ID][0].Needs(s.scope())
}

// mayRun are the steps that are not switched off by parameters.
func (s *session) mayRun() (list []*engine.Step) {
	for _, step := range slices.Concat(s.Steps, s.Finally) {
		if !step.Never && (s.only == nil || s.only(step)) {
			list = append(list, step)
		}
	}
	return list
}

// listStores asks each store for one key under every prefix that the plan's steps use, so that a wrong bucket or missing right is found before
// anything is done.
func (s *session) listStores(ctx context.Context) error {
	asked := map[steps.Place]bool{}
	for _, p := range s.places() {
		only := steps.Place{Store: p.Store, Prefix: p.Prefix}
		if asked[only] {
			continue
		}
		asked[only] = true
		if err := s.listPlace(ctx, p.Place); err != nil {
			return err
		}
	}
	return nil
}

// listPlace asks for one key below a prefix.
func (s *session) listPlace(ctx context.Context, p steps.Place) error {
	err := bounded(ctx, openTimeout, func(ctx context.Context) error {
		for _, err := range s.stores[p.Store].List(ctx, p.Prefix, objectstore.ListOptions{PageSize: 1}) {
			return err
		}
		return nil
	})
	if err != nil {
		return storeError(s.storeName(p.Store), err)
	}
	return nil
}

// openStore makes a store of its spec, once all its values are read. Nothing is connected yet.
func (s *session) openStore(ctx context.Context, name string) error {
	store, err := stores.Open(ctx, s.specs[name], s.resolver.Value, s.baseDir)
	if err != nil {
		return usage(fmt.Errorf("open store %s: %w", name, err))
	}
	s.stores[name] = store
	return nil
}

// storeError says what to do about a store that cannot be listed.
func storeError(name string, err error) error {
	switch {
	case errors.Is(err, objectstore.ErrNoBucket):
		return usage(fmt.Errorf("store %s: %w; create it, or correct the bucket's name", name, err))
	case errors.Is(err, objectstore.ErrDenied):
		return exit{code: engine.ExitDenied, err: fmt.Errorf("store %s: %w; the keys must be valid, and must be allowed to list the bucket", name, err)}
	}
	return fmt.Errorf("store %s: %w", name, err)
}

func (s *session) storeName(name string) string { return cmp.Or(name, "(default)") }
