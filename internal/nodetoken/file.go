package nodetoken

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// folder keeps tokens as files of one folder, readable by their owner only.
type folder struct {
	dir, name string
	sources   []string // the server's own token files: no copies
	hide      func(string)
}

func openFile(path string, o Options) (Place, error) {
	return &folder{dir: filepath.Dir(path), name: filepath.Base(path), sources: []string{K3sFile, RKE2File, o.Source}, hide: o.Hide}, nil
}

// Target implements Place.
func (f *folder) Target(slot string) string {
	return "file " + filepath.Join(f.dir, slotName(f.name, slot))
}

// Look implements Place. An empty file counts as none. A symbolic link is not followed: what it leads to is somebody else's.
func (f *folder) Look(ctx context.Context, slot string) (Kept, error) {
	kept, err := f.look(ctx, slotName(f.name, slot))
	if err != nil {
		return kept, fmt.Errorf("read %s: %w", f.Target(slot), err)
	}
	return kept, nil
}

func (f *folder) look(ctx context.Context, name string) (kept Kept, err error) {
	if err := ctx.Err(); err != nil {
		return kept, err
	}
	root, err := f.root()
	if err != nil {
		return kept, err
	}
	defer root.Close()
	info, err := root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return kept, fmt.Errorf("%w: there is no such file", ErrNone)
	case err != nil:
		return kept, err
	case !info.Mode().IsRegular():
		return kept, refuse("it is a symbolic link, a folder or something else that is no file")
	case f.isSource(info):
		return kept, ErrSource
	}
	kept.Updated, kept.into = info.ModTime().UTC(), true
	file, err := root.Open(name)
	if err != nil {
		return kept, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxLen+64))
	switch {
	case err != nil:
		return kept, err
	case strings.TrimSpace(string(data)) == "":
		return kept, fmt.Errorf("%w: the file is empty", ErrNone)
	}
	kept.Token, err = parseHidden(string(data), f.hide)
	return kept, err
}

// root opens the folder, which has to be there: one that is made where a disk is not mounted would hide that.
func (f *folder) root() (*os.Root, error) {
	root, err := os.OpenRoot(f.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: make or mount %s", ErrNoFolder, f.dir)
	}
	return root, err
}

// Put implements Place: a temporary file with mode 0600, fsync, rename, fsync of the folder.
func (f *folder) Put(ctx context.Context, slot string, token Token, _ Kept) error {
	if err := f.put(ctx, slotName(f.name, slot), token.raw+"\n"); err != nil {
		return fmt.Errorf("write %s: %w", f.Target(slot), err)
	}
	return nil
}

func (f *folder) put(ctx context.Context, name, text string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	root, err := f.root()
	if err != nil {
		return err
	}
	defer root.Close()
	if there, err := root.Lstat(name); err == nil && f.isSource(there) {
		return ErrSource
	}
	f.clean(root)
	tmp := f.temp() + rand.Text()
	defer root.Remove(tmp) // gone already where it was renamed
	file, err := root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.WriteString(file, text)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	if err := root.Rename(tmp, name); err != nil {
		return err
	}
	return sync(root)
}

// sync makes a rename durable.
func sync(root *os.Root) error {
	d, err := root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (f *folder) temp() string { return "." + f.name + ".plan-" }

// clean removes what a run that was killed has left, once no other run can be at it.
func (f *folder) clean(root *os.Root) {
	const old = time.Hour
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return
	}
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && info.Mode().IsRegular() && strings.HasPrefix(e.Name(), f.temp()) && time.Since(info.ModTime()) > old {
			_ = root.Remove(e.Name()) // the next run tries again
		}
	}
}

// isSource tells whether a file of the folder is one that a server has its token in, under whatever name.
func (f *folder) isSource(there fs.FileInfo) bool {
	return slices.ContainsFunc(f.sources, func(path string) bool {
		source, err := os.Stat(path)
		return err == nil && os.SameFile(there, source)
	})
}

// Late implements Place: a rename is done or not.
func (f *folder) Late(Kept) bool { return false }
