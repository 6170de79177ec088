package source

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"syscall"
)

// cursor has one folder open at a time, so that what is next to it or in it is found without going all the way down again.
type cursor struct {
	root *os.Root
	at   *os.Root // the folder at path, or nil
	path string
}

// folder opens a folder below the root, provided that it is still the one that was seen, if seen is given. The result is the cursor's,
// and good until the next call.
func (c *cursor) folder(name string, seen fs.FileInfo) (*os.Root, error) {
	name = path.Join(".", name)
	if c.at != nil && c.path == name {
		return c.at, nil
	}
	from, rest := c.root, name
	if c.at != nil && path.Dir(name) == c.path {
		from, rest = c.at, path.Base(name)
	}
	sub, err := from.OpenRoot(rest)
	if err != nil {
		return nil, err
	}
	c.close()
	c.at, c.path = sub, name
	if seen == nil {
		return sub, nil
	}
	info, err := sub.Stat(".")
	if err == nil && !os.SameFile(info, seen) {
		err = ErrChanged
	}
	return sub, err
}

func (c *cursor) close() {
	if c.at != nil {
		c.at.Close()
		c.at = nil
	}
}

// open opens a file, provided that it is still the one that was seen. Without O_NONBLOCK a named pipe in its place would block.
func open(root *os.Root, name string, seen fs.FileInfo) (*os.File, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && (!os.SameFile(info, seen) || !info.Mode().IsRegular()) {
		err = ErrChanged
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// orChanged is ErrChanged where what was seen before could not be opened because it is something else now, or nothing.
func orChanged(err error) error {
	var errno syscall.Errno
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &errno): // of os.Root: a link out of the directory
		return ErrChanged
	case slices.Contains([]syscall.Errno{syscall.ENOENT, syscall.ENOTDIR, syscall.ELOOP, syscall.ENXIO}, errno):
		return ErrChanged
	}
	return err
}
