package lock

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// A Probe has a lock for some microseconds, so one that is in the way is asked a few times before somebody is said to have it.
const (
	probeTries = 10
	probePause = 10 * time.Millisecond
	filePoll   = 250 * time.Millisecond
)

// maxHolder bounds what is read from a lock's file.
const maxHolder = 4 << 10

// File takes the lock of a file, which is made if it is missing, as are its folders, for the owner alone. It ends with the process, however
// that ends. A HeldError when another has it and Options.Wait is over. The file stays: it says who had it last.
func File(ctx context.Context, path string, h Holder, o Options) (*Held, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("take lock: %w", err)
	}
	end := time.Now().Add(o.Wait)
	for try := 1; ; try++ {
		f, err := tryFile(path, true)
		if err == nil {
			return heldFile(f, h)
		}
		if !errors.Is(err, ErrHeld) {
			return nil, fmt.Errorf("take lock %s: %w", path, err)
		}
		pause := probePause
		if try >= probeTries {
			if pause = min(filePoll, time.Until(end)); pause <= 0 {
				return nil, fileHeld(path)
			}
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("take lock %s: %w", path, ctx.Err())
		case <-time.After(pause):
		}
	}
}

// Probe tells whether somebody has the lock of a file. A file that is missing is had by nobody.
func Probe(path string) (bool, error) {
	f, err := tryFile(path, false)
	switch {
	case err == nil:
		return false, f.Close()
	case errors.Is(err, ErrHeld):
		return true, nil
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	}
	return false, fmt.Errorf("look at lock %s: %w", path, err)
}

// tryFile opens and locks: alone, making the file, or shared, as a probe.
func tryFile(path string, alone bool) (*os.File, error) {
	flags := os.O_RDONLY
	if alone {
		flags = os.O_RDWR | os.O_CREATE
	}
	for {
		f, err := os.OpenFile(path, flags, 0o600)
		if err != nil {
			return nil, err
		}
		if err := flock(f, alone); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		same, err := isAt(f, path)
		if err == nil && same {
			return f, nil
		}
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
		// Removed with its folder while we waited: a lock on what has no name locks nothing.
	}
}

func isAt(f *os.File, path string) (bool, error) {
	ours, err := f.Stat()
	if err != nil {
		return false, err
	}
	now, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(ours, now), err
}

// heldFile writes who has the lock into its file. That is for people, so it is not synced.
func heldFile(f *os.File, h Holder) (*Held, error) {
	text, err := json.Marshal(h)
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.WriteAt(append(text, '\n'), 0)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("take lock %s: %w", f.Name(), err), f.Close())
	}
	return &Held{lost: make(chan struct{}), release: func(context.Context) error {
		if err := f.Close(); err != nil {
			return fmt.Errorf("release lock: %w", err)
		}
		return nil
	}}, nil
}

// fileHeld says who has the lock of a file, as far as the file says so.
func fileHeld(path string) error {
	e := &HeldError{Lock: "lock " + path}
	f, err := os.Open(path)
	if err != nil {
		return e
	}
	defer f.Close()
	if text, err := io.ReadAll(io.LimitReader(f, maxHolder)); err == nil && json.Unmarshal(text, &e.Holder) == nil {
		if info, err := f.Stat(); err == nil {
			e.Since = info.ModTime()
		}
	}
	return e
}
