package runstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"plan/engine"
	"plan/internal/lock"
)

// LocalStore keeps each run in a folder of its own: DIR/runs/ID/journal, and the logs of its pods below DIR/runs/ID/logs. A process that has a run has the lock of the file beside it, which
// ends with the process.
type LocalStore struct{ dir string }

// Local is the store in a folder, which need not exist.
func Local(dir string) *LocalStore { return &LocalStore{filepath.Join(dir, "runs")} }

// localJournal is a journal and the lock on its run.
type localJournal struct {
	*engine.FileJournal
	held *lock.Held
}

// Close implements engine.Journal.
func (j localJournal) Close() error {
	return errors.Join(j.FileJournal.Close(), j.held.Release(context.Background()))
}

func (s *LocalStore) folder(id string) string  { return filepath.Join(s.dir, id) }
func (s *LocalStore) journal(id string) string { return filepath.Join(s.dir, id, "journal") }
func (s *LocalStore) lock(id string) string    { return filepath.Join(s.dir, id, "lock") }

// EventsFile is where a run's events are to be kept: beside its journal. The caller makes the file, after Create; Delete removes it.
func (s *LocalStore) EventsFile(id string) string {
	return filepath.Join(s.dir, id, "events.ndjson")
}

// Count is how many runs there are, without a look into any.
func (s *LocalStore) Count() int {
	entries, _ := os.ReadDir(s.dir) // a folder that cannot be read has none to remove either
	return len(entries)
}

// Describe implements Store.
func (s *LocalStore) Describe(id string) string { return s.journal(id) }

// Create implements Store. When it returns, the run survives a loss of power.
func (s *LocalStore) Create(ctx context.Context, id string, first engine.RunStartedRecord) (Journal, error) {
	if err := s.vacant(ctx, id); err != nil {
		return nil, err
	}
	if err := makeFolders(s.folder(id)); err != nil {
		return nil, fmt.Errorf("create run %s: %w", id, err)
	}
	held, err := s.take(ctx, id)
	if errors.Is(err, lock.ErrHeld) {
		return nil, fmt.Errorf("create run %s in %s: %w: another process makes it", id, s.dir, ErrExists)
	}
	if err != nil {
		return nil, fmt.Errorf("create run %s: %w", id, err)
	}
	j, err := s.begin(ctx, id, first)
	if errors.Is(err, fs.ErrExist) {
		err = fmt.Errorf("create run %s in %s: %w", id, s.dir, ErrExists)
	}
	if err != nil {
		return nil, errors.Join(err, held.Release(ctx))
	}
	return localJournal{j, held}, nil
}

