package builder

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// answerWithin is how long a builder may take to tell its version.
const answerWithin = 10 * time.Second

// builders are those that are looked for, best first.
func builders() []string { return []string{Docker, Podman, Buildah} }

// tool is a builder that is there and answers.
type tool struct {
	kind    string // Docker, Podman or Buildah
	path    string
	version string
	buildx  bool
}

// ErrNoBuilder says that nothing on this machine can build.
var ErrNoBuilder = errors.New("no builder for a Dockerfile")

// find gives the builder that is wanted, or the first of all.
func find(ctx context.Context, wanted string) (tool, error) {
	candidates := builders()
	if wanted != "" && wanted != Auto {
		candidates = []string{wanted}
	}
	var why []string
	for _, name := range candidates {
		t, err := probe(ctx, name)
		if err == nil {
			return t, nil
		}
		if ctx.Err() != nil {
			return tool{}, fmt.Errorf("look for %s: %w", name, context.Cause(ctx))
		}
		why = append(why, fmt.Sprintf("%s %v", name, err))
	}
	return tool{}, fmt.Errorf("%w: %s; install docker, podman or buildah, or start its engine, or build and push the image yourself and name it as image",
		ErrNoBuilder, strings.Join(why, ", "))
}

var errAbsent = errors.New("is not installed")

// probe asks a builder for its version, docker for that of its engine.
func probe(ctx context.Context, name string) (tool, error) {
	path, err := exec.LookPath(name)
	if errors.Is(err, exec.ErrNotFound) {
		return tool{}, errAbsent
	}
	if err != nil {
		return tool{}, fmt.Errorf("cannot be run: %w", err)
	}
	t := tool{kind: name, path: path}
	if name == Docker {
		if out, err := t.tell(ctx, "--version"); err == nil && strings.HasPrefix(out, "podman") { // the podman-docker package
			t.kind = Podman
		}
	}
	switch t.kind {
	case Docker:
		t.version, err = t.tell(ctx, "version", "--format", "{{.Server.Version}}")
	case Podman:
		t.version, err = t.tell(ctx, "info", "--format", "{{.Version.Version}}")
	case Buildah:
		t.version, err = t.tell(ctx, "--version")
		t.version, _, _ = strings.Cut(strings.TrimPrefix(t.version, "buildah version "), " ")
	}
	if err != nil {
		return tool{}, fmt.Errorf("does not answer (%w)", err)
	}
	if t.kind == Docker {
		out, err := t.tell(ctx, "buildx", "version")
		if t.buildx = err == nil; t.buildx {
			t.version += " with buildx " + buildxVersion(out)
		}
	}
	return t, nil
}

// buildxVersion is the version in "github.com/docker/buildx v0.30.1 9e66234".
func buildxVersion(out string) string {
	for word := range strings.FieldsSeq(out) {
		if strings.HasPrefix(word, "v") {
			return word
		}
	}
	return out
}
