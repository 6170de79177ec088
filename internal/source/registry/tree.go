package registry

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"plan/internal/printable"
)

const whiteout = ".wh." // begins names that, in a layer, delete what lies below

// tree copies an archive into a layer.
type tree struct {
	in       *tar.Reader
	out      *tar.Writer
	uid, gid int
	kinds    map[string]byte // of folders and links, by name
}

func (t *tree) copy() error {
	if err := t.folder(workspace); err != nil {
		return err
	}
	for {
		h, err := t.in.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := t.entry(h); err != nil {
			return fmt.Errorf("%s: %w", printable.String(h.Name), err)
		}
	}
}

func (t *tree) entry(h *tar.Header) error {
	name := strings.TrimPrefix(strings.TrimSuffix(h.Name, "/"), "./")
	if h.Typeflag == tar.TypeDir && (name == "" || name == ".") {
		return nil // the workspace itself
	}
	if err := checkName(name); err != nil {
		return err
	}
	if err := t.parents(path.Dir(path.Join(workspace, name))); err != nil {
		return err
	}
	out := &tar.Header{Typeflag: h.Typeflag, Name: path.Join(workspace, name), Mode: h.Mode & 0o777, Uid: t.uid, Gid: t.gid, ModTime: h.ModTime}
	switch h.Typeflag {
	case tar.TypeDir:
		out.Name += "/"
	case tar.TypeReg:
		out.Size = h.Size
	case tar.TypeSymlink:
		if err := checkLink(name, h.Linkname); err != nil {
			return err
		}
		out.Linkname = h.Linkname
	default:
		return fmt.Errorf("it is neither a file, a folder nor a symbolic link (type %q)", h.Typeflag)
	}
	if err := t.once(strings.TrimSuffix(out.Name, "/"), h.Typeflag); err != nil {
		return err
	}
	if err := t.out.WriteHeader(out); err != nil {
		return err
	}
	_, err := io.Copy(t.out, t.in)
	return err
}

// once refuses a name that has been something else, and remembers folders and links.
func (t *tree) once(name string, kind byte) error {
	if was, ok := t.kinds[name]; ok && was != kind {
		return errors.New("the archive has it twice, as different things")
	}
	if kind != tar.TypeReg {
		t.kinds[name] = kind
	}
	return nil
}

// parents makes the folders above an entry that the archive does not have itself: whoever unpacks would make them root's.
func (t *tree) parents(dir string) error {
	if t.kinds[dir] == tar.TypeDir {
		return nil
	}
	if err := t.parents(path.Dir(dir)); err != nil {
		return err
	}
	if t.kinds[dir] != 0 {
		return errors.New("it lies below a symbolic link")
	}
	return t.folder(dir)
}

func (t *tree) folder(name string) error {
	t.kinds[name] = tar.TypeDir
	return t.out.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755, Uid: t.uid, Gid: t.gid, ModTime: epoch()})
}

func checkName(name string) error {
	for part := range strings.SplitSeq(name, "/") {
		switch {
		case part == "" || part == "." || part == "..":
			return errors.New("its name is not a path below the workspace")
		case strings.HasPrefix(part, whiteout):
			return fmt.Errorf("names that begin with %s delete files when they are in an image: rename it, or let it travel another way than in an image", whiteout)
		}
	}
	return nil
}

func checkLink(name, target string) error {
	to := path.Join(path.Dir(name), target)
	if target == "" || path.IsAbs(target) || to == ".." || strings.HasPrefix(to, "../") {
		return fmt.Errorf("it is a link out of the workspace (to %s)", printable.String(target))
	}
	return nil
}
