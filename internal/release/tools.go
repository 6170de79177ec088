package main

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// commit finds a commit of the repository that folder is in.
func commit(ctx context.Context, folder, revision string) (source, error) {
	out, err := output(ctx, folder, nil, "git", "show", "--no-patch", "--format=%H %cI", revision+"^{commit}", "--")
	if err != nil {
		return source{}, err
	}
	id, date, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	at, err := time.Parse(time.RFC3339, date)
	if err != nil {
		return source{}, fmt.Errorf("read the date of commit %s: %w", id, err)
	}
	return source{id, at.UTC()}, nil
}

// tools are git, Go, and what Go runs of the module in the folder tools, which pins it.
type tools struct {
	top  string   // the repository
	work string   // for what is made once
	env  []string // of every command
}

// newTools finds the settings that say where modules come from. All others are left out, since they may change what is built: what `go env
// -w` has written, GOFLAGS, GOEXPERIMENT, a go.work above.
func newTools(ctx context.Context, work string) (*tools, error) {
	keep := []string{"GOMODCACHE", "GOPROXY", "GONOPROXY", "GOPRIVATE", "GOSUMDB", "GONOSUMDB", "GOINSECURE", "GOAUTH"}
	out, err := output(ctx, ".", nil, "go", append([]string{"env", "-json"}, keep...)...)
	if err != nil {
		return nil, err
	}
	var found map[string]string
	if err := json.Unmarshal(out, &found); err != nil {
		return nil, fmt.Errorf("read go env: %w", err)
	}
	top, err := output(ctx, ".", nil, "git", "rev-parse", "--show-toplevel")
	if err != nil {
		return nil, err
	}
	t := &tools{top: strings.TrimSpace(string(top)), work: work, env: []string{
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

func (t *tools) with(more ...string) []string { return slices.Concat(t.env, more) }

func (t *tools) unpack(ctx context.Context, commit, folder string) error {
	data, err := output(ctx, t.top, nil, "git", "archive", "--format=tar", commit)
	if err != nil {
		return err
	}
	return untar(bytes.NewReader(data), folder)
}

// untar unpacks files and folders; the repository has nothing else.
func untar(in io.Reader, folder string) error {
	if err := os.Mkdir(folder, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	for t := tar.NewReader(in); ; {
		header, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch header.Typeflag {
		case tar.TypeXGlobalHeader:
		case tar.TypeDir:
			err = root.MkdirAll(strings.TrimSuffix(header.Name, "/"), 0o755)
		case tar.TypeReg:
			err = writeFile(root, header, t)
		default:
			err = fmt.Errorf("unpack %s: neither a file nor a folder", header.Name)
		}
		if err != nil {
			return err
		}
	}
}

func writeFile(root *os.Root, header *tar.Header, in io.Reader) error {
	out, err := root.OpenFile(header.Name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, os.FileMode(header.Mode).Perm()|0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

func (t *tools) compile(ctx context.Context, b build) error {
	flags := fmt.Sprintf("-s -w -X main.version=%s -X main.commit=%s", b.version, b.commit)
	_, err := output(ctx, b.source, t.with("GOOS="+b.target.os, "GOARCH="+b.target.arch, "GOCACHE="+b.cache),
		"go", "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", b.binary, "./cmd/plan")
	return err
}

// describe asks cyclonedx-gomod, which reads what the linker put into the binary.
func (t *tools) describe(ctx context.Context, version, binary, sbom string) error {
	env := t.with("GOCACHE=" + filepath.Join(t.work, "tools"))
	_, err := output(ctx, filepath.Join(t.top, "internal", "release", "tools"), env, "go", "tool", "cyclonedx-gomod", "bin", "-json", "-std", "-noserial", "-notimestamp", "-version", version, "-output", sbom, binary)
	if err != nil {
		return err
	}
	return neutral(sbom)
}

// neutral takes the hashes of the program that wrote an SBOM out of it: they are those of this machine's build of it.
func neutral(sbom string) error {
	data, err := os.ReadFile(sbom)
	if err != nil {
		return err
	}
	var doc map[string]any
	if err := json.Unmarshal(data, &doc); err != nil {
		return fmt.Errorf("read SBOM: %w", err)
	}
	meta, _ := doc["metadata"].(map[string]any)
	list, _ := meta["tools"].([]any)
	for _, tool := range list {
		if tool, ok := tool.(map[string]any); ok {
			delete(tool, "hashes")
		}
	}
	if data, err = json.MarshalIndent(doc, "", "  "); err != nil {
		return fmt.Errorf("write SBOM: %w", err)
	}
	return os.WriteFile(sbom, append(data, '\n'), 0o644)
}

// output runs a command and gives what it prints. An error has what it complained of. A nil env is this process's.
func output(ctx context.Context, folder string, env []string, name string, args ...string) ([]byte, error) {
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
