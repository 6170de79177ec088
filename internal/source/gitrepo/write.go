package gitrepo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/go-git/go-git/v5/plumbing"

	"plan/internal/printable"
)

const (
	maxPath   = 4095 // bytes, of a path and of a link's target
	lfsPrefix = "version https://git-lfs.github.com/spec/"
	maxLFS    = 1024 // bytes of a pointer, by its specification
)

// writer writes folders of a pack below root. Every name is made anew, so that nothing is written through a link.
type writer struct {
	pack    *pack
	root    *os.Root
	most    limits
	alive   func() error
	entries int
	done    Fetched
}

// folder writes what is in a folder; dir is its path with a "/" at the end, "" for the root.
func (w *writer) folder(h plumbing.Hash, dir string) error {
	entries, err := w.pack.folder(h)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := w.alive(); err != nil {
			return err
		}
		if w.entries++; w.entries > w.most.files {
			return aboutf(invalid, "it has more than %d files and folders: name a folder of it as path, or let the pod fetch it (fetch: pod)", w.most.files)
		}
		err := checkName(e.name)
		if path := dir + e.name; err == nil && len(path) > maxPath {
			err = fmt.Errorf("the path is over %d bytes long", maxPath)
		}
		if err != nil {
			return aboutf(invalid, "in its folder %q: %w", "/"+dir, err)
		}
		if err := w.entry(e, dir+e.name); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) entry(e entry, path string) error {
	switch e.mode {
	case modeFolder, modeFolderOld:
		if err := w.made(path, w.root.Mkdir(path, 0o755)); err != nil {
			return err
		}
		return w.folder(e.hash, path+"/")
	case modeSubmodule:
		w.done.Submodules = append(w.done.Submodules, path)
		return w.made(path, w.root.Mkdir(path, 0o755))
	case modeLink:
		return w.link(e.hash, path)
	case modeFile, modeFileOld:
		return w.file(e.hash, path, 0o644)
	case modeExecutable:
		return w.file(e.hash, path, 0o755)
	}
	return aboutf(invalid, "%q is neither a file nor a link nor a folder (mode %q)", path, printable.String(e.mode))
}

func (w *writer) link(h plumbing.Hash, path string) error {
	target, err := w.pack.content(h, plumbing.BlobObject)
	if err != nil {
		return err
	}
	if len(target) == 0 || len(target) > maxPath || bytes.IndexByte(target, 0) >= 0 {
		return aboutf(invalid, "the link %q leads to what cannot be a path", path)
	}
	w.done.Files++
	return w.made(path, w.root.Symlink(string(target), path))
}

func (w *writer) file(h plumbing.Hash, path string, mode fs.FileMode) error {
	o, err := w.pack.object(h, plumbing.BlobObject)
	if err != nil {
		return err
	}
	w.done.Files++
	if w.done.Bytes += o.Size(); w.done.Bytes > w.most.written {
		return aboutf(invalid, "its files are over %d MiB: name a folder of it as path, or let the pod fetch it (fetch: pod)", w.most.written>>20)
	}
	r, err := o.Reader()
	if err != nil {
		return err
	}
	defer r.Close()
	f, err := w.root.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err := w.made(path, err); err != nil {
		return err
	}
	pointer := &lfs{}
	_, err = io.Copy(io.MultiWriter(f, pointer), r)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %q: %w", path, err)
	}
	if pointer.is() && o.Size() <= maxLFS {
		w.done.LFS = append(w.done.LFS, path)
	}
	return nil
}

// made explains why a name could not be made.
func (w *writer) made(path string, err error) error {
	if errors.Is(err, fs.ErrExist) {
		return aboutf(invalid, "%q is in the commit twice, or the file system here takes it for another name that differs in case or form only", path)
	}
	if err != nil {
		return fmt.Errorf("write %q: %w", path, err)
	}
	return nil
}

// lfs looks at the first bytes of a file.
type lfs struct {
	b [len(lfsPrefix)]byte
	n int
}

func (l *lfs) Write(p []byte) (int, error) {
	l.n += copy(l.b[l.n:], p)
	return len(p), nil
}

func (l *lfs) is() bool { return string(l.b[:l.n]) == lfsPrefix }
