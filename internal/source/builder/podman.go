package builder

import (
	"context"
	"fmt"
	"path/filepath"
)

// podman builds and pushes with podman or buildah, whose command lines are alike. The image is pushed by its ID, so that no name is
// left behind.
func (j *job) podman(ctx context.Context) (string, error) {
	build := "build"
	if j.tool.kind == Buildah {
		build = "bud" // what all versions call it
	}
	idFile, digestFile := filepath.Join(j.dir, "id"), filepath.Join(j.dir, "digest")
	if err := j.run(ctx, stepBuild, j.environment(), append([]string{build, "--iidfile", idFile}, j.flags()...)...); err != nil {
		return "", err
	}
	id, err := readDigest(idFile)
	if err != nil {
		return "", fmt.Errorf("read the ID of what %s built: %w", j.tool.kind, err)
	}
	args := []string{"push", "--digestfile", digestFile}
	if j.insecure {
		args = append(args, "--tls-verify=false")
	}
	tag := j.tagOf(id)
	if err := j.run(ctx, stepPush, nil, append(args, id, "docker://"+tag)...); err != nil {
		return "", err
	}
	if digest, err := readDigest(digestFile); err == nil {
		return digest, nil
	}
	return j.ask(ctx, tag)
}
