package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"plan/internal/gobuild"
	"plan/internal/image/assemble"
	"plan/internal/source/registry"
)

// product is what is made of a commit.
type product struct {
	version string
	source  gobuild.Source
	targets []gobuild.Target
	tools   *gobuild.Tools
	talk    io.Writer
}

// publish makes the images below work, puts them into out, and pushes them if there is a reference to push to.
func (p *product) publish(ctx context.Context, work, out, push string) error {
	if err := errors.Join(mayReplace(out), mayReplace(beside(out))); err != nil {
		return err
	}
	fmt.Fprintf(p.talk, "image: version %s of commit %s (%s) for %v\n", p.version, p.source.Short(), p.source.Date.Format(time.RFC3339), p.targets)
	programs, err := p.compile(ctx, work)
	if err != nil {
		return err
	}
	index, err := assemble.Index(programs, work)
	if err != nil {
		return err
	}
	if err := p.replace(out, index); err != nil {
		return fmt.Errorf("write %s: %w", out, err)
	}
	digest, err := index.Digest()
	if err != nil {
		return err
	}
	fmt.Fprintf(p.talk, "image: %s has %s\n", out, digest)
	if push == "" {
		return nil
	}
	_, err = registry.Publish(ctx, push, index, registry.Options{Log: func(line string) { fmt.Fprintln(p.talk, "image:", line) }})
	return err
}

// compile builds the program for each target.
func (p *product) compile(ctx context.Context, work string) ([]assemble.Program, error) {
	src := filepath.Join(work, "source")
	if err := p.tools.Unpack(ctx, p.source.ID, src); err != nil {
		return nil, err
	}
	var programs []assemble.Program
	for _, t := range p.targets {
		begin, binary := time.Now(), filepath.Join(work, "plan-"+t.Arch)
		b := gobuild.Build{Target: t, Source: src, Binary: binary, Version: p.version, Commit: p.source.Short()}
		if err := p.tools.Compile(ctx, b); err != nil {
			return nil, fmt.Errorf("%s: %w", t, err)
		}
		programs = append(programs, assemble.Program{Binary: binary, Arch: t.Arch, Version: p.version, Commit: p.source.Short(), Date: p.source.Date})
		fmt.Fprintf(p.talk, "image: %s compiled (%s)\n", t, time.Since(begin).Round(time.Second))
	}
	return programs, nil
}

// tag is the version as a tag of an image, in which two of its signs are not allowed.
func (p *product) tag() string { return strings.NewReplacer("+", "-", "~", "-").Replace(p.version) }

// The names in the folder that is written.
const layoutName = "oci"

var written = regexp.MustCompile(`^(` + layoutName + `|plan_.+\.tar)$`)

// mayReplace refuses a folder that has something else than images.
func mayReplace(out string) error {
	entries, err := os.ReadDir(out)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if i := slices.IndexFunc(entries, func(e os.DirEntry) bool { return !written.MatchString(e.Name()) }); i >= 0 {
		return fmt.Errorf("%s holds %s, which is no image; it is left alone", out, entries[i].Name())
	}
	return nil
}

// beside is the folder that becomes out once it is whole.
func beside(out string) string { return filepath.Clean(out) + ".next" }

// replace writes the images beside out and then takes its place, so that out is whole whenever it is there.
func (p *product) replace(out string, index v1.ImageIndex) error {
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	next := beside(out)
	if err := os.RemoveAll(next); err != nil {
		return err
	}
	err := os.Mkdir(next, 0o755)
	if err == nil {
		err = p.write(next, index)
	}
	if err == nil {
		err = os.RemoveAll(out)
	}
	if err == nil {
		return os.Rename(next, out)
	}
	return errors.Join(err, os.RemoveAll(next))
}

// write writes the layout and the tarballs into a folder.
func (p *product) write(folder string, index v1.ImageIndex) error {
	if err := assemble.WriteLayout(filepath.Join(folder, layoutName), p.tag(), index); err != nil {
		return err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return err
	}
	for _, d := range manifest.Manifests {
		image, err := index.Image(d.Digest)
		if err != nil {
			return err
		}
		name := fmt.Sprintf("plan_%s_%s_%s.tar", p.version, d.Platform.OS, d.Platform.Architecture)
		if err := assemble.WriteTarball(filepath.Join(folder, name), "plan:"+p.tag(), image); err != nil {
			return err
		}
	}
	return nil
}
