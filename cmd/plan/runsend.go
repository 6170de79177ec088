package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"plan/internal/printable"
	"plan/internal/runstore"
)

// CancelCmd stops a run.
type CancelCmd struct {
	RunID string `arg:"" name:"run" help:"The run: its id, a beginning of it that is unique, or latest." placeholder:"RUN"`
	ManageFlags
}

// Run is `plan cancel`. It returns when the run was asked, not when it has stopped.
func (c *CancelCmd) Run(a *app) error {
	signals := watchSignals()
	defer signals.stop()
	store, run, err := c.find(signals.ctx, a, c.RunID)
	if err != nil {
		return signals.instead(err)
	}
	switch err := store.Cancel(signals.ctx, run.ID); {
	case errors.Is(err, runstore.ErrNotRunning):
		return usage(fmt.Errorf("run %s: %w; nothing was done", run.ID, err))
	case err != nil:
		return signals.instead(err)
	}
	fmt.Fprintf(a.err, "plan: run %s was asked to stop; what runs gets ten seconds, then finally\n", printable.String(run.ID))
	return nil
}

// DeleteCmd removes runs.
type DeleteCmd struct {
	RunIDs []string `arg:"" name:"run" help:"Runs: their ids, beginnings that are unique, or latest." placeholder:"RUN"`
	Force  bool     `help:"Also one that is kept in the cluster and is not at its end: a process may be going on with it."`
	ManageFlags
}

// Run is `plan delete`.
func (c *DeleteCmd) Run(a *app) error {
	signals := watchSignals()
	defer signals.stop()
	store, list, err := c.list(signals.ctx, a)
	if err != nil {
		return signals.instead(err)
	}
	var ids []string
	for _, word := range c.RunIDs { // all are found before any is removed
		run, err := runstore.Find(list, word)
		if err != nil {
			return usage(fmt.Errorf("%w; nothing was deleted", err))
		}
		if h := run.History; c.inCluster(a) && h != nil && h.Ended == nil && !c.Force {
			return usage(fmt.Errorf("run %s is not at its end, and a process may be going on with it; nothing was deleted; --force deletes it all the same", run.ID))
		}
		if !slices.Contains(ids, run.ID) {
			ids = append(ids, run.ID)
		}
	}
	for _, id := range ids {
		if err := store.Delete(signals.ctx, id); err != nil {
			return signals.instead(err)
		}
		fmt.Fprintf(a.err, "plan: run %s is deleted\n", printable.String(id))
	}
	return nil
}

// stepNames are ids for messages.
func stepNames(ids []string) string { return strings.Join(slices.Sorted(slices.Values(ids)), ", ") }
