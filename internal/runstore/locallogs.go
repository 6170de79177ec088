package runstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"plan/engine"
)

// localLogs is the folder logs of a run: logs/STEP/NAME.ATTEMPT, for the owner alone.
type localLogs struct{ dir string }

func (s *LocalStore) logs(id string) string { return filepath.Join(s.dir, id, "logs") }

// KeepLogs implements Store.
func (s *LocalStore) KeepLogs(_ context.Context, id string) LogKeeper { return localLogs{s.logs(id)} }

// Keep implements LogKeeper.
func (k localLogs) Keep(l Log) error {
	if err := l.check(); err != nil {
		return err
	}
	folder := filepath.Join(k.dir, fileName(l.Of))
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("keep the log of %s: %w", l.Name, err)
	}
	if err := replace(filepath.Join(folder, fileName(l.Name)+"."+strconv.Itoa(l.Attempt)), tail(l.Data), l.Time); err != nil {
		return fmt.Errorf("keep the log of %s: %w", l.Name, err)
	}
	return nil
}

// replace writes a file, so that there is the old one or the new one whenever somebody looks.
func replace(path string, data []byte, at time.Time) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // 0600
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close(), os.Chtimes(f.Name(), at, at)); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// Close implements LogKeeper. All that was kept is in its file.
func (k localLogs) Close(context.Context) error { return nil }

// Logs implements Store.
func (s *LocalStore) Logs(_ context.Context, id string) ([]Log, error) {
	if err := engine.CheckRunID(id); err != nil {
		return nil, err
	}
	folders, err := os.ReadDir(s.logs(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, s.there(id)
	}
	var logs []Log
	for _, folder := range folders {
		var some []Log
		if err == nil {
			some, err = readLogs(filepath.Join(s.logs(id), folder.Name()))
			logs = append(logs, some...)
		}
	}
	if err != nil {
		return logs, fmt.Errorf("read the logs of run %s: %w", id, err)
	}
	oldestFirst(logs)
	return logs, nil
}

// readLogs reads those of a step.
func readLogs(folder string) (logs []Log, err error) {
	of, err := nameOf(filepath.Base(folder))
	if err != nil {
		return nil, nil // nothing of ours
	}
	files, err := os.ReadDir(folder)
	for _, file := range files {
		l, err := readLog(folder, file.Name())
		if errors.Is(err, errNoName) || errors.Is(err, fs.ErrNotExist) { // one that is being written
			continue
		}
		if err != nil {
			return logs, err
		}
		l.Of = of
		logs = append(logs, l)
	}
	return logs, err
}

// readLog reads a file of a step's logs.
func readLog(folder, file string) (l Log, err error) {
	dot := strings.LastIndexByte(file, '.')
	if dot <= 0 {
		return l, errNoName
	}
	if l.Attempt, err = strconv.Atoi(file[dot+1:]); err != nil {
		return l, errNoName
	}
	if l.Name, err = nameOf(file[:dot]); err != nil {
		return l, err
	}
	f, err := os.Open(filepath.Join(folder, file))
	if err != nil {
		return l, err
	}
	defer f.Close()
	if l.Data, err = io.ReadAll(io.LimitReader(f, MaxLog)); err != nil {
		return l, err
	}
	info, err := f.Stat()
	if err == nil {
		l.Time = info.ModTime()
	}
	return l, err
}
