package detect

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"plan/internal/printable"
	"plan/schema"
)

// path gives the directory or the Dockerfile that is at a path. Links are followed.
func (o Options) path(arg string) (Source, error) {
	at := o.at(arg)
	info, err := os.Stat(at)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ENAMETOOLONG):
		return Source{}, fmt.Errorf("%s: no such file or directory%s", shown(arg), o.near(arg))
	case err != nil:
		return Source{}, fmt.Errorf("look at the source %s: %w", shown(arg), errors.Unwrap(err))
	case info.IsDir():
		return Source{Kind: Directory, Path: at}, nil
	case !info.Mode().IsRegular():
		return Source{}, fmt.Errorf("%s is neither a file nor a directory", shown(arg))
	case strings.HasSuffix(arg, "/"):
		return Source{}, fmt.Errorf(`%s is a file, and the "/" at its end says directory`, shown(arg))
	}
	if err := checkDockerfile(at); err != nil {
		return Source{}, fmt.Errorf("%s is a file and no Dockerfile: %w; to run a program, name its directory as the source and run it by the command", shown(arg), err)
	}
	return Source{Kind: Dockerfile, Path: at}, nil
}

// near suggests a name that is there, as a part of a sentence; "" if there is none.
func (o Options) near(arg string) string {
	if strings.HasPrefix(arg, "~") {
		return ` (only a shell knows what "~" is, and only without quotes)`
	}
	dir, base := filepath.Split(filepath.Clean(arg))
	f, err := os.Open(o.at(dir))
	if err != nil {
		return ""
	}
	defer f.Close()
	const most = 2000
	names, _ := f.Readdirnames(most)
	name := schema.Suggest(base, names)
	if name == "" {
		return ""
	}
	name = dir + name
	if !filepath.IsAbs(name) && !strings.HasPrefix(name, "..") {
		name = "./" + name
	}
	return ` (did you mean "` + printable.String(cut(name)) + `"?)`
}
