package dir

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"
	"time"
)

// createTemp makes a file that nobody else has.
func createTemp(root *os.Root) (*os.File, error) {
	return root.OpenFile(tmpDir+"/"+rand.Text(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
}

// mkdirs makes the folders of dir that are missing, durably.
func mkdirs(root *os.Root, dir string) error {
	if dir == "." {
		return nil
	}
	err := root.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrNotExist) {
		if err := mkdirs(root, path.Dir(dir)); err != nil {
			return err
		}
		err = root.Mkdir(dir, 0o700)
	}
	if errors.Is(err, fs.ErrExist) {
		if fi, err := root.Stat(dir); err == nil && !fi.IsDir() {
			return &fs.PathError{Op: "mkdir", Path: dir, Err: syscall.ENOTDIR}
		}
		return nil
	}
	if err != nil {
		return err
	}
	return syncDir(root, path.Dir(dir))
}

// syncDir makes a folder's names durable.
func syncDir(root *os.Root, dir string) error {
	f, err := root.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

func syncPath(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// acquire waits for the store's lock, which a process loses when it ends. It
// is held for a few file operations, so the wait is short. Within the process
// writers queue for turn; only one of them polls. Whoever has the lock sweeps
// what crashed writers left.
func (s *Store) acquire(ctx context.Context, root *os.Root) (unlock func(), err error) {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	f, err := flock(ctx, root)
	if err != nil {
		<-s.turn
		return nil, err
	}
	sweep(root)
	return func() {
		f.Close()
		<-s.turn
	}, nil
}

func flock(ctx context.Context, root *os.Root) (*os.File, error) {
	const pause = 5 * time.Millisecond
	f, err := root.OpenFile(lock, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			f.Close()
			return nil, &fs.PathError{Op: "flock", Path: lock, Err: err}
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, ctx.Err()
		case <-time.After(pause):
		}
	}
}

// sweep removes temporary files that nobody has written to for a day. What it
// cannot remove now it meets again.
func sweep(root *os.Root) {
	f, err := root.Open(tmpDir)
	if err != nil {
		return
	}
	defer f.Close()
	old, _ := f.ReadDir(-1)
	for _, d := range old {
		if fi, err := d.Info(); err == nil && time.Since(fi.ModTime()) > 24*time.Hour {
			_ = root.Remove(tmpDir + "/" + d.Name())
		}
	}
}

// untilDone ends a copy with ctx.
type untilDone struct {
	alive func() error
	body  io.Reader
}

func (u untilDone) Read(p []byte) (int, error) {
	if err := u.alive(); err != nil {
		return 0, err
	}
	return u.body.Read(p)
}
