// Package runstore keeps runs: in a folder of this machine, or in a cluster, one ConfigMap each.
package runstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"plan/engine"
)

var (
	// ErrExists means that there is a run of that id.
	ErrExists = errors.New("the run exists already")
	// ErrNotFound means that there is no run of that id.
	ErrNotFound = errors.New("no such run")
	// ErrRunning means that a living process has the run.
	ErrRunning = errors.New("the run is going on")
	// ErrNotRunning means that no process has the run.
	ErrNotRunning = errors.New("the run is not going on")
)

// Journal is what a run writes as it goes on. Closing it lets others have the run.
type Journal = engine.Journal

// Store keeps runs. Ids that engine.CheckRunID refuses are errors everywhere.
type Store interface {
	// Create begins a run. ErrExists when there is one of that id.
	Create(ctx context.Context, id string, first engine.RunStartedRecord) (Journal, error)
	// Open goes on with a run: all it holds, and a journal to append to. ErrNotFound; ErrRunning when a living process has it. The store
	// of a cluster does not know that: the lock decides, and whoever had the journal before gets ErrForeignWriter.
	Open(ctx context.Context, id string) (Journal, []engine.JournalEntry, error)
	// Read reads a run without going on with it. ErrNotFound. Of one that is damaged the entries before the damage come with the error.
	Read(ctx context.Context, id string) ([]engine.JournalEntry, error)
	// List gives all runs, newest first; those that cannot be read come last and have a Problem.
	List(ctx context.Context) ([]Summary, error)
	// Cancel asks the process that has a run to stop. ErrNotFound, ErrNotRunning.
	Cancel(ctx context.Context, id string) error
	// Delete removes a run that is not going on, with all that is kept of it. ErrNotFound, ErrRunning.
	Delete(ctx context.Context, id string) error
	// KeepLogs opens the logs of a run's pods, to keep more. The keeper has to be closed.
	KeepLogs(ctx context.Context, id string) LogKeeper
	// Logs are the logs of a run's pods that are kept, the oldest first. ErrNotFound when there is no such run. Of logs that are damaged
	// the others come with the error.
	Logs(ctx context.Context, id string) ([]Log, error)
	// Cancelled tells the process that has a run whether it was asked to stop.
	Cancelled(ctx context.Context, id string) (bool, error)
	// Describe says where a run is kept, for people.
	Describe(id string) string
}

// Summary is what a list says of a run.
type Summary struct {
	ID, Plan, File string
	Started        time.Time       // of the run; zero with a Problem
	History        *engine.History // nil with a Problem
	Running        bool            // a living process has it; the store of a cluster does not know and says false
	Bytes          int64           // what it occupies
	Problem        string          // why it cannot be read; what is in it may have come from elsewhere
}

// summarise fills in what a run's entries tell.
func (s *Summary) summarise(entries []engine.JournalEntry, err error) {
	var h *engine.History
	if err == nil {
		h, err = engine.Fold(entries)
	}
	if err != nil {
		s.Problem = err.Error()
		return
	}
	s.History, s.Plan, s.File, s.Started = h, h.Last.Plan, h.Last.File, h.Last.Started
}

// toCancel is the history of a run that somebody wants cancelled.
func toCancel(ctx context.Context, s Store, id string) (*engine.History, error) {
	entries, err := s.Read(ctx, id)
	if err != nil {
		return nil, err
	}
	h, err := engine.Fold(entries)
	if err != nil {
		return nil, fmt.Errorf("cancel run %s: %w", id, err)
	}
	return h, nil
}
