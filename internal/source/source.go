// Package source packs a directory, so that a pod can have it: the same files give the same bytes, whatever the clock, the owner, the
// umask, the order of the directory and the place where it lies.
//
// What goes is decided, in this order, by Options.Exclude, the deny list (secrets and .git), Options.Include, .planignore, .gitignore
// and .dockerignore. The grammar is gitignore's, but for .dockerignore, which is read as Docker does. A folder that is left out is
// looked into only for a pattern that spells its path: `build/out.bin` and `build/**` bring something back out of an ignored build,
// `*.bin` does not.
//
// Symbolic links that stay inside the directory go as relative links, all others are refused, as are devices, sockets and named pipes.
// Everything is read through os.Root, so that nothing outside is packed whatever happens to the directory meanwhile.
package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// Options say what of a directory is packed.
type Options struct {
	Include    []string // patterns that bring back what would be left out; of the deny list only what a pattern names itself
	Exclude    []string // patterns of what stays, whatever else is said
	Everything bool     // a checkout of a repository: no ignore files but .planignore, of the deny list only .git, which no commit has
	MaxSize    int64    // compressed bytes; 0 is no limit
	Temp       string   // folder for a temporary file; empty is the system's
}

// Validate finds patterns that can match nothing. It looks at no directory.
func (o Options) Validate() error {
	_, err := parseOption("include", o.Include)
	_, other := parseOption("exclude", o.Exclude)
	return errors.Join(err, other)
}

// Pack packs a directory. The error is a *RefusedError for what cannot be carried, a *LimitError for what is too large, and wraps
// ErrChanged where somebody writes to the directory; nothing is left behind then. The caller closes the archive.
func Pack(ctx context.Context, dir string, o Options) (*Archive, error) {
	return pack(ctx, dir, o, limits{entries: maxEntries, unpacked: maxUnpacked})
}

func pack(ctx context.Context, dir string, o Options, l limits) (*Archive, error) {
	root, err := openRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	t, err := scan(ctx, dir, root, o, l)
	if err != nil {
		return nil, err
	}
	return write(ctx, dir, root, t, o)
}

func openRoot(dir string) (*os.Root, error) {
	info, err := os.Stat(dir)
	var root *os.Root
	if err == nil && info.IsDir() {
		root, err = os.OpenRoot(dir)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("pack directory %s: there is no such directory: %w", shown(dir), fs.ErrNotExist)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("pack directory %s: it may not be read: %w", shown(dir), fs.ErrPermission)
	case err != nil:
		return nil, fmt.Errorf("pack directory %s: %w", shown(dir), cause(err))
	case root == nil:
		return nil, fmt.Errorf("pack directory %s: it is a file, not a directory: %w", shown(dir), syscall.ENOTDIR)
	}
	return root, nil
}
