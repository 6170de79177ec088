package detect

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"plan/internal/source/registry"
)

// image accepts an argument that can be an image, unless it is probably meant for something else.
func (o Options) image(arg string, image registry.Image) (Source, error) {
	host, _, slash := strings.Cut(arg, "/")
	bare := !strings.ContainsAny(arg[strings.LastIndexByte(arg, '/')+1:], ":@") // no tag, no digest
	switch {
	case strings.HasSuffix(arg, ".git"):
		return Source{}, fmt.Errorf(`%s has the name of a git repository and no scheme: write "https://%s" (or ssh://), or "image:%[2]s" if it is an image`,
			shown(arg), cut(arg))
	case slash && noImages(host):
		return Source{}, fmt.Errorf(`%s: %s serves repositories and no images: write "https://%s" for the repository, or "image:%[3]s" if an image is meant after all`,
			shown(arg), host, cut(arg))
	case slash && bare && repositories(host):
		return Source{}, two(arg, "perhaps a git repository", "https://"+arg, "perhaps an image", "image:"+arg)
	case slash && !strings.ContainsAny(host, ".:") && o.isDir(host):
		return Source{}, fmt.Errorf(`%s: there is no such file or directory, though the directory "%s" is here: write "./%s/…" for a path%s, or "image:%s"`,
			shown(arg), host, host, o.near(arg), cut(arg))
	}
	return Source{Kind: Image, Image: image}, nil
}

func (o Options) isDir(name string) bool {
	info, err := os.Stat(o.at(name))
	return err == nil && info.IsDir()
}

// noImages are hosts of repositories whose images are under another name.
func noImages(host string) bool {
	return slices.Contains([]string{"github.com", "gitlab.com", "bitbucket.org"}, strings.TrimPrefix(host, "www."))
}

// repositories are hosts that are called after what keeps repositories. They may keep images as well, under the same names.
func repositories(host string) bool {
	first, domain, found := strings.Cut(host, ".")
	return found && !strings.Contains(domain, ":") &&
		slices.Contains([]string{"git", "github", "gitlab", "gitea", "forgejo", "gogs", "gerrit", "bitbucket", "codeberg"}, first)
}
