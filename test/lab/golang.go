package lab

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"plan/internal/gobuild"
)

// ImportGo gives the lab's Docker a base image for Dockerfiles that compile a Go module: a shell, this machine's Go, and a proxy with the
// modules that the module needs, since build steps have no way out of this machine. Modules are taken from this machine's cache, and fetched
// into it if they are not there. What was compiled with the build cache of a folder lately is in the image as well, so that it is not compiled
// again.
func (l *Lab) ImportGo(ctx context.Context, moduleRoot, cache, ref string) error {
	if l.Docker.Host == "" {
		return fmt.Errorf("import image %s: Docker does not run", ref)
	}
	g := golang{cache: cache}
	err := g.findGo(ctx, moduleRoot)
	if err == nil {
		err = g.findModules(ctx, moduleRoot)
	}
	if err == nil {
		err = g.findShell(ctx, l.log)
	}
	if err != nil {
		return fmt.Errorf("import image %s: %w", ref, err)
	}
	in, out := io.Pipe()
	go func() { out.CloseWithError(g.write(out)) }()
	defer in.Close()
	cmd := exec.CommandContext(ctx, l.Docker.Program, "--host", l.Docker.Host, "import",
		"--change", "ENV PATH=/usr/local/go/bin:/bin GOTOOLCHAIN=local GOPROXY=file://"+goProxy+" GOCACHE="+goCache, "-", ref)
	cmd.Stdin = in
	if b, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("import image %s: %w\n%s", ref, err, tail(b, 5))
	}
	return nil
}

// Where the image has modules, as a proxy for them serves them, and what was compiled.
const (
	goProxy = "/var/go-proxy"
	goCache = "/var/go-build"
)

// golang is what goes into the image.
type golang struct {
	root    string   // of Go
	modules string   // the folder that the cache keeps what it downloads in
	files   []string // of modules
	busybox string
	cache   string // of builds
}

func (g *golang) findGo(ctx context.Context, moduleRoot string) error {
	out, err := gobuild.Output(ctx, moduleRoot, nil, "go", "env", "GOROOT", "GOMODCACHE")
	if err != nil {
		return err
	}
	root, cache, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	g.root, g.modules = root, filepath.Join(cache, "cache", "download")
	return nil
}

// findModules finds the archives of the modules that are built in, and of all that the cache has what says what they require.
func (g *golang) findModules(ctx context.Context, moduleRoot string) error {
	out, err := gobuild.Output(ctx, moduleRoot, nil, "go", "mod", "download", "-json")
	if err != nil {
		return err
	}
	for in := json.NewDecoder(bytes.NewReader(out)); ; {
		var module struct{ Zip string }
		if err := in.Decode(&module); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return fmt.Errorf("read what go mod download says: %w", err)
		}
		g.files = append(g.files, module.Zip)
	}
	return filepath.WalkDir(g.modules, func(name string, d fs.DirEntry, err error) error {
		if err == nil && slices.Contains([]string{".mod", ".info"}, filepath.Ext(name)) {
			g.files = append(g.files, name)
		}
		return err
	})
}

func (g *golang) findShell(ctx context.Context, log Log) error {
	cache, err := CacheDir()
	if err != nil {
		return err
	}
	p := programs{cache: cache}
	err = p.nodePrograms(ctx, log)
	g.busybox = p.busybox
	return err
}

// write writes the image's files as a tar archive.
func (g *golang) write(to io.Writer) error {
	t := tar.NewWriter(to)
	if err := addFile(t, "bin/busybox", g.busybox); err != nil {
		return err
	}
	for _, applet := range []string{"sh", "mkdir", "chmod"} {
		if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: "bin/" + applet, Linkname: "busybox", Mode: 0o777}); err != nil {
			return err
		}
	}
	if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777}); err != nil {
		return err
	}
	for _, name := range g.files {
		rel, err := filepath.Rel(g.modules, name)
		if err == nil {
			err = addFile(t, path.Join(goProxy[1:], filepath.ToSlash(rel)), name)
		}
		if err != nil {
			return err
		}
	}
	if err := errors.Join(g.writeGo(t), g.writeCache(t)); err != nil {
		return err
	}
	return t.Close()
}

// writeCache leaves out what no build has used for an hour: more often Go does not note that it uses something.
func (g *golang) writeCache(t *tar.Writer) error {
	lately := time.Now().Add(-70 * time.Minute)
	return filepath.WalkDir(g.cache, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil || info.ModTime().Before(lately) {
			return err
		}
		rel, err := filepath.Rel(g.cache, name)
		if err != nil {
			return err
		}
		return addFile(t, path.Join(goCache[1:], filepath.ToSlash(rel)), name)
	})
}

// writeGo leaves out of Go what no build of another module reads.
func (g *golang) writeGo(t *tar.Writer) error {
	return filepath.WalkDir(g.root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(g.root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if slices.Contains([]string{"api", "doc", "misc", "test", "src/cmd", ".git"}, rel) || d.Name() == "testdata" {
				return fs.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() || strings.HasSuffix(rel, "_test.go") {
			return nil
		}
		return addFile(t, path.Join("usr/local/go", rel), name)
	})
}

func addFile(t *tar.Writer, name, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: info.Size(), Mode: int64(info.Mode().Perm() | 0o444), ModTime: info.ModTime()}
	if err := t.WriteHeader(h); err != nil {
		return err
	}
	_, err = io.Copy(t, in)
	return err
}
