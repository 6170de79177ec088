package builder

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"plan/internal/source/registry"
)

// The steps, in errors.
const (
	stepBuild = "build"
	stepPush  = "push"
)

// docker builds with the engine's own builder, and has it push. The tag is made of the image's ID, so that the same image has one
// tag, here as there.
func (j *job) docker(ctx context.Context) (string, error) {
	idFile := filepath.Join(j.dir, "id")
	if err := j.run(ctx, stepBuild, j.environment(), append([]string{"build", "--iidfile", idFile}, j.flags()...)...); err != nil {
		return "", err
	}
	id, err := readDigest(idFile)
	if err != nil {
		return "", fmt.Errorf("read the ID of what docker built: %w", err)
	}
	tag := j.tagOf(id)
	if err := j.run(ctx, stepBuild, nil, "tag", id, tag); err != nil {
		return "", err
	}
	if err := j.run(ctx, stepPush, nil, "push", tag); err != nil {
		return "", err
	}
	out, err := j.tool.tell(ctx, "image", "inspect", "--format", "{{json .RepoDigests}}", id)
	if err == nil {
		if digest := j.digestAmong(out); digest != "" {
			return digest, nil
		}
	}
	return j.ask(ctx, tag)
}

// digestAmong is the one digest that the engine knows of the image in the repository; "" if there is none, or more than one.
func (j *job) digestAmong(repoDigests string) string {
	var known []string
	if json.Unmarshal([]byte(repoDigests), &known) != nil {
		return ""
	}
	found := ""
	for _, k := range known {
		repo, digest, _ := strings.Cut(k, "@")
		if familiar(repo) != familiar(j.push.String()) || !isDigest(digest) {
			continue
		}
		if found != "" {
			return ""
		}
		found = digest
	}
	return found
}

// familiar is a repository as docker shows it: without the host of Docker Hub.
func familiar(repo string) string {
	for _, hub := range []string{"docker.io/", "index.docker.io/"} {
		repo = strings.TrimPrefix(repo, hub)
	}
	return strings.TrimPrefix(repo, "library/")
}

// buildx builds and pushes in one go, wherever the builder in use is: the engine need not have the image at all.
func (j *job) buildx(ctx context.Context) (string, error) {
	tag := j.tagOf("sha256:" + random())
	metadata := filepath.Join(j.dir, "metadata.json")
	to := []string{"--tag", tag, "--push"}
	if j.insecure {
		to = []string{"--output", "type=image,name=" + tag + ",push=true,registry.insecure=true"}
	}
	args := append([]string{"buildx", "build", "--metadata-file", metadata}, to...)
	err := j.run(ctx, stepBuild, j.environment(), append(args, j.flags()...)...)
	_, _ = j.tool.tell(ctx, "image", "rm", "--no-prune", tag) // some builders leave the image in the engine; a random name serves nobody there
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(metadata)
	if err != nil {
		return j.ask(ctx, tag)
	}
	var m struct {
		Digest string `json:"containerimage.digest"`
	}
	if json.Unmarshal(text, &m) != nil || !isDigest(m.Digest) {
		return j.ask(ctx, tag)
	}
	return m.Digest, nil
}

func random() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

func (j *job) tagOf(id string) string {
	return j.push.String() + ":" + registry.TagPrefix + strings.TrimPrefix(id, "sha256:")[:registry.TagLen]
}

// readDigest reads a file that holds a digest, of which podman and buildah have left out the algorithm at times.
func readDigest(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	digest := "sha256:" + strings.TrimPrefix(strings.TrimSpace(string(text)), "sha256:")
	if !isDigest(digest) {
		return "", fmt.Errorf("%q is not a digest", oneLine(string(text)))
	}
	return digest, nil
}

func isDigest(s string) bool {
	const digits = 64
	hex, ok := strings.CutPrefix(s, "sha256:")
	return ok && len(hex) == digits && strings.Trim(hex, "0123456789abcdef") == ""
}
