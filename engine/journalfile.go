package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// FileJournal is a journal in a local file. It is for one writer at a time and not safe for several goroutines.
type FileJournal struct {
	file *os.File
	seq  int64 // of the last record
	buf  []byte
	err  error // the first failure; nothing is written after it
}

// CreateJournal makes a journal at path, which must not exist, with its first records. Folders that are missing are made, for
// the owner alone, as is the file.
func CreateJournal(path string, records ...Record) (*FileJournal, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("create journal: %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create journal: %w", err)
	}
	j := &FileJournal{file: f, buf: []byte(journalHeader)}
	if err := j.write(records); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if err := syncFolder(filepath.Dir(path)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return j, nil
}

// OpenJournal opens a journal to go on with it and returns what it holds. A torn tail is cut off; damage before the end is an error,
// and nothing is changed.
func OpenJournal(path string) (*FileJournal, []JournalEntry, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("open journal: %w", err)
	}
	entries, intact, err := ReadJournal(f)
	if err == nil {
		err = f.Truncate(intact)
	}
	if err == nil {
		_, err = f.Seek(intact, io.SeekStart)
	}
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("open journal %s: %w", path, err), f.Close())
	}
	j := &FileJournal{file: f, seq: int64(len(entries))}
	if intact == 0 {
		j.buf = []byte(journalHeader)
	}
	return j, entries, nil
}

// Append writes records as one frame and returns when they are on disk.
func (j *FileJournal) Append(ctx context.Context, records ...Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if j.err != nil || len(records) == 0 {
		return j.err
	}
	j.err = j.write(records)
	return j.err
}

// write writes what buf holds already, and records behind it.
func (j *FileJournal) write(records []Record) error {
	var err error
	if len(records) > 0 {
		if j.buf, err = appendFrame(j.buf, j.seq+1, time.Now(), records); err != nil {
			return fmt.Errorf("append to journal %s: %w", j.file.Name(), err)
		}
	}
	if _, err = j.file.Write(j.buf); err != nil {
		return fmt.Errorf("append to journal: %w", err)
	}
	if err = j.file.Sync(); err != nil {
		return fmt.Errorf("append to journal: %w", err)
	}
	j.seq += int64(len(records))
	j.buf = j.buf[:0]
	return nil
}

// Close closes the file. All that was appended is on disk already.
func (j *FileJournal) Close() error {
	if err := j.file.Close(); err != nil {
		return fmt.Errorf("close journal: %w", err)
	}
	return nil
}

// syncFolder makes a new file's name survive a crash.
func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("sync folder of journal: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync folder of journal %s: %w", path, err)
	}
	return nil
}
