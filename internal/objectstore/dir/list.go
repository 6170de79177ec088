package dir

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	"slices"
	"strings"

	"plan/internal/objectstore"
)

// List implements objectstore.Store. It keeps the names of one folder at each
// level in memory, so it grows with the widest folder and not with the store.
func (s *Store) List(ctx context.Context, prefix string, o objectstore.ListOptions) iter.Seq2[objectstore.Object, error] {
	return func(yield func(objectstore.Object, error) bool) {
		w := walk{alive: ctx.Err, prefix: prefix, shallow: o.Shallow, yield: yield}
		err := ctx.Err()
		if err == nil {
			w.root, err = s.open()
		}
		if err == nil {
			defer w.root.Close()
			err = w.folder("")
		} else if errors.Is(err, fs.ErrNotExist) {
			return // nothing was put yet
		}
		if err != nil && !errors.Is(err, errStop) {
			yield(objectstore.Object{}, s.fail("list", prefix, err))
		}
	}
}

// errStop says that the consumer wants no more.
var errStop = errors.New("stop")

// walk is one call of List.
type walk struct {
	alive   func() error
	root    *os.Root
	prefix  string
	shallow bool
	yield   func(objectstore.Object, error) bool
}

// folder yields what is below dir, which is "" or ends in "/".
func (w *walk) folder(dir string) error {
	entries, err := w.entries(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := w.alive(); err != nil {
			return err
		}
		path := dir + e
		if strings.HasSuffix(path, "/") {
			err = w.folder(path)
		} else {
			err = w.file(path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) file(path string) error {
	fi, err := w.root.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // deleted meanwhile
	}
	if err != nil {
		return err
	}
	if !w.yield(objectstore.Object{Key: path, Size: fi.Size(), LastModified: fi.ModTime()}, nil) {
		return errStop
	}
	return nil
}

// entries reads a folder in pieces and keeps, sorted, what the prefix may match.
// Folders have a "/" at their end: what is below "a/" then comes after "a-b"
// and before "a0", as its keys must.
func (w *walk) entries(dir string) ([]string, error) {
	const piece = 1000
	f, err := w.root.Open("./" + dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // removed meanwhile
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var found []string
	for {
		part, err := f.ReadDir(piece)
		for _, d := range part {
			if e := w.want(dir, d); e != "" {
				found = append(found, e)
			}
		}
		if err == io.EOF {
			slices.Sort(found)
			return found, nil
		}
		if err == nil {
			err = w.alive()
		}
		if err != nil {
			return nil, err
		}
	}
}

// want gives the entry, "" for what is no part of the listing: the store's own
// folder, links and devices, and names the prefix excludes.
func (w *walk) want(dir string, d fs.DirEntry) string {
	path := dir + d.Name()
	switch {
	case path == hidden:
		return ""
	case d.Type().IsRegular() && strings.HasPrefix(path, w.prefix):
		return d.Name()
	case !d.IsDir():
		return ""
	}
	path += "/"
	inside := strings.HasPrefix(path, w.prefix) && (!w.shallow || path == w.prefix)
	if inside || strings.HasPrefix(w.prefix, path) {
		return d.Name() + "/"
	}
	return ""
}
