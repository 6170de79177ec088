package source

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
)

// entry decides on one entry of a folder.
func (s *scanner) entry(sub *os.Root, at *choice, name string) error {
	info, err := sub.Lstat(name)
	if err != nil {
		return s.unreadable(path.Join(at.path, name), err)
	}
	c, err := s.choose.choose(at, name, info.IsDir())
	if err == nil && c.reason == kept && info.Mode().IsRegular() {
		err = s.look(sub, name, info, c)
	}
	if err != nil {
		return err
	}
	s.leave(c, info.IsDir())
	e := entry{path: c.path, info: info, hollow: c.reason != kept}
	switch mode := info.Mode(); {
	case e.hollow && !(mode.IsDir() && s.choose.enter(c)):
		return nil
	case mode.IsDir():
		s.todo = append(s.todo, folder{c, info})
	case mode.IsRegular():
		e.size = info.Size()
	case mode&fs.ModeSymlink != 0:
		if e.link, err = s.links.keep(sub, name, c.path); err != nil {
			return s.refuse(c.path, err.Error())
		}
	default:
		return s.refuse(c.path, special(mode))
	}
	return s.add(e)
}

// add takes an entry, within the limits.
func (s *scanner) add(e entry) error {
	if len(e.path) > maxPath {
		return s.refuse(e.path[:100]+"…", fmt.Sprintf("has a path of more than %d bytes, which a pod cannot unpack: exclude it", maxPath))
	}
	s.entries = append(s.entries, e)
	s.unpacked += e.size
	limit := &LimitError{Dir: s.dir}
	switch n := len(s.entries); {
	case n > s.limits.entries:
		limit.Unit, limit.Size, limit.Limit = Entries, int64(n), int64(s.limits.entries)
	case s.unpacked > s.limits.unpacked:
		limit.Unit, limit.Size, limit.Limit = Unpacked, s.unpacked, s.limits.unpacked
	default:
		return nil
	}
	limit.Most = most(s.entries, limit.Unit)
	return limit
}

// look reads files that may be secrets.
func (s *scanner) look(sub *os.Root, name string, info fs.FileInfo, c *choice) error {
	if s.choose.everything || s.choose.named(c.path, false) {
		return nil
	}
	why, err := deniedContent(name, func() (io.ReadCloser, error) { return open(sub, name, info) })
	if why != "" {
		c.leave(denied, why)
	}
	return s.unreadable(c.path, err)
}

// leave notes what is left out: all of the deny list, and the first ones of the rest.
func (s *scanner) leave(c *choice, isDir bool) {
	if c.reason == kept || c.inherited {
		return
	}
	if c.reason != denied && len(s.left) >= maxLeft {
		s.leftMore++
		return
	}
	left := Left{Path: c.path, Why: c.why, Denied: c.reason == denied}
	if isDir {
		left.Path += "/"
	}
	s.left = append(s.left, left)
}

// refuse notes a problem and goes on, until there are enough.
func (s *scanner) refuse(name, why string) error {
	s.problems = append(s.problems, Problem{Path: name, Why: why})
	if len(s.problems) >= maxProblems {
		return errEnough
	}
	return nil
}

// unreadable is why a Problem is one.
const unreadable = "may not be read: allow it, or exclude it"

// unreadable makes a problem of an error.
func (s *scanner) unreadable(name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrPermission):
		return s.refuse(path.Join(".", name), unreadable)
	}
	return fmt.Errorf("%s: %w", shown(path.Join(".", name)), cause(orChanged(err)))
}

// special says what an entry is that no archive carries.
func special(mode fs.FileMode) string {
	what := "is something that is neither a file nor a folder"
	switch {
	case mode&fs.ModeNamedPipe != 0:
		what = "is a named pipe"
	case mode&fs.ModeSocket != 0:
		what = "is a socket"
	case mode&fs.ModeDevice != 0:
		what = "is a device"
	}
	return what + ", which cannot be packed: exclude it"
}