// vacant is nil when nothing is recorded of a run. A journal without a whole record was left by a process that ended before its run began.
func (s *LocalStore) vacant(ctx context.Context, id string) error {
	if err := s.there(id); errors.Is(err, ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	if _, err := s.Read(ctx, id); !errors.Is(err, ErrNotFound) { // sound or not
		return fmt.Errorf("create run %s in %s: %w", id, s.dir, ErrExists)
	}
	return nil
}

// begin makes the journal of a run whose lock we have, in the place of one that holds nothing.
func (s *LocalStore) begin(ctx context.Context, id string, first engine.RunStartedRecord) (*engine.FileJournal, error) {
	if err := s.vacant(ctx, id); err != nil { // another was faster
		return nil, err
	}
	if err := os.Remove(s.journal(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("create run %s: %w", id, err)
	}
	return engine.CreateJournal(s.journal(id), first)
}

// makeFolders makes what is missing of a path, for the owner alone, so that each name survives a loss of power.
func makeFolders(path string) error {
	err := os.Mkdir(path, 0o700)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeFolders(filepath.Dir(path)); err != nil {
			return err
		}
		err = os.Mkdir(path, 0o700)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// there is nil when the run has a journal, sound or not; else ErrNotFound, or why that is not known.
func (s *LocalStore) there(id string) error {
	if err := engine.CheckRunID(id); err != nil {
		return err
	}
	_, err := os.Lstat(s.journal(id))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("find run %s in %s: %w", id, s.dir, ErrNotFound)
	}
	if err != nil {
		return fmt.Errorf("find run %s: %w", id, err)
	}
	return nil
}

func (s *LocalStore) take(ctx context.Context, id string) (*lock.Held, error) {
	self := Process()
	return lock.File(ctx, s.lock(id), lock.Holder{Run: id, Host: self.Host, PID: self.PID}, lock.Options{})
}

// Open implements Store.
func (s *LocalStore) Open(ctx context.Context, id string) (Journal, []engine.JournalEntry, error) {
	if err := s.there(id); err != nil {
		return nil, nil, err
	}
	held, err := s.take(ctx, id)
	if errors.Is(err, lock.ErrHeld) {
		return nil, nil, fmt.Errorf("open run %s: %w: %w", id, ErrRunning, err)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("open run %s: %w", id, err)
	}
	j, entries, err := engine.OpenJournal(s.journal(id))
	if errors.Is(err, fs.ErrNotExist) { // deleted since; the lock has made the folder again
		err = errors.Join(fmt.Errorf("open run %s: %w", id, ErrNotFound), os.RemoveAll(s.folder(id)))
	}
	if err != nil {
		return nil, nil, errors.Join(err, held.Release(ctx))
	}
	return localJournal{j, held}, entries, nil
}

// Read implements Store. A torn tail is left out and left alone; a run of which nothing is recorded is none.
func (s *LocalStore) Read(_ context.Context, id string) ([]engine.JournalEntry, error) {
	if err := s.there(id); err != nil {
		return nil, err
	}
	f, err := os.Open(s.journal(id))
	if err != nil {
		return nil, fmt.Errorf("read run %s: %w", id, err)
	}
	defer f.Close()
	entries, _, err := engine.ReadJournal(f)
	if err != nil {
		return entries, fmt.Errorf("read run %s: %s: %w", id, f.Name(), err)
	}
	if len(entries) == 0 {
		return nil, fmt.Errorf("read run %s: %w: its process ended before the run began, and nothing was done", id, ErrNotFound)
	}
	return entries, nil
}

// List implements Store. A folder without a journal was left by a process that ended before its run began: it has a Problem, and can be
// deleted.
func (s *LocalStore) List(ctx context.Context) ([]Summary, error) {
	folders, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	folders = slices.DeleteFunc(folders, func(f fs.DirEntry) bool { return !f.IsDir() || engine.CheckRunID(f.Name()) != nil })
	list := make([]Summary, len(folders))
	var readers errgroup.Group
	readers.SetLimit(8)
	for i, f := range folders {
		readers.Go(func() error {
			list[i] = s.summary(ctx, f.Name())
			return ctx.Err()
		})
	}
	if err := readers.Wait(); err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	newestFirst(list)
	return list, nil
}

func (s *LocalStore) summary(ctx context.Context, id string) Summary {
	sum := Summary{ID: id}
	sum.summarise(s.Read(ctx, id))
	held, err := lock.Probe(s.lock(id))
	if err != nil && sum.Problem == "" {
		sum.Problem = err.Error()
	}
	sum.Running = held
	sum.Bytes = size(s.folder(id))
	return sum
}

// size is how many bytes the files below a folder have. What cannot be read counts nothing.
func size(folder string) (n int64) {
	_ = filepath.WalkDir(folder, func(_ string, f fs.DirEntry, err error) error {
		if err == nil && f.Type().IsRegular() {
			if info, err := f.Info(); err == nil {
				n += info.Size()
			}
		}
		return nil
	})
	return n
}

func newestFirst(list []Summary) {
	slices.SortFunc(list, func(a, b Summary) int {
		if c := b.Started.Compare(a.Started); c != 0 {
			return c
		}
		return strings.Compare(b.ID, a.ID)
	})
}
