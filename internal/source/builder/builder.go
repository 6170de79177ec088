// Package builder builds Dockerfiles with whatever the machine has for it, docker, podman or buildah, pushes the image and tells its
// digest.
package builder

import (
	"context"
	"fmt"
	"os"

	"plan/internal/source/registry"
)

// The builders, and Auto, the first of them that is there and answers.
const (
	Auto    = "auto"
	Docker  = "docker"
	Podman  = "podman"
	Buildah = "buildah"
)

// Options say what to build and where to put it.
type Options struct {
	Dockerfile string            // path; a relative one counts from the working directory
	Context    string            // the folder that is sent to the builder, less what its .dockerignore says; "" is the Dockerfile's
	Target     string            // stage; "" is the last
	Args       map[string]string `json:"-"` // build arguments; values reach the builder by its environment, never its command line
	Push       string            // HOST/PATH of the repository
	Builder    string            // "" is Auto

	// Insecure lets podman, buildah and buildx push without checking certificates, and by plain http. The daemon of docker has
	// its own list of such registries.
	Insecure bool

	// Log gets what the builder prints, a line at a time and one call at a time, each cut to 4 KiB and otherwise as it came:
	// with whatever control characters are in it. nil is nobody.
	Log func(line string)
}

// String leaves the arguments out.
func (o Options) String() string { return "build of " + o.Dockerfile }

// GoString is String.
func (o Options) GoString() string { return o.String() }

// Result is what came of it.
type Result struct {
	Image   string // "HOST/PATH@sha256:…"
	Builder string // Docker, Podman or Buildah
	Version string // as the builder tells it
}

// Build builds and pushes. The image gets a tag, because registries collect what has none: registry.TagPrefix and 12 digits, of
// the image's ID, or random ones with buildx, which wants to know before it builds. Everything that can be wrong with the options is an
// error before anything is run. When ctx ends, so do the builder and all processes that it started in its group.
func Build(ctx context.Context, o Options) (Result, error) {
	j, err := o.check()
	if err != nil {
		return Result{}, err
	}
	t, err := find(ctx, o.Builder)
	if err != nil {
		return Result{}, err
	}
	dir, err := os.MkdirTemp("", "plan-build-*")
	if err != nil {
		return Result{}, fmt.Errorf("make a folder for the builder's answers: %w", err)
	}
	defer os.RemoveAll(dir)
	j.tool, j.dir = t, dir
	digest, err := j.build(ctx)
	if err != nil {
		return Result{}, err
	}
	return Result{Image: j.push.String() + "@" + digest, Builder: t.kind, Version: t.version}, nil
}

// build gives the digest of what was pushed.
func (j *job) build(ctx context.Context) (string, error) {
	switch {
	case j.tool.kind != Docker:
		return j.podman(ctx)
	case j.tool.buildx:
		return j.buildx(ctx)
	}
	return j.docker(ctx)
}

// ask is the digest that the registry has for a tag, where the builder does not tell.
func (j *job) ask(ctx context.Context, tag string) (string, error) {
	digest, err := registry.Digest(ctx, tag, registry.Options{Insecure: j.insecure})
	if err != nil {
		return "", fmt.Errorf("find the digest of what %s pushed: %w", j.tool.kind, err)
	}
	return digest, nil
}
