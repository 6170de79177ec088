package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/dustin/go-humanize/english"

	"plan/internal/bundle"
	"plan/internal/bundle/layout"
	"plan/internal/source"
	"plan/internal/workload"
)

// maxLocalFile bounds a file that the bundle carries: a ConfigMap holds less.
const maxLocalFile = 1 << 20

// above is a folder over that of the plan, for what lies beside it. No directory is named so by chance.
const above = "_"

// base is the plan's folder in the pod: as deep as the paths that lead up from it want.
func (b *bundling) base() string {
	depth := 0
	count := func(name string) {
		n := 0
		for rest := name; strings.HasPrefix(rest, ".."); n++ {
			rest = strings.TrimPrefix(strings.TrimPrefix(rest, ".."), "/")
		}
		depth = max(depth, n)
	}
	for _, f := range b.files {
		count(f.path)
	}
	for _, f := range b.folders {
		count(f.path)
	}
	count(b.planFile()) // a volume has no file whose name begins with two dots at its top
	return strings.TrimSuffix(strings.Repeat(above+"/", depth), "/")
}

// carry fills in the plan, its files and its directories.
func (b *bundling) carry(ctx context.Context, s *bundle.Spec) error {
	base := b.base()
	s.File = path.Join(base, b.planFile())
	s.Files = []bundle.File{{Path: s.File, Data: b.data}}
	var problems []error
	for _, f := range b.files {
		data, err := b.readFile(f)
		problems = append(problems, err)
		s.Files = append(s.Files, bundle.File{Path: path.Join(base, f.path), Data: data})
	}
	var packs []packedFolder
	var size int64
	for _, f := range b.folders {
		p, err := b.pack(ctx, f, path.Join(base, f.path))
		problems = append(problems, err)
		size += p.size
		packs, s.Trees = append(packs, p), append(s.Trees, p.tree)
	}
	if err := errors.Join(problems...); err != nil {
		return usage(err)
	}
	if size > bundle.MaxTrees {
		return usage(tooMuch(packs, size))
	}
	return b.rehearse(ctx, s, packs)
}

// readFile reads a file that may be seen by whoever may read ConfigMaps.
func (b *bundling) readFile(f localFile) ([]byte, error) {
	file, err := os.Open(filepath.Join(b.baseDir, filepath.FromSlash(f.path)))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.field, err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxLocalFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", f.field, err)
	case len(data) > maxLocalFile:
		return nil, fmt.Errorf("%s: %s has more than %d bytes, which no ConfigMap holds", f.field, f.path, maxLocalFile)
	case bytes.Contains(data, []byte("PRIVATE KEY-----")):
		return nil, fmt.Errorf("%s: %s has a private key in it, and would stand in a ConfigMap: leave only the certificates in it", f.field, f.path)
	}
	return data, nil
}

// packedFolder is a directory as it was packed.
type packedFolder struct {
	localFolder
	tree   bundle.Tree
	digest string // of the tar
	size   int64
}

// pack packs a directory with the options that the step itself packs it with.
func (b *bundling) pack(ctx context.Context, f localFolder, place string) (packedFolder, error) {
	options := f.options
	options.MaxSize = bundle.MaxTrees
	archive, err := source.Pack(ctx, filepath.Join(b.baseDir, filepath.FromSlash(f.path)), options)
	if limit, ok := errors.AsType[*source.LimitError](err); ok && limit.Unit == source.Compressed {
		return packedFolder{}, fmt.Errorf("step %s: %w; %s", f.step, err, otherWays)
	}
	if err != nil {
		return packedFolder{}, fmt.Errorf("step %s: %w", f.step, err)
	}
	defer archive.Close()
	p := packedFolder{localFolder: f, digest: archive.Digest, size: archive.Size, tree: bundle.Tree{Path: place, Digest: archive.Compressed}}
	for part, err := range archive.Parts(workload.KubectlPart) {
		if err != nil {
			return p, fmt.Errorf("cut the archive of %s: %w", f.path, err)
		}
		p.tree.Parts = append(p.tree.Parts, part)
	}
	b.say("step %s: directory %s, %s, %d bytes packed in %s", f.step, f.path, english.Plural(archive.Files, "file", ""), archive.Size, english.Plural(len(p.tree.Parts), "configmap", ""))
	for _, left := range archive.Left {
		if left.Denied {
			b.say("step %s: left out: %s (%s)", f.step, left.Path, left.Why)
		}
	}
	return p, nil
}

// otherWays are what else can be done about a source that a bundle does not carry.
const otherWays = "or let it come from a repository (source.git), or push it once, by a run from here with transport: image and push, and name that image in the plan (source.image)"

// tooMuch is the error of directories that are too large together.
func tooMuch(packs []packedFolder, size int64) error {
	var each []string
	for _, p := range packs {
		each = append(each, fmt.Sprintf("%s of step %s (%d bytes)", p.path, p.step, p.size))
	}
	return fmt.Errorf("the directories of the plan take %d bytes packed, and a bundle carries %d: %s. Leave out what the jobs do not need (exclude, or a .planignore file), %s", size, bundle.MaxTrees, strings.Join(each, ", "), otherWays)
}

// rehearse does what the pod will do, and packs again: the same must come of it.
func (b *bundling) rehearse(ctx context.Context, s *bundle.Spec, packs []packedFolder) error {
	parts, err := bundle.Parts(s)
	if err != nil || len(parts) == 0 {
		return err
	}
	dir, err := os.MkdirTemp("", "plan-cronjob-")
	if err != nil {
		return fmt.Errorf("unpack the directories as the pod will: %w", err)
	}
	defer os.RemoveAll(dir)
	from, to := filepath.Join(dir, "parts"), filepath.Join(dir, "work")
	for _, folder := range []string{from, to} {
		err = errors.Join(err, os.Mkdir(folder, 0o700))
	}
	for name, data := range parts {
		err = errors.Join(err, os.WriteFile(filepath.Join(from, name), data, 0o600))
	}
	if err != nil {
		return fmt.Errorf("unpack the directories as the pod will: %w", err)
	}
	if err := layout.Write(ctx, from, to); err != nil {
		return usage(fmt.Errorf("unpack the directories as the pod will: %w", err))
	}
	for _, p := range packs {
		again, err := source.Pack(ctx, filepath.Join(to, layout.Folder, filepath.FromSlash(p.tree.Path)), p.options)
		if err != nil {
			return usage(fmt.Errorf("step %s: pack directory %s again as the pod will: %w", p.step, p.path, err))
		}
		if again.Close(); again.Digest != p.digest {
			return usage(fmt.Errorf("step %s: a pod would pack something else of directory %s than is packed here: an ignore file in it leaves out another, or itself; bring it back with include", p.step, p.path))
		}
	}
	return nil
}
