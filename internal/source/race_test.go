package source

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// changes are what may happen to d/f between the decision and the reading.
func changes(t *testing.T) map[string]func(*testing.T, string) {
	outside := filepath.Join(t.TempDir(), "canary")
	must(t, os.WriteFile(outside, []byte("canary"), 0o644))
	change := func(f func(at string) error) func(*testing.T, string) {
		return func(t *testing.T, dir string) { must(t, f(filepath.Join(dir, "d", "f"))) }
	}
	instead := func(f func(at string) error) func(*testing.T, string) {
		return change(func(at string) error { return errors.Join(os.Remove(at), f(at)) })
	}
	return map[string]func(*testing.T, string){
		"grown":        change(func(at string) error { return os.WriteFile(at, []byte("longer"), 0o644) }),
		"shrunk":       change(func(at string) error { return os.Truncate(at, 1) }),
		"rewritten":    change(func(at string) error { return os.Chtimes(at, stamp(), stamp()) }),
		"removed":      change(os.Remove),
		"another file": instead(func(at string) error { return os.WriteFile(at, []byte("text"), 0o644) }),
		"link out":     instead(func(at string) error { return os.Symlink(outside, at) }),
		"link in":      instead(func(at string) error { return os.Symlink("../g", at) }),
		"named pipe":   instead(func(at string) error { return syscall.Mkfifo(at, 0o644) }),
		"folder":       instead(func(at string) error { return os.Mkdir(at, 0o755) }),
		"folder a link": func(t *testing.T, dir string) {
			must(t, os.Rename(dir+"/d", dir+"/e"))
			must(t, os.Symlink("e", dir+"/d"))
		},
		"folder link out": func(t *testing.T, dir string) {
			must(t, os.RemoveAll(dir+"/d"))
			must(t, os.Symlink(filepath.Dir(outside), dir+"/d"))
		},
		"folder a file": func(t *testing.T, dir string) {
			must(t, os.RemoveAll(dir+"/d"))
			must(t, os.WriteFile(dir+"/d", nil, 0o644))
		},
	}
}

// Whatever a file turns into between the decision and the reading, nothing from outside is packed and nothing blocks.
func TestFilesThatChangeWhileTheyArePackedAreNamed(t *testing.T) {
	for name, act := range changes(t) {
		t.Run(name, func(t *testing.T) {
			dir := files{"d/f": "text", "g": "other", "a": ""}.make(t, t.TempDir())
			keep, err := os.Open(filepath.Join(dir, "d", "f")) // the inode is not used again
			must(t, err)
			defer keep.Close()
			root, err := openRoot(dir)
			must(t, err)
			defer root.Close()
			found, err := scan(t.Context(), dir, root, Options{}, limits{entries: maxEntries, unpacked: maxUnpacked})
			must(t, err)
			act(t, dir)
			a, err := write(t.Context(), dir, root, found, Options{})
			if name == "folder a link" && err == nil { // the same file, inside
				a.Close()
				return
			}
			if !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), "d/f: it changed") {
				t.Errorf("error %v", err)
			}
		})
	}
}

// A file is swapped for a link out of the directory, a pipe and back, all the while.
func TestNothingFromOutsideIsPackedInARace(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "canary")
	must(t, os.WriteFile(outside, []byte("canary"), 0o644))
	dir := files{"d/f": "inside", "a": ""}.make(t, t.TempDir())
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- swap(ctx, filepath.Join(dir, "d"), outside) }()
	packedOnce := false
	for round := 0; round < 300 || !packedOnce; round++ {
		a, err := Pack(t.Context(), dir, Options{Exclude: []string{"new"}})
		var refused *RefusedError
		switch {
		case err == nil:
			for name, text := range contents(t, a) {
				if strings.Contains(text, "canary") {
					t.Errorf("%s: %s", name, text)
				}
			}
			packedOnce = true
			must(t, a.Close())
		case !errors.Is(err, ErrChanged) && !errors.As(err, &refused):
			t.Errorf("error %v", err)
		}
	}
	stop()
	must(t, <-done)
}

func swap(ctx context.Context, folder, outside string) error {
	at, next := filepath.Join(folder, "f"), filepath.Join(folder, "new")
	for ctx.Err() == nil {
		for _, make := range []func() error{
			func() error { return os.Symlink(outside, next) },
			func() error { return os.WriteFile(next, []byte("inside"), 0o644) },
			func() error { return syscall.Mkfifo(next, 0o644) },
			func() error { return os.WriteFile(next, []byte("inside"), 0o644) },
		} {
			if err := errors.Join(make(), os.Rename(next, at)); err != nil {
				return err
			}
		}
	}
	return nil
}
