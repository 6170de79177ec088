package runjob

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/dustin/go-humanize/english"

	"plan/internal/source"
	"plan/internal/source/builder"
	"plan/internal/source/registry"
	"plan/internal/workload"
	"plan/steps"
)

// What ConfigMaps carry: an API server takes 1 MiB of data in each, and etcd has better things to hold than archives. kubectl takes less.
const (
	partSize   = 900 << 10
	mostInMaps = 8 << 20
)

// carried is the work, ready to be run: the image, and what goes into its workspace.
type carried struct {
	image  string
	source *workload.Source // nil: the image has everything
	commit string
	about  []string // for the preview: what is packed, what is left out, what is built
	knows  bool     // false: something in it only a run can know
}

// courier brings the work from where it is. In a rendering it opens no connection.
type courier struct {
	action *Action
	dir    string // relative paths are relative to it
	part   int    // of an archive in ConfigMaps; 0: partSize
	value  func(steps.Value) (string, error)
	log    func(string, ...any)

	note  func(key, value string) error // nil: nothing is resolved, fetched, built or pushed
	noted map[string]string
}

// Notes are per step and shared by its attempts, so that all of them run the same; but each attempt has a workload of its own.
const (
	noteCommit = "git commit"
	noteImage  = "image"

	noteWorkload = "workload " // and the attempt
)

// bring makes the source ready.
func (c *courier) bring(ctx context.Context) (*carried, error) {
	s := c.action.Source
	switch kind, _ := s.kindOf(); kind {
	case "directory":
		return c.directory(ctx, s.Directory)
	case "git":
		return c.git(ctx, s.Git)
	case "dockerfile":
		return c.dockerfile(ctx, s.Dockerfile)
	}
	return &carried{image: cmp.Or(s.Image, c.action.Image), knows: true}, nil
}

func (c *courier) absolute(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(c.dir, path)
}

func (c *courier) helper() string {
	return cmp.Or(c.action.HelperImage, defaultHelper)
}

func (c *courier) directory(ctx context.Context, d *Directory) (*carried, error) {
	return c.pack(ctx, c.absolute(d.Path), source.Options{Include: d.Include, Exclude: d.Exclude}, d.Transport, d.Push)
}

// pack packs a directory and decides how it travels.
func (c *courier) pack(ctx context.Context, dir string, o source.Options, transport, push string) (*carried, error) {
	if transport == transportConfigMap || transport != transportImage && push == "" {
		o.MaxSize = mostInMaps
	}
	archive, err := source.Pack(ctx, dir, o)
	if err != nil {
		if o.MaxSize > 0 && push == "" {
			return nil, fmt.Errorf("%w%s", err, tooLarge(err))
		}
		return nil, err
	}
	defer archive.Close()
	out := &carried{image: cmp.Or(c.action.Image, defaultImage), knows: true, about: packed(archive)}
	out.source = &workload.Source{Helper: c.helper(), Digest: archive.Digest, Startup: archive.Startup}
	if transport == transportImage || archive.Size > mostInMaps {
		return c.layer(ctx, out, archive, push)
	}
	for part, err := range archive.Parts(cmp.Or(c.part, partSize)) {
		if err != nil {
			return nil, fmt.Errorf("cut the archive of %s: %w", dir, err)
		}
		out.source.Parts = append(out.source.Parts, part)
	}
	return out, nil
}

// tooLarge is what else can be done about a source that ConfigMaps do not carry.
func tooLarge(err error) string {
	if limit, ok := errors.AsType[*source.LimitError](err); !ok || limit.Unit != source.Compressed {
		return ""
	}
	return "; or carry it as a layer of the image, with transport: image and push: REGISTRY/REPOSITORY"
}

// packed tells of an archive in lines.
func packed(a *source.Archive) []string {
	lines := []string{fmt.Sprintf("source of %s, %d bytes packed, %s", english.Plural(a.Files, "file", ""), a.Size, a.Digest)}
	var denied []string
	for _, left := range a.Left {
		if left.Denied {
			denied = append(denied, fmt.Sprintf("%s (%s)", left.Path, left.Why))
		}
	}
	if len(denied) > 0 {
		lines = append(lines, "left out: "+strings.Join(denied, ", "))
	}
	if other := len(a.Left) - len(denied) + a.LeftMore; other > 0 {
		lines = append(lines, "left out by ignore files: "+english.Plural(other, "entry", "entries"))
	}
	return lines
}

// layer pushes the archive as a layer on the image.
func (c *courier) layer(ctx context.Context, out *carried, archive *source.Archive, push string) (*carried, error) {
	base := out.image
	out.source.InImage = true
	if c.note == nil {
		out.image, out.knows = unknown("image of "+push), false
		out.about = append(out.about, "a layer on "+base+" is pushed to "+push)
		return out, nil
	}
	key := noteImage + " " + base + " " + archive.Digest
	if image := c.noted[key]; image != "" {
		out.image = image
		return out, nil
	}
	id := int(c.action.RunAsUser)
	image, err := registry.Append(ctx, base, push, archive.Open, registry.Options{UID: id, GID: id, Log: func(line string) { c.log("%s", line) }})
	if err != nil {
		return nil, err
	}
	out.image = image
	return out, c.note(key, image)
}

// dockerfile builds the image once for all attempts.
func (c *courier) dockerfile(ctx context.Context, d *Dockerfile) (*carried, error) {
	o := c.building(d)
	out := &carried{about: []string{fmt.Sprintf("image built from %s, pushed to %s", o.Dockerfile, d.Push)}}
	if c.note == nil {
		out.image = unknown("image of " + d.Push)
		return out, nil
	}
	out.knows = true
	if out.image = c.noted[noteImage]; out.image != "" {
		c.log("the image was built before: %s", out.image)
		return out, nil
	}
	built, err := builder.Build(ctx, o)
	if err != nil {
		return nil, err
	}
	c.log("built by %s %s, pushed as %s", built.Builder, built.Version, built.Image)
	out.image = built.Image
	return out, c.note(noteImage, built.Image)
}

// building is how the Dockerfile is built.
func (c *courier) building(d *Dockerfile) builder.Options {
	o := builder.Options{
		Dockerfile: c.absolute(cmp.Or(d.Path, "Dockerfile")), Target: d.Target, Args: d.Args, Push: d.Push, Builder: cmp.Or(d.Builder, builder.Auto),
		Log: func(line string) { c.log("%s", line) },
	}
	if d.Context != "" {
		o.Context = c.absolute(d.Context)
	}
	return o
}

// unknownMark begins what stands in a rendering for what only the run can know.
const unknownMark = "UNKNOWN("

func unknown(what string) string { return unknownMark + what + ")" }
