package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"plan/engine"
)

// journal makes the run's journal in the state directory.
func (s *session) journal(dir, run string, started time.Time) (engine.Journal, string, error) {
	dir, err := stateDir(dir)
	if err != nil {
		return nil, "", usage(err)
	}
	path := filepath.Join(dir, "runs", run, "journal")
	host, _ := os.Hostname()
	journal, err := engine.CreateJournal(path, engine.RunStartedRecord{
		Run: run, Invocation: 1, Plan: s.Name, File: s.File, PlanHash: s.Hash, Started: started,
		Cluster: s.cluster.Name, ClusterUID: s.uid, Host: host, PID: os.Getpid(), BootID: bootID(), PIDStarted: pidStarted(),
	})
	if errors.Is(err, fs.ErrExist) {
		return nil, "", usage(fmt.Errorf("run %s exists already in %s; resuming a run is not in this version of plan: choose another --run-id", run, dir))
	}
	if err != nil {
		return nil, "", usage(fmt.Errorf("record the run: %w; --state-dir names another place", err))
	}
	return maskedJournal{journal, s.app.masker, s.resolver}, path, nil
}

// stateDir follows the XDG base directory specification. A user without a home, as in a minimal pod, gets a folder of its own among the temporary files.
func stateDir(given string) (string, error) {
	if given != "" {
		return filepath.Abs(given)
	}
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "plan"), nil
	}
	if home, err := os.UserHomeDir(); err == nil && filepath.IsAbs(home) {
		if err := os.MkdirAll(filepath.Join(home, ".local", "state", "plan"), 0o700); err == nil {
			return filepath.Join(home, ".local", "state", "plan"), nil
		}
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("plan-%d", os.Getuid())), nil
}
