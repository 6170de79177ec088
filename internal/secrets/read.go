package secrets

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unicode/utf8"

	"plan/internal/printable"
)

// MaxSize is the longest value, in bytes, after one newline at its end was cut.
const MaxSize = 64 << 10

var (
	errNotSet     = errors.New("is not set")
	errNotRegular = errors.New("is not a regular file")
	errEmpty      = errors.New("is empty")
	errTooLong    = fmt.Errorf("is longer than %d KiB", MaxSize>>10)
	errNotUTF8    = errors.New("is not UTF-8 text")
)

// clean cuts one newline at the end and refuses what cannot be a value. The error does not hold it.
func clean(raw string) (string, error) {
	value := raw
	if cut, ok := strings.CutSuffix(value, "\n"); ok {
		value = strings.TrimSuffix(cut, "\r")
	}
	switch {
	case value == "":
		return "", errEmpty
	case len(value) > MaxSize:
		return "", errTooLong
	case !utf8.ValidString(value):
		return "", errNotUTF8
	}
	return value, nil
}

func readEnv(name string, lookup func(string) (string, bool)) (string, error) {
	raw, ok := lookup(name)
	if !ok {
		return "", errNotSet
	}
	return clean(raw)
}

// readFile reads a regular file, also through symbolic links: that is how Kubernetes mounts a Secret. Opening anything else could
// wait for ever (a FIFO) or have an effect (a device), so it is not opened; O_NONBLOCK is for one that appears in between.
func readFile(path string) (string, error) {
	if info, err := os.Stat(path); err != nil {
		return "", withoutPath(err)
	} else if !info.Mode().IsRegular() {
		return "", errNotRegular
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", withoutPath(err)
	}
	defer func() { _ = f.Close() }() // it was only read
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return "", errNotRegular
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxSize+int64(len("\r\n"))+1))
	if err != nil {
		return "", withoutPath(err)
	}
	return clean(string(data))
}

// withoutPath takes off the path, which the message names once already.
func withoutPath(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// absolute is where a plan in folder base means path to be.
func absolute(base, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(base, path)
}

// nextStep tells the reader what to do about a value from env or a file.
func nextStep(s Source, path string, err error) string {
	switch {
	case s.Env != "" && errors.Is(err, errNotSet):
		return fmt.Sprintf("set the variable %s, or name another source", printable.String(s.Env))
	case s.Env != "":
		return fmt.Sprintf("give the variable %s a value", printable.String(s.Env))
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf("looked for %s; paths are relative to the plan file", printable.String(path))
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("let this user read %s", printable.String(path))
	}
	return "look at " + printable.String(path)
}

func kindOf(err error) Kind {
	switch {
	case errors.Is(err, errNotSet), errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return Missing
	case errors.Is(err, fs.ErrPermission):
		return Denied
	}
	return Invalid
}
