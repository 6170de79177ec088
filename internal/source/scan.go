package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
)

const (
	maxEntries  = 100_000
	maxUnpacked = 2 << 30
	maxPath     = 4000 // bytes: a path of Linux has 4096, and a pod unpacks into a folder
	maxLeft     = 1000

	listed = 1000 // names read at once
)

// limits of what is packed; tests have smaller ones.
type limits struct {
	entries  int
	unpacked int64
}

// entry is something to be packed.
type entry struct {
	path   string // slash-separated, below the root
	info   fs.FileInfo
	size   int64  // of a file
	link   string // of a symbolic link: what to write
	hollow bool   // a folder that goes only if something in it does
}

// tree is what a scan found.
type tree struct {
	entries  []entry // a folder just before what is in it
	left     []Left
	leftMore int
	unpacked int64
}

// folder is one that is still to be read; info is what was seen of it, nil of the root.
type folder struct {
	choice *choice
	info   fs.FileInfo
}

// scanner walks a directory once and decides on all of it before anything is packed.
type scanner struct {
	dir      string // as given, for messages
	cursor   cursor
	choose   *chooser
	links    links
	limits   limits
	todo     []folder
	problems []Problem
	tree
}

// errEnough ends a scan that has found as many problems as are told.
var errEnough = errors.New("enough problems")

func scan(ctx context.Context, dir string, root *os.Root, o Options, l limits) (*tree, error) {
	choose, err := newChooser(o)
	if err == nil && !o.Everything {
		choose.docker, err = readDockerIgnore(root)
	}
	if err != nil {
		return nil, fmt.Errorf("pack directory %s: %w", shown(dir), err)
	}
	s := &scanner{dir: dir, cursor: cursor{root: root}, choose: choose, links: newLinks(root, dir), limits: l}
	defer s.cursor.close()
	err = s.walk(ctx)
	var limit *LimitError
	switch {
	case errors.As(err, &limit):
		return nil, err
	case err != nil && !errors.Is(err, errEnough):
		return nil, fmt.Errorf("pack directory %s: %w", shown(dir), err)
	case len(s.problems) > 0:
		slices.SortFunc(s.problems, func(a, b Problem) int { return strings.Compare(a.Path, b.Path) })
		return nil, &RefusedError{Dir: dir, Problems: s.problems}
	}
	s.order()
	return &s.tree, nil
}

// walk reads all folders, one at a time: however deep they are, few are open.
func (s *scanner) walk(ctx context.Context) error {
	s.todo = []folder{{choice: &choice{}}}
	for len(s.todo) > 0 {
		next := s.todo[len(s.todo)-1]
		s.todo = s.todo[:len(s.todo)-1]
		if err := s.folder(ctx, next.choice, next.info); err != nil {
			return err
		}
	}
	return nil
}

func (s *scanner) folder(ctx context.Context, at *choice, info fs.FileInfo) error {
	sub, err := s.cursor.folder(at.path, info)
	if err != nil {
		return s.unreadable(at.path, err)
	}
	if err := s.ignoreFiles(sub, at); err != nil {
		return err
	}
	return s.list(ctx, sub, at)
}

// order sorts the entries and drops the folders that nothing came back in.
func (s *scanner) order() {
	back := map[string]bool{}
	slices.SortFunc(s.entries, func(a, b entry) int { return comparePaths(a.path, b.path) })
	packed := s.entries[:0:0]
	for i := len(s.entries) - 1; i >= 0; i-- {
		e := s.entries[i]
		if n := len(packed); e.hollow && (n == 0 || !strings.HasPrefix(packed[n-1].path, e.path+"/")) {
			continue
		}
		packed = append(packed, e)
		back[e.path+"/"] = e.hollow
	}
	slices.Reverse(packed)
	s.entries = packed
	slices.SortFunc(s.left, func(a, b Left) int { return strings.Compare(a.Path, b.Path) })
	for i, left := range s.left {
		if back[left.Path] {
			s.left[i].Why += ", but for exceptions in it"
		}
	}
}

// comparePaths sorts names below a folder right after it: a slash comes before all else.
func comparePaths(a, b string) int {
	for i := range min(len(a), len(b)) {
		switch {
		case a[i] == b[i]:
		case a[i] == '/':
			return -1
		case b[i] == '/':
			return 1
		default:
			return cmp.Compare(a[i], b[i])
		}
	}
	return cmp.Compare(len(a), len(b))
}

// ignoreFiles reads those of a folder whose entries are judged.
func (s *scanner) ignoreFiles(sub *os.Root, at *choice) error {
	if !s.choose.asks(at) {
		return nil
	}
	plan, err := s.ignoreFile(sub, at, planIgnore)
	if err != nil {
		return err
	}
	at.plan = at.plan.and(plan)
	if s.choose.everything {
		return nil
	}
	git, err := s.ignoreFile(sub, at, gitIgnore)
	at.git = at.git.and(git)
	return err
}

// ignoreFile reads one, or nil. A link is followed from the root on, so that it may lead to another folder.
func (s *scanner) ignoreFile(sub *os.Root, at *choice, name string) (*patterns, error) {
	info, err := sub.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.IsDir() {
		return nil, nil
	}
	return readIgnore(s.cursor.root, at.path, name)
}

// list reads a folder piece by piece, so that one with millions of ignored entries takes no memory.
func (s *scanner) list(ctx context.Context, sub *os.Root, at *choice) error {
	f, err := sub.Open(".")
	if err != nil {
		return s.unreadable(at.path, err)
	}
	defer f.Close()
	for {
		names, err := f.Readdirnames(listed)
		for _, name := range names {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := s.entry(sub, at, name); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return s.unreadable(at.path, err)
		}
	}
}
