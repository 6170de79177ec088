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
	"time"

	"plan/internal/gobuild"
)

// maker makes the parts of a release that other programs make.
type maker interface {
	// Unpack puts the source of a commit into a folder that does not exist.
	Unpack(ctx context.Context, commit, folder string) error
	// Compile builds the program of a source for a target.
	Compile(ctx context.Context, b gobuild.Build) error
	// Describe writes the SBOM of a binary.
	Describe(ctx context.Context, version, binary, sbom string) error
}

// release is what is made of a commit.
type release struct {
	version string
	source  gobuild.Source
	targets []gobuild.Target
	maker   maker
	talk    io.Writer
}

// publish makes everything twice below work and, when both are the same, puts it into out. Before that out is as it was.
func (r *release) publish(ctx context.Context, work, out string) error {
	if err := mayReplace(out); err != nil {
		return err
	}
	fmt.Fprintf(r.talk, "release: version %s of commit %s (%s), %d targets, each built twice\n", r.version, r.source.Short(), r.source.Date.Format(time.RFC3339), len(r.targets))
	var made []string
	for _, name := range []string{"first", filepath.Join("second", "in-another-folder")} { // paths of different lengths
		folder := filepath.Join(work, name)
		if err := r.make(ctx, folder); err != nil {
			return fmt.Errorf("build %s: %w", filepath.Base(folder), err)
		}
		made = append(made, filepath.Join(folder, "dist"))
	}
	if err := compare(made[0], made[1]); err != nil {
		return fmt.Errorf("the two builds are not the same, so nothing is published: %w", err)
	}
	if err := replace(out, made[0]); err != nil {
		return fmt.Errorf("write %s: %w", out, err)
	}
	fmt.Fprintf(r.talk, "release: both builds are the same; %s has them\n", out)
	return nil
}

// make makes everything in one folder, with source and build cache below it.
func (r *release) make(ctx context.Context, folder string) error {
	src, dist := filepath.Join(folder, "source"), filepath.Join(folder, "dist")
	if err := os.MkdirAll(dist, 0o755); err != nil {
		return err
	}
	if err := r.maker.Unpack(ctx, r.source.ID, src); err != nil {
		return err
	}
	for _, t := range r.targets {
		begin := time.Now()
		if err := r.one(ctx, t, folder, src, dist); err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
		fmt.Fprintf(r.talk, "release: %s in %s (%s)\n", t, filepath.Base(folder), time.Since(begin).Round(time.Second))
	}
	return writeSums(dist)
}

// one makes the archive and the SBOM of a target.
func (r *release) one(ctx context.Context, t gobuild.Target, folder, src, dist string) error {
	name := fmt.Sprintf("plan_%s_%s_%s", r.version, t.OS, t.Arch)
	binary := filepath.Join(folder, name, "plan")
	if err := os.MkdirAll(filepath.Dir(binary), 0o755); err != nil {
		return err
	}
	err := r.maker.Compile(ctx, gobuild.Build{Target: t, Source: src, Cache: filepath.Join(folder, "cache"), Binary: binary, Version: r.version, Commit: r.source.Short()})
	if err != nil {
		return err
	}
	if err := r.maker.Describe(ctx, r.version, binary, filepath.Join(dist, name+".cdx.json")); err != nil {
		return err
	}
	files := []gobuild.File{{Name: name + "/plan", Path: binary, Mode: 0o755}}
	for _, text := range []string{"LICENSE", "README.md"} {
		if path := filepath.Join(src, text); exists(path) {
			files = append(files, gobuild.File{Name: name + "/" + text, Path: path, Mode: 0o644})
		}
	}
	return gobuild.WriteArchive(filepath.Join(dist, name+".tar.gz"), r.source.Date, files)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// published is the name of a file that a release leaves in its folder.
var published = regexp.MustCompile(`^(plan_.+\.(tar\.gz|cdx\.json)|SHA256SUMS)$`)

// images is the folder among a release's files that `make image` fills. A release leaves it alone.
const images = "image"

// mayReplace refuses a folder that has something else than a release and images.
func mayReplace(out string) error {
	entries, err := os.ReadDir(out)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	foreign := func(e os.DirEntry) bool {
		return !published.MatchString(e.Name()) && (e.Name() != images || !e.IsDir())
	}
	if i := slices.IndexFunc(entries, foreign); i >= 0 {
		return fmt.Errorf("%s holds %s, which is not of a release; it is left alone", out, entries[i].Name())
	}
	return nil
}

// replace makes out what made is. The checksums go first and come last: a folder with them is whole.
func replace(out, made string) error {
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	old, err := names(out)
	if err != nil {
		return err
	}
	for _, name := range old { // SHA256SUMS sorts before plan_
		if name == images {
			continue
		}
		if err := os.Remove(filepath.Join(out, name)); err != nil {
			return err
		}
	}
	list, err := names(made)
	if err != nil {
		return err
	}
	slices.Reverse(list)
	for _, name := range list {
		if err := copyFile(filepath.Join(out, name), filepath.Join(made, name)); err != nil {
			return err
		}
	}
	return nil
}

// copyFile is no rename: the folders may be on different disks.
func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// names are those of a folder, sorted.
func names(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list, nil
}
