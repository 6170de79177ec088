package source

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

const (
	maxHops  = 40   // links that Linux follows for one path
	maxParts = 2000 // of one path with those that its links lead to; more is made to take time
)

// links judges symbolic links: those that stay inside the directory are packed, as relative ones.
type links struct {
	root  *os.Root
	roots []string // absolute paths of the directory, as it was given and without links
}

func newLinks(root *os.Root, dir string) links {
	l := links{root: root}
	if abs, err := filepath.Abs(dir); err == nil {
		l.roots = append(l.roots, abs)
		if real, err := filepath.EvalSymlinks(abs); err == nil && real != abs {
			l.roots = append(l.roots, real)
		}
	}
	return l
}

// keep gives what to write for the link at name, which is base in the folder sub, or why it is refused. A link to nothing is kept where
// nothing is inside, since the job may make it. An absolute one into the directory becomes relative, for the pod has the directory elsewhere.
func (l links) keep(sub *os.Root, base, name string) (string, error) {
	target, err := sub.Readlink(base)
	if err != nil {
		return "", fmt.Errorf("is a symbolic link that cannot be read (%w): exclude it", cause(err))
	}
	folder := strings.Split(name, "/")
	folder = folder[:len(folder)-1]
	stays, err := l.stays(folder, target)
	if err != nil {
		return "", fmt.Errorf("is a symbolic link to %s, which cannot be followed (%w): exclude it", shown(target), cause(err))
	}
	if !stays {
		return "", fmt.Errorf("is a symbolic link out of the directory, to %s: exclude it, or copy what it leads to", shown(target))
	}
	if rest, inside := l.inside(target); inside {
		target = "./" + strings.Repeat("../", len(folder)) + strings.TrimLeft(rest, "/")
	}
	return target, nil
}

// inside cuts the directory off an absolute path into it.
func (l links) inside(target string) (rest string, ok bool) {
	for _, root := range l.roots {
		if rest, ok := strings.CutPrefix(target, root); ok && (rest == "" || rest[0] == '/' || root == "/") {
			return rest, true
		}
	}
	return "", false
}

// stays follows a link as the kernel does, but never out of the directory. What is not there counts as a folder.
func (l links) stays(folder []string, target string) (bool, error) {
	f := follower{links: l, at: append([]string{}, folder...)}
	inside := f.push(target)
	for parts, hops := 0, 0; inside && len(f.todo) > 0; parts++ {
		if parts > maxParts {
			return false, fmt.Errorf("it leads through more than %d folders", maxParts)
		}
		next, ok := f.step()
		if !ok {
			return false, nil
		}
		if next == "" {
			continue
		}
		to, err := l.link(append(f.at, next))
		if err != nil {
			return false, err
		}
		if to == "" {
			f.at = append(f.at, next)
			continue
		}
		if hops++; hops > maxHops { // a loop: inside all the way, and the kernel gives up too
			return true, nil
		}
		inside = f.push(to)
	}
	return inside, nil
}

// follower is on its way through a directory.
type follower struct {
	links
	at   []string // the folder it is in
	todo []string // parts still to go, the next one last
}

// push puts a path before what is still to go; false is an absolute one that leads out.
func (f *follower) push(target string) bool {
	if path.IsAbs(target) {
		rest, ok := f.inside(target)
		if !ok {
			return false
		}
		f.at, target = f.at[:0], rest
	}
	parts := strings.Split(target, "/")
	slices.Reverse(parts)
	f.todo = append(f.todo, parts...)
	return true
}

// step takes the next part, and gives it where it is a name; false leads up out of the directory.
func (f *follower) step() (name string, ok bool) {
	last := len(f.todo) - 1
	name, f.todo = f.todo[last], f.todo[:last]
	switch name {
	case "", ".":
		return "", true
	case "..":
		if len(f.at) == 0 {
			return "", false
		}
		f.at = f.at[:len(f.at)-1]
		return "", true
	}
	return name, true
}

// link is where a path leads, empty where it is no link or is not there.
func (l links) link(at []string) (string, error) {
	name := strings.Join(at, "/")
	target, err := l.root.Readlink(name)
	if err == nil {
		return target, nil
	}
	info, err := l.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || err == nil && info.Mode()&fs.ModeSymlink == 0 {
		return "", nil
	}
	return "", err
}
