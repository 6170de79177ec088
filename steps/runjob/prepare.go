package runjob

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"plan/internal/source"
	"plan/internal/source/builder"
	"plan/internal/source/gitrepo"
	"plan/internal/source/registry"
	"plan/internal/workload"
	"plan/steps"
)

// What ConfigMaps carry: an API server takes 1 MiB of data in each, and etcd has better things to hold than archives.
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
	for part, err := range archive.Parts(partSize) {
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
	lines := []string{fmt.Sprintf("source of %d files, %d bytes packed, %s", a.Files, a.Size, a.Digest)}
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
		lines = append(lines, fmt.Sprintf("left out by ignore files: %d entries", other))
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

// git resolves the ref once for all attempts, then fetches the commit, or leaves that to the pod.
func (c *courier) git(ctx context.Context, g *Git) (*carried, error) {
	url, err := gitrepo.Parse(g.URL)
	if err != nil {
		return nil, err
	}
	o, err := c.gitOptions(g)
	if err != nil {
		return nil, err
	}
	commit := g.Ref
	if !gitrepo.IsCommit(commit) {
		if commit, err = c.commit(ctx, url, g, o); err != nil {
			return nil, err
		}
	}
	about := []string{fmt.Sprintf("commit %s of %s", commit, url)}
	if g.Fetch == fetchPod {
		out := &carried{image: cmp.Or(c.action.Image, defaultImage), commit: commit, about: about, knows: gitrepo.IsCommit(commit)}
		out.source = &workload.Source{Helper: cmp.Or(c.action.HelperImage, defaultGit)}
		out.source.Git = &workload.Git{URL: url.String(), Commit: commit, Path: g.Path}
		out.source.Git.Credentials, err = c.gitFiles(g, o)
		return out, err
	}
	if c.note == nil {
		out := &carried{image: cmp.Or(c.action.Image, defaultImage), commit: commit, about: about}
		out.source = &workload.Source{Helper: c.helper(), Unknown: unknown("archive of commit " + commit)}
		return out, nil
	}
	return c.fetched(ctx, url, commit, about, g, o)
}

// commit is what the ref names: noted when it is resolved the first time.
func (c *courier) commit(ctx context.Context, url gitrepo.URL, g *Git, o gitrepo.Options) (string, error) {
	key := noteCommit + " " + g.Ref
	if commit := c.noted[key]; commit != "" {
		return commit, nil
	}
	if c.note == nil {
		return unknown("commit of " + cmp.Or(g.Ref, "HEAD")), nil
	}
	commit, err := gitrepo.Resolve(ctx, url, g.Ref, o)
	if err != nil {
		return "", err
	}
	c.log("%s is commit %s", cmp.Or(g.Ref, "HEAD"), commit)
	return commit, c.note(key, commit)
}

// fetched packs the commit as a directory is packed.
func (c *courier) fetched(ctx context.Context, url gitrepo.URL, commit string, about []string, g *Git, o gitrepo.Options) (*carried, error) {
	dir, err := os.MkdirTemp("", "plan-git-")
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", url, err)
	}
	defer os.RemoveAll(dir)
	got, err := gitrepo.Fetch(ctx, url, commit, dir, o)
	if err != nil {
		return nil, err
	}
	for what, paths := range map[string][]string{"submodules, left empty": got.Submodules, "Git LFS pointers, not their content": got.LFS} {
		if len(paths) > 0 {
			c.log("%s: %s", what, strings.Join(paths[:min(len(paths), 10)], ", "))
		}
	}
	out, err := c.pack(ctx, dir, source.Options{Everything: true}, g.Transport, g.Push)
	if err != nil {
		return nil, fmt.Errorf("commit %s of %s: %w", commit, url, err)
	}
	out.commit, out.about = commit, append(about, out.about...)
	return out, nil
}

func (c *courier) gitOptions(g *Git) (o gitrepo.Options, err error) {
	o = gitrepo.Options{CAFile: g.CAFile, Insecure: g.Insecure, Path: g.Path}
	if o.CAFile != "" {
		o.CAFile = c.absolute(o.CAFile)
	}
	for _, field := range []struct {
		to   *string
		from steps.Value
	}{
		{&o.Username, g.Credentials.Username}, {&o.Password, g.Credentials.Password.Value()}, {&o.SSHKey, g.Credentials.SSHKey.Value()},
		{&o.Passphrase, g.Credentials.Passphrase.Value()}, {&o.KnownHosts, g.Credentials.KnownHosts},
	} {
		if field.from.IsZero() {
			continue
		}
		if *field.to, err = c.value(field.from); err != nil {
			return o, err
		}
	}
	return o, nil
}

// gitFiles are the files of the Secret that a pod which fetches needs. A key that is encrypted is no use to it.
func (c *courier) gitFiles(g *Git, o gitrepo.Options) (map[string]string, error) {
	files := map[string]string{}
	if !g.Credentials.Passphrase.IsZero() {
		return nil, fmt.Errorf("fetch: pod: git in the pod cannot ask for the passphrase: give it a key of its own without one")
	}
	if !g.Credentials.SSHKey.IsZero() {
		files["ssh-key"], files["known-hosts"] = strings.TrimRight(o.SSHKey, "\n")+"\n", o.KnownHosts
	}
	if !g.Credentials.Password.IsZero() {
		files["username"], files["password"] = cmp.Or(o.Username, "git"), o.Password
	}
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read caFile: %w", err)
		}
		files["ca.crt"] = string(pem)
	}
	if len(files) == 0 {
		return nil, nil
	}
	return files, nil
}

// dockerfile builds the image once for all attempts.
func (c *courier) dockerfile(ctx context.Context, d *Dockerfile) (*carried, error) {
	path := c.absolute(cmp.Or(d.Path, "Dockerfile"))
	folder := filepath.Dir(path)
	if d.Context != "" {
		folder = c.absolute(d.Context)
	}
	out := &carried{about: []string{fmt.Sprintf("image built from %s, pushed to %s", path, d.Push)}}
	if c.note == nil {
		out.image = unknown("image of " + d.Push)
		return out, nil
	}
	out.knows = true
	if out.image = c.noted[noteImage]; out.image != "" {
		c.log("the image was built before: %s", out.image)
		return out, nil
	}
	built, err := builder.Build(ctx, builder.Options{
		Dockerfile: path, Context: folder, Target: d.Target, Args: d.Args, Push: d.Push, Builder: cmp.Or(d.Builder, "auto"),
		Log: func(line string) { c.log("%s", line) },
	})
	if err != nil {
		return nil, err
	}
	c.log("built by %s %s, pushed as %s", built.Builder, built.Version, built.Image)
	out.image = built.Image
	return out, c.note(noteImage, built.Image)
}

// unknown stands in a rendering for what only the run can know.
func unknown(what string) string { return "UNKNOWN(" + what + ")" }
