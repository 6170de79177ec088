// Package detect tells what the SOURCE of a command line means: a directory, a git repository, a Dockerfile or an image.
package detect

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"plan/internal/printable"
	"plan/internal/source/gitrepo"
	"plan/internal/source/registry"
)

// Kind is what a source is, by the name that it has in a plan.
type Kind string

// The kinds.
const (
	Directory  Kind = "directory"
	Git        Kind = "git"
	Dockerfile Kind = "dockerfile"
	Image      Kind = "image"
)

// word is a kind of path for people.
func (k Kind) word() string {
	if k == Dockerfile {
		return "Dockerfile"
	}
	return string(k)
}

// Source is what an argument means. Only the field of its kind is set.
type Source struct {
	Kind  Kind
	Path  string         // of a directory or a Dockerfile, which is there; below Options.Dir where the argument was relative
	URL   gitrepo.URL    // of a repository; nobody has asked the server yet
	Image registry.Image // nobody has asked its registry yet
}

// Options are what an argument is seen against.
type Options struct {
	Dir string // relative paths are below it; "" is the working directory
}

// prefixes say what is meant, and nothing else is looked at then. "git://" is no prefix but an address.
func prefixes() map[string]Kind {
	return map[string]Kind{"dir": Directory, "git": Git, "dockerfile": Dockerfile, "image": Image}
}

// Detect tells what arg means:
//
//	dir:PATH  git:URL  dockerfile:PATH  image:NAME   what they say
//	/…  ./…  ../…  .  ..  …/                         a path, of a directory or a Dockerfile
//	scheme://…  user@host:path                       a git repository on any host
//	anything else                                    a directory or a Dockerfile of that name, or else an image
//
// A file is a Dockerfile, whatever its name, if its first instruction is one that a Dockerfile begins with. Whatever has two
// readings is an error that gives both spellings: a name that is a file or directory here and an image's as well, and a host that
// is known for repositories without a scheme before it. Only the file system is asked.
func Detect(arg string, o Options) (Source, error) {
	switch {
	case arg == "":
		return Source{}, errors.New("the source is empty: name a directory, a git URL, a Dockerfile or an image")
	case arg == "-":
		return Source{}, errors.New(`"-" is no source: what is to be packed cannot be read from standard input; name a directory`)
	case arg[0] == '-':
		return Source{}, fmt.Errorf(`%s is an option and no source; a file of that name is written "./%s"`, shown(arg), printable.String(cut(arg)))
	case strings.ContainsRune(arg, 0):
		return Source{}, errors.New("the source has a NUL in it")
	}
	before, rest, _ := strings.Cut(arg, ":")
	if kind, ok := prefixes()[before]; ok && strings.Contains(arg, ":") && !strings.HasPrefix(arg, "git://") {
		return o.named(kind, before, rest)
	}
	if isPath(arg) {
		return o.path(arg)
	}
	return o.guess(arg)
}

// named reads what stands after a prefix.
func (o Options) named(kind Kind, prefix, rest string) (Source, error) {
	if rest == "" {
		return Source{}, fmt.Errorf(`nothing follows "%s:" in the source`, prefix)
	}
	switch kind {
	case Git:
		u, err := gitrepo.Parse(rest)
		return Source{Kind: Git, URL: u}.or(err)
	case Image:
		image, err := registry.ParseImage(rest)
		return Source{Kind: Image, Image: image}.or(err)
	}
	s, err := o.path(rest)
	if err == nil && s.Kind != kind {
		return Source{}, fmt.Errorf("%s is a %s and no %s", shown(rest), s.Kind.word(), kind.word())
	}
	return s, err
}

func (s Source) or(err error) (Source, error) {
	if err != nil {
		return Source{}, err
	}
	return s, nil
}

// isPath says whether arg can only be a path.
func isPath(arg string) bool {
	for _, prefix := range []string{"/", "./", "../", "~"} {
		if strings.HasPrefix(arg, prefix) {
			return true
		}
	}
	return arg == "." || arg == ".." || strings.HasSuffix(arg, "/") && !isGit(arg)
}

var digest = regexp.MustCompile(`@sha[0-9]+:[^/@]*$`)

// isGit says whether arg has the form of a git URL, a good or a bad one.
func isGit(arg string) bool {
	if strings.Contains(arg, "://") || strings.Contains(arg, "::") {
		return true
	}
	host, _, _ := strings.Cut(arg, "/")
	return strings.Contains(host, "@") && strings.Contains(host, ":") && !digest.MatchString(arg)
}

// guess weighs the readings of an argument that says nothing of its kind.
func (o Options) guess(arg string) (Source, error) {
	_, err := os.Stat(o.at(arg))
	here := err == nil
	if isGit(arg) {
		u, err := gitrepo.Parse(arg)
		if here && err == nil {
			return Source{}, two(arg, "a file or directory here", "./"+arg, "a git URL", "git:"+arg)
		}
		if !here || err == nil {
			return Source{Kind: Git, URL: u}.or(err)
		}
	}
	image, err := registry.ParseImage(arg)
	switch {
	case here && err == nil && !isDockerfileName(arg):
		return o.asBoth(arg)
	case here:
		return o.path(arg)
	case err == nil:
		return o.image(arg, image)
	}
	return Source{}, fmt.Errorf("%s is no source: there is no such file or directory%s; a git URL begins with https:// or ssh://, %s, %w",
		shown(arg), o.near(arg), "or is user@host:path; and as an image", err)
}

// asBoth is for a name that is here and could be an image's too.
func (o Options) asBoth(arg string) (Source, error) {
	s, err := o.path(arg)
	if err != nil {
		return Source{}, fmt.Errorf(`%w; if the image of that name is meant, write "image:%s"`, err, printable.String(cut(arg)))
	}
	return Source{}, two(arg, "a "+s.Kind.word()+" here", "./"+arg, "the name of an image", "image:"+arg)
}

// two is the error of two readings.
func two(arg, first, writeFirst, second, writeSecond string) error {
	return fmt.Errorf(`%s is %s and %s: write "%s" or "%s"`, shown(arg), first, second, printable.String(cut(writeFirst)), printable.String(cut(writeSecond)))
}

// at is where a path leads.
func (o Options) at(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(o.Dir, path)
}

// shown is an argument for an error.
func shown(arg string) string { return `"` + printable.String(cut(arg)) + `"` }

func cut(s string) string {
	const most = 200
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
