package nodetoken

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The files of a server node that hold its token, in the default data directories. node-token beside them is a symbolic link to token.
const (
	K3sFile  = "/var/lib/rancher/k3s/server/token"
	RKE2File = "/var/lib/rancher/rke2/server/token"
)

// ErrNoFile says that there is no token file at a path.
var ErrNoFile = errors.New("there is no token file")

// Read reads a server's token from a file, or from the folder that it is in: a data directory such as /var/lib/rancher/k3s, or its
// folder server. Symbolic links are followed; an absolute one that leads nowhere, as node-token does where the folder is mounted
// elsewhere, means the file of that name beside it.
//
// What is read goes to hide before anything else is done with it. It gives the file that path has come to as well, also when that has no
// token. Errors name the path and what to do: ErrNoFile, fs.ErrPermission, ErrToken, or what kept the file from being read.
func Read(path string, hide func(string)) (t Token, file string, err error) {
	raw, file, err := read(path)
	if err != nil {
		return Token{}, file, explainFile(path, err)
	}
	if t, err = parseHidden(raw, hide); err != nil {
		return Token{}, file, fmt.Errorf("read node token %s: %w", file, err)
	}
	return t, file, nil
}

// Folder is what has to be mounted of a server for Read to find the token at path there, and here nobody can look what path is. A folder by its
// name is mounted itself: a data directory, its folder server, or whatever ends with a slash. Anything else is taken for a file, and the folder above
// it is mounted, in which a folder is found as well: only is there more than that in it, so certain is false where it may be one.
func Folder(path string) (folder string, certain bool) {
	name := filepath.Base(path)
	if strings.HasSuffix(path, "/") || slices.Contains([]string{"k3s", "rke2", "server"}, name) {
		return filepath.Clean(path), true
	}
	return filepath.Dir(path), name == "token" || name == "node-token"
}

// parseHidden parses what was read from anywhere, and has it masked before that.
func parseHidden(raw string, hide func(string)) (Token, error) {
	if trimmed := strings.TrimSpace(raw); trimmed != "" {
		hide(trimmed)
	}
	t, err := Parse(raw)
	if err == nil {
		hide(t.password)
	}
	return t, err
}

// read gives the content of the first file that path may mean, and which one that was.
func read(path string) (raw, file string, err error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if beside, ok := besideLink(path); ok {
			path = beside
			info, err = os.Stat(path)
		}
	}
	if err != nil {
		return "", path, err
	}
	if !info.IsDir() {
		raw, err = content(path)
		return raw, path, err
	}
	for _, name := range []string{"token", "server/token"} {
		file = filepath.Join(path, name)
		if raw, err = content(file); !errors.Is(err, fs.ErrNotExist) {
			return raw, file, err
		}
	}
	return "", path, fmt.Errorf("%w in this folder, nor in server below it", ErrNoFile)
}

// besideLink is where an absolute link that leads nowhere would lead if its folder had not been mounted elsewhere.
func besideLink(path string) (string, bool) {
	to, err := os.Readlink(path)
	if err != nil || !filepath.IsAbs(to) || filepath.Base(to) == filepath.Base(path) {
		return "", false
	}
	return filepath.Join(filepath.Dir(path), filepath.Base(to)), true
}

// content reads a file that may be no longer than a token. Anything but a file is refused before it is opened: reading a pipe never
// ends.
func content(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", refuse("%s is no file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxLen+64)) // white space included; Parse refuses what is longer
	return string(data), cmp.Or(err, f.Close())
}

// explainFile says what to do about a file that cannot be read.
func explainFile(path string, err error) error {
	switch {
	case errors.Is(err, ErrNoFile), errors.Is(err, fs.ErrNotExist):
		if !errors.Is(err, ErrNoFile) {
			err = ErrNoFile
		}
		return fmt.Errorf("read node token %s: %w: it is on server nodes only; run there, or mount the folder server of its data directory and set path (RKE2: %s)",
			path, err, RKE2File)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("read node token: %w: only root may read it", err)
	}
	return fmt.Errorf("read node token: %w", err)
}
