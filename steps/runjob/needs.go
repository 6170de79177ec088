package runjob

import (
	"cmp"
	"context"
	"strings"

	"plan/internal/source/builder"
	"plan/internal/source/gitrepo"
	"plan/steps"
)

// valuer gives the values of fields.
type valuer = func(steps.Value) (string, error)

// Needs are the images of the pods, where images are pushed to, and what the work is made of. A run lists none of it: it finds out.
func (a *Action) Needs(scope steps.Scope) (needs steps.Needs) {
	s := a.Source
	c := &courier{action: a, dir: scope.Dir, log: func(string, ...any) {}}
	image := steps.Image{Name: cmp.Or(a.Image, defaultImage)}
	switch kind, _ := s.kindOf(); kind {
	case "directory":
		needs.Sources = []steps.Source{{Name: "directory " + s.Directory.Path, Look: func(ctx context.Context, _ valuer) (string, error) {
			work, err := c.directory(ctx, s.Directory)
			if err != nil {
				return "", err
			}
			return strings.Join(work.about, "; "), nil
		}}}
		carries(&needs, image, c.helper(), s.Directory.Transport, s.Directory.Push)
	case "git":
		needs.Sources = []steps.Source{gitSource(c, s.Git)}
		if s.Git.Fetch == fetchPod {
			needs.Images = []steps.Image{image, {Name: cmp.Or(a.HelperImage, defaultGit)}}
			break
		}
		carries(&needs, image, c.helper(), s.Git.Transport, s.Git.Push)
	case "dockerfile":
		needs.Pushes = []steps.Image{{Name: s.Dockerfile.Push}}
		needs.Sources = []steps.Source{{Name: "dockerfile " + cmp.Or(s.Dockerfile.Path, "Dockerfile"), Look: func(ctx context.Context, _ valuer) (string, error) {
			found, err := builder.Look(ctx, c.building(s.Dockerfile))
			return found + " answers", err
		}}}
	default:
		needs.Images = []steps.Image{{Name: cmp.Or(s.Image, a.Image)}}
	}
	needs.Images = append(needs.Images, a.templateImages()...)
	return needs
}

// carries adds what it takes to bring an archive to a pod: the helper that unpacks it, or a layer on the image.
func carries(needs *steps.Needs, image steps.Image, helper, transport, push string) {
	if push != "" && transport != transportConfigMap {
		needs.Pushes = []steps.Image{{Name: push, Here: true}}
	}
	if transport == transportImage {
		image.Here = true
		needs.Images = []steps.Image{image}
		return
	}
	needs.Images = []steps.Image{image, {Name: helper}}
}

// templateImages are those of the containers that podTemplate adds.
func (a *Action) templateImages() (list []steps.Image) {
	spec, _ := a.PodTemplate["spec"].(map[string]any)
	for _, section := range []string{"initContainers", "containers"} {
		containers, _ := spec[section].([]any)
		for _, container := range containers {
			fields, _ := container.(map[string]any)
			if name, _ := fields["image"].(string); name != "" {
				list = append(list, steps.Image{Name: name})
			}
		}
	}
	return list
}

// gitSource is a repository, as whoever fetches it comes to it.
func gitSource(c *courier, g *Git) steps.Source {
	url, err := gitrepo.Parse(g.URL)
	if err != nil { // only a run can know it, or the plan is not valid; what stands there may hold a password
		_, rest, _ := strings.Cut(g.URL, unknownMark)
		return steps.Source{Name: "git " + unknownMark + cmp.Or(rest, "url)")}
	}
	one := steps.Source{Name: "git " + url.String() + " " + cmp.Or(g.Ref, "HEAD")}
	if g.Fetch == fetchPod && gitrepo.IsCommit(g.Ref) {
		return one
	}
	one.Look = func(ctx context.Context, value valuer) (string, error) {
		its := *c
		its.value = value
		o, err := its.gitOptions(g)
		if err != nil {
			return "", err
		}
		if gitrepo.IsCommit(g.Ref) {
			return "the server lets it be read; whether it has this commit shows when it is fetched", gitrepo.Reach(ctx, url, g.Ref, o)
		}
		commit, err := gitrepo.Resolve(ctx, url, g.Ref, o)
		return "it is commit " + commit, err
	}
	return one
}
