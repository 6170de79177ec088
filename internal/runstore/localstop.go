package runstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"plan/engine"
	"plan/internal/lock"
)

// Cancel implements Store: it sends SIGINT to the process that the last RunStartedRecord names, and only if it is that very process. The
// run of another host is an error that names it.
func (s *LocalStore) Cancel(ctx context.Context, id string) error {
	h, err := toCancel(ctx, s, id)
	if err != nil {
		return err
	}
	held, err := lock.Probe(s.lock(id))
	if err != nil {
		return fmt.Errorf("cancel run %s: %w", id, err)
	}
	who, self := of(h.Last), Process()
	switch {
	case h.Ended != nil || h.Suspended:
		return fmt.Errorf("cancel run %s: %w", id, ErrNotRunning)
	case who.Host != self.Host:
		return fmt.Errorf("cancel run %s: it was begun on host %s, and this is %s: cancel it there", id, who.Host, self.Host)
	case !held:
		return fmt.Errorf("cancel run %s: %w: its process has ended; plan resume goes on with it", id, ErrNotRunning)
	}
	return interrupt(id, who, self)
}

// interrupt sends SIGINT to the very process. It is held by a handle before it is looked at, so that its pid cannot go to another one
// in between (where the system has such handles: pidfd_open(2)).
func interrupt(id string, who, self Identity) error {
	if who.PID <= 0 {
		return fmt.Errorf("cancel run %s: its journal names no process", id)
	}
	p, err := os.FindProcess(who.PID)
	if err != nil {
		return fmt.Errorf("cancel run %s: find process %d: %w", id, who.PID, err)
	}
	defer p.Release() //nolint:errcheck // it frees a handle
	if !who.alive(self) {
		return fmt.Errorf("cancel run %s: process %d is not, or not for certain, the one that has it; if it is, interrupt it with kill -INT %d", id, who.PID, who.PID)
	}
	if err := p.Signal(os.Interrupt); err != nil {
		if errors.Is(err, os.ErrProcessDone) {
			err = ErrNotRunning
		}
		return fmt.Errorf("cancel run %s: interrupt process %d: %w", id, who.PID, err)
	}
	return nil
}

// Cancelled implements Store. A local process gets a signal instead.
func (s *LocalStore) Cancelled(context.Context, string) (bool, error) { return false, nil }

// Delete implements Store. The journal goes first: a run that was deleted halfway is none.
func (s *LocalStore) Delete(ctx context.Context, id string) error {
	if err := engine.CheckRunID(id); err != nil {
		return err
	}
	if _, err := os.Lstat(s.folder(id)); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete run %s from %s: %w", id, s.dir, ErrNotFound)
	}
	held, err := s.take(ctx, id)
	if errors.Is(err, lock.ErrHeld) {
		return fmt.Errorf("delete run %s: %w: %w", id, ErrRunning, err)
	}
	if err != nil {
		return fmt.Errorf("delete run %s: %w", id, err)
	}
	err = os.Remove(s.journal(id))
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = os.RemoveAll(s.folder(id))
	}
	if err := errors.Join(err, held.Release(ctx)); err != nil {
		return fmt.Errorf("delete run %s: %w", id, err)
	}
	return nil
}
