package gobuild

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// Tools are git and Go.
type Tools struct {
	Top string   // the repository
	env []string // of every command
}

// Build is one call of the compiler.
type Build struct {
	Target          Target
	Source, Binary  string // the folder of the source, and the file that is made
	Cache           string // folder; "" is the user's own
	Version, Commit string
}

// New finds the settings that say where modules come from and where results are kept. All others are left out, since they may change what
// is built: what `go env -w` has written, GOFLAGS, GOEXPERIMENT, a go.work above.
func New(ctx context.Context) (*Tools, error) {
	keep := []string{"GOMODCACHE", "GOCACHE", "GOPROXY", "GONOPROXY", "GOPRIVATE", "GOSUMDB", "GONOSUMDB", "GOINSECURE", "GOAUTH"}
	out, err := Output(ctx, ".", nil, "go", append([]string{"env", "-json"}, keep...)...)
	if err != nil {
		return nil, err
	}
	var found map[string]string
	if err := json.Unmarshal(out, &found); err != nil {
		return nil, fmt.Errorf("read go env: %w", err)
	}
	top, err := Output(ctx, ".", nil, "git", "rev-parse", "--show-toplevel")
	if err != nil {
		return nil, err
	}
	t := &Tools{Top: strings.TrimSpace(string(top)), env: []string{
		"GOENV=off", "GOWORK=off", "GOTOOLCHAIN=local", "GOFLAGS=-mod=readonly", "GOAMD64=v1", "GOARM64=v8.0", "CGO_ENABLED=0", "LC_ALL=C", "TZ=UTC",
	}}
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"} {
		if value, ok := os.LookupEnv(name); ok {
			found[name] = value
		}
	}
	for name, value := range found {
		if value != "" {
			t.env = append(t.env, name+"="+value)
		}
	}
	return t, nil
}

// With is the environment of commands, with more in it.
func (t *Tools) With(more ...string) []string { return slices.Concat(t.env, more) }

// Compile builds the program of a source for a target.
func (t *Tools) Compile(ctx context.Context, b Build) error {
	env := t.With("GOOS="+b.Target.OS, "GOARCH="+b.Target.Arch)
	if b.Cache != "" {
		env = append(env, "GOCACHE="+b.Cache)
	}
	flags := fmt.Sprintf("-s -w -X main.version=%s -X main.commit=%s", b.Version, b.Commit)
	_, err := Output(ctx, b.Source, env, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", b.Binary, "./cmd/plan")
	return err
}

// Output runs a command and gives what it prints. An error has what it complained of. A nil env is this process's.
func Output(ctx context.Context, folder string, env []string, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = folder, env
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", name, args[0], err, strings.TrimSpace(complaint.String()))
	}
	return out, nil
}
