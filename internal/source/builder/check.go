package builder

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"plan/internal/printable"
	"plan/internal/source/registry"
)

// job is a build whose options have been checked.
type job struct {
	dockerfile, context string // absolute, so that neither looks like a flag or a URL
	target              string
	args                map[string]string
	push                registry.Repository
	insecure            bool
	log                 func(string)

	tool tool
	dir  string // for files that the builder writes
}

func (o Options) check() (*job, error) {
	j := &job{target: o.Target, args: o.Args, insecure: o.Insecure, log: o.Log}
	var err error
	if j.push, err = registry.ParseRepository(o.Push); err != nil {
		return nil, err
	}
	if j.dockerfile, err = dockerfile(o.Dockerfile); err != nil {
		return nil, err
	}
	if j.context, err = contextFolder(cmp.Or(o.Context, filepath.Dir(j.dockerfile))); err != nil {
		return nil, err
	}
	if strings.HasPrefix(o.Target, "-") || strings.ContainsFunc(o.Target, func(r rune) bool { return r == ' ' || printable.Hidden(r) }) {
		return nil, fmt.Errorf("build stage %q: not a name", printable.String(o.Target))
	}
	for name, value := range o.Args {
		if err := checkArg(name, value); err != nil {
			return nil, err
		}
	}
	if b := o.Builder; b != "" && b != Auto && !slices.Contains(builders(), b) {
		return nil, fmt.Errorf("builder %q: want %s, %s", printable.String(b), Auto, strings.Join(builders(), ", "))
	}
	return j, nil
}

func dockerfile(path string) (string, error) {
	if path == "" {
		return "", errors.New("build: no Dockerfile is named")
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("read Dockerfile %s: %w", path, err)
	}
	f, err := os.Open(abs)
	if err != nil {
		return "", fmt.Errorf("read Dockerfile %s: %w", path, reason(err))
	}
	defer f.Close()
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = errors.New("not a file")
	}
	if err != nil {
		return "", fmt.Errorf("read Dockerfile %s: %w", path, err)
	}
	return abs, nil
}

func contextFolder(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("build context %s: %w", path, err)
	}
	fi, err := os.Stat(abs)
	if err == nil && !fi.IsDir() {
		err = errors.New("not a folder")
	}
	if err != nil {
		return "", fmt.Errorf("build context %s: %w", path, reason(err))
	}
	return abs, nil
}

// reason is an error without the path, which is shown already.
func reason(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

func checkArg(name, value string) error {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
	switch {
	case name == "" || strings.Trim(name, letters+"0123456789") != "" || !strings.Contains(letters, name[:1]):
		return fmt.Errorf("build argument %q: a name has letters, digits and underscores, and no digit at its beginning", printable.String(name))
	case own(name):
		return fmt.Errorf("build argument %s: the builder itself reads a variable of that name, and arguments reach it as variables: use another name", name)
	case strings.ContainsRune(value, 0):
		return fmt.Errorf("build argument %s: its value has a zero byte", name)
	}
	return nil
}

// own says that a variable steers the builder, the programs it calls or the linker, and not only what is built. Proxies are not among
// them: they are meant for both.
func own(name string) bool {
	for _, prefix := range []string{"LD_", "XDG_", "CONTAINERS_", "BUILDAH_", "BUILDX_", "DOCKER_CLI_", "DOCKER_CONTENT_TRUST", "DOCKER_TLS", "OTEL_", "STORAGE_"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return slices.Contains([]string{"PATH", "HOME", "TMPDIR", "GODEBUG", "SSL_CERT_FILE", "SSL_CERT_DIR", "REGISTRY_AUTH_FILE", "CONTAINER_HOST", "CONTAINER_CONNECTION",
		"CONTAINER_SSHKEY", "DOCKER_HOST", "DOCKER_CONFIG", "DOCKER_CONTEXT", "DOCKER_CERT_PATH", "DOCKER_API_VERSION", "DOCKER_BUILDKIT", "DOCKER_AUTH_CONFIG",
		"DOCKER_DEFAULT_PLATFORM", "DOCKER_CUSTOM_HEADERS", "BUILDKIT_HOST", "BUILDKIT_PROGRESS", "SSH_AUTH_SOCK"}, name)
}

// flags are what the builders have in common: everything but where the image goes.
func (j *job) flags() []string {
	args := []string{"--file", j.dockerfile}
	if j.target != "" {
		args = append(args, "--target="+j.target)
	}
	for _, name := range slices.Sorted(maps.Keys(j.args)) {
		args = append(args, "--build-arg", name) // the value is in the environment
	}
	return append(args, j.context)
}

// environment is for the build alone.
func (j *job) environment() []string {
	env := []string{
		"BUILDKIT_PROGRESS=plain",
		"BUILDX_NO_DEFAULT_ATTESTATIONS=1", // one image and no index of it and its papers, which name arguments
	}
	for name, value := range j.args {
		env = append(env, name+"="+value)
	}
	return env
}
