package layout

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"plan/internal/printable"
)

// What is packed keeps within the same limits (package source).
const (
	maxEntries  = 100_000
	maxUnpacked = 2 << 30
)

// errDiffers says that two directories bring different things to one place.
var errDiffers = errors.New("something else is there already: two directories of the plan overlap and have different content at this place")

// writer fills a folder. Everything goes through root, so that nothing is written outside whatever an archive says.
type writer struct {
	parts, root *os.Root
	entries     int
	unpacked    int64
}

// all writes the trees, then the files: the plan itself may be part of a tree.
func (w *writer) all(ctx context.Context, index *Index) error {
	for _, t := range index.Trees {
		if err := w.tree(ctx, t); err != nil {
			return fmt.Errorf("unpack directory %s: %w", printable.String(t.Path), err)
		}
	}
	for _, f := range index.Files {
		data, err := readPart(w.parts, f.Part)
		if err == nil {
			err = w.file(w.root, f.Path, 0o644, int64(len(data)), bytes.NewReader(data))
		}
		if err != nil {
			return fmt.Errorf("write file %s: %w", printable.String(f.Path), err)
		}
	}
	return nil
}

// tree unpacks an archive once its digest is known to be right.
func (w *writer) tree(ctx context.Context, t Tree) error {
	var archive []byte
	for _, name := range t.Parts {
		part, err := readPart(w.parts, name)
		if err != nil {
			return err
		}
		if archive = append(archive, part...); len(archive) > maxPart {
			return fmt.Errorf("its parts have more than %d bytes", maxPart)
		}
	}
	if digest := Digest(archive); digest != t.Digest {
		return fmt.Errorf("its parts are damaged: their digest is %s, and should be %s", digest, printable.String(t.Digest))
	}
	if err := w.root.MkdirAll(t.Path, 0o755); err != nil {
		return err
	}
	folder, err := w.root.OpenRoot(t.Path)
	if err != nil {
		return err
	}
	defer folder.Close()
	zip, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return err
	}
	for in := tar.NewReader(zip); ; {
		h, err := in.Next()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if err := w.entry(folder, h, in); err != nil {
			return fmt.Errorf("%s: %w", printable.String(h.Name), err)
		}
	}
}

// Digest is how an archive is known.
func Digest(archive []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(archive)) }

func (w *writer) entry(folder *os.Root, h *tar.Header, in io.Reader) error {
	name := strings.TrimSuffix(h.Name, "/")
	w.entries++
	w.unpacked += h.Size
	switch {
	case !fs.ValidPath(name) || name == ".":
		return errors.New("it is no path inside the directory")
	case w.entries > maxEntries || w.unpacked > maxUnpacked:
		return fmt.Errorf("there is more than %d entries or %d bytes", maxEntries, int64(maxUnpacked))
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return folder.MkdirAll(name, 0o755)
	case tar.TypeReg:
		return w.file(folder, name, fs.FileMode(0o644|h.Mode&0o111), h.Size, in)
	case tar.TypeSymlink:
		return symlink(folder, h.Linkname, name)
	}
	return errors.New("it is neither a file, nor a folder, nor a symbolic link")
}

func symlink(folder *os.Root, to, name string) error {
	if path.IsAbs(to) {
		return errors.New("it is a link out of the directory")
	}
	err := folder.Symlink(to, name)
	if errors.Is(err, fs.ErrExist) {
		if there, err := folder.Readlink(name); err != nil || there != to {
			return errDiffers
		}
		return nil
	}
	return err
}

// file writes one, unless it is there already.
func (w *writer) file(folder *os.Root, name string, mode fs.FileMode, size int64, in io.Reader) error {
	if err := folder.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := folder.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if errors.Is(err, fs.ErrExist) {
		return same(folder, name, size, in)
	}
	if err != nil {
		return err
	}
	_, err = io.Copy(f, in)
	return errors.Join(err, f.Close())
}

// same is an error unless the file of that name has this content.
func same(folder *os.Root, name string, size int64, in io.Reader) error {
	info, err := folder.Stat(name)
	if err != nil || !info.Mode().IsRegular() || info.Size() != size {
		return errDiffers
	}
	f, err := folder.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	there, wanted := sha256.New(), sha256.New()
	if _, err := io.Copy(there, f); err != nil {
		return err
	}
	if _, err := io.Copy(wanted, in); err != nil {
		return err
	}
	if !bytes.Equal(there.Sum(nil), wanted.Sum(nil)) {
		return errDiffers
	}
	return nil
}
