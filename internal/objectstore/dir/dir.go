// Package dir keeps objects as files in a local directory.
//
// A key is the file's path below the root. Everything the store needs besides
// is in the hidden folder .plan-meta at the root:
//
//	.plan-meta/lock        taken (flock) while files get or lose their names
//	.plan-meta/tmp/…       bodies being written, swept after a day
//	.plan-meta/keys/H.json metadata of a key, H = SHA-256 of the key in hex
//
// The metadata file is durable before the object gets its name, so no crash
// shows an object without it; a crash in between leaves a metadata file
// without an object, which nothing reads. While an object is replaced the file
// holds both versions, told apart by SHA-256, and one again afterwards. A file
// that somebody else put into the directory is an object without metadata.
package dir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"plan/internal/objectstore"
)

const (
	hidden  = ".plan-meta"
	tmpDir  = hidden + "/tmp"
	keysDir = hidden + "/keys"
	lock    = hidden + "/lock"

	maxName = 255 // bytes of a file name, Linux NAME_MAX
)

// Config says where.
type Config struct {
	Path string
}

// Store is an objectstore.Store in a directory. Beyond the contract:
//   - The directory need not exist: a listing is then empty and nothing is
//     found; Put makes it (folders 0700, files 0600). A path that is not a
//     directory is ErrNoBucket.
//   - Keys are slash-separated file names: no empty part, no "." or "..", no
//     part over 255 bytes, none in .plan-meta; else ErrInvalid. A key cannot
//     be both an object and the folder of another one.
//   - Symbolic links are never followed out of the directory and are no
//     objects themselves. Folders that get empty stay.
//   - Writers in several processes exclude one another by flock. Where the
//     file system has no hard links, IfAbsent relies on that alone.
type Store struct {
	path string
	turn chan struct{} // see acquire
}

// New makes a Store. It touches nothing yet; a relative path counts from the
// folder the process is in now.
func New(c Config) (*Store, error) {
	if c.Path == "" || strings.ContainsRune(c.Path, 0) {
		return nil, fmt.Errorf("directory %q: not a path", c.Path)
	}
	path, err := filepath.Abs(c.Path)
	if err != nil {
		return nil, fmt.Errorf("directory %s: %w", c.Path, err)
	}
	return &Store{path: path, turn: make(chan struct{}, 1)}, nil
}

// String is the place, "dir:/path".
func (s *Store) String() string { return "dir:" + s.path }

// Head implements objectstore.Store.
func (s *Store) Head(ctx context.Context, key string) (objectstore.Info, error) {
	var info objectstore.Info
	err := s.with(ctx, key, func(root *os.Root) (err error) {
		info, err = head(root, key)
		return err
	})
	return info, s.fail("head", key, err)
}

// Get implements objectstore.Store.
func (s *Store) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, objectstore.Info, error) {
	var info objectstore.Info
	var file *os.File
	err := s.with(ctx, key, func(root *os.Root) (err error) {
		if info, err = head(root, key); err != nil {
			return err
		}
		if whole := offset == 0 && length < 0; !whole && (offset < 0 || offset >= info.Size) {
			return objectstore.ErrRange
		}
		file, err = root.Open(key)
		return err
	})
	if err != nil {
		return nil, objectstore.Info{}, s.fail("get", key, err)
	}
	part := info.Size - offset
	if length >= 0 {
		part = min(part, length)
	}
	fail := func(err error) error { return s.fail("get", key, err) }
	return &reader{alive: ctx.Err, file: file, section: io.NewSectionReader(file, offset, part), left: part, fail: fail}, info, nil
}

// with checks key and ctx and opens the root for f. An absent root is ErrNotFound.
func (s *Store) with(ctx context.Context, key string, f func(*os.Root) error) error {
	if err := errors.Join(ctx.Err(), checkKey(key)); err != nil {
		return err
	}
	root, err := s.open()
	if err != nil {
		return err
	}
	defer root.Close()
	return f(root)
}

// open is fs.ErrNotExist when there is no root yet.
func (s *Store) open() (*os.Root, error) {
	root, err := os.OpenRoot(s.path)
	if errors.Is(err, syscall.ENOTDIR) || err != nil && isFile(s.path) {
		return nil, fmt.Errorf("%w: %w", objectstore.ErrNoBucket, err)
	}
	return root, err
}

func isFile(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && !fi.IsDir()
}

func head(root *os.Root, key string) (objectstore.Info, error) {
	fi, err := root.Lstat(key)
	if err != nil {
		return objectstore.Info{}, err
	}
	if !fi.Mode().IsRegular() {
		return objectstore.Info{}, fs.ErrNotExist
	}
	meta, err := readMetadata(root, key)
	if err != nil {
		return objectstore.Info{}, err
	}
	object := objectstore.Object{Key: key, Size: fi.Size(), LastModified: fi.ModTime()}
	return objectstore.Info{Object: object, Metadata: meta}, nil
}

// reader ends with ctx, and with an error when the file has got shorter.
type reader struct {
	alive   func() error
	file    *os.File
	section *io.SectionReader
	left    int64
	fail    func(error) error
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.alive(); err != nil {
		return 0, r.fail(err)
	}
	n, err := r.section.Read(p)
	r.left -= int64(n)
	switch {
	case err == nil:
		return n, nil
	case err != io.EOF:
		return n, r.fail(err)
	case r.left != 0:
		return n, r.fail(io.ErrUnexpectedEOF)
	}
	return n, io.EOF
}

func (r *reader) Close() error { return r.file.Close() }

// checkKey is objectstore.CheckKey and what a file name cannot be.
func checkKey(key string) error {
	if err := objectstore.CheckKey(key); err != nil {
		return err
	}
	if !fs.ValidPath(key) || key == "." {
		return fmt.Errorf(`%w: no path of file names (an empty part, "." or "..")`, objectstore.ErrInvalid)
	}
	if first, _, _ := strings.Cut(key, "/"); first == hidden {
		return fmt.Errorf("%w: %s is the store's own folder", objectstore.ErrInvalid, hidden)
	}
	for part := range strings.SplitSeq(key, "/") {
		if len(part) > maxName {
			return fmt.Errorf("%w: a file name of %d bytes, the limit is %d", objectstore.ErrInvalid, len(part), maxName)
		}
	}
	return nil
}

// fail makes err the contract's error, nil of nil.
func (s *Store) fail(op, key string, err error) error {
	if err == nil {
		return nil
	}
	var kind error
	switch {
	case errors.Is(err, objectstore.ErrNoBucket):
	case errors.Is(err, fs.ErrPermission):
		kind = objectstore.ErrDenied
	case op == "put" && errors.Is(err, syscall.ENOTDIR): // the key of a folder is an object
		kind = objectstore.ErrInvalid
	case op != "put" && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)):
		kind = objectstore.ErrNotFound
	case errors.Is(err, fs.ErrExist):
		kind = objectstore.ErrExists
	}
	if kind != nil {
		err = fmt.Errorf("%w: %w", kind, err)
	}
	return &objectstore.Error{Op: op, Store: s.String(), Key: key, Err: err}
}
