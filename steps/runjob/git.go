package runjob

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"

	"plan/internal/source"
	"plan/internal/source/gitrepo"
	"plan/internal/workload"
	"plan/steps"
)

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
