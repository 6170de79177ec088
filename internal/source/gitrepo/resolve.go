package gitrepo

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"

	"plan/internal/printable"
	"plan/schema"
)

// Resolve gives the id of the commit that ref stands for now, in lower case: a branch or a tag, a name that begins with refs/, or "" for
// the server's HEAD. An annotated tag is followed to its commit. A full commit id is taken as it is, and the server is not asked.
// A branch and a tag of one name that differ are an error, and so is what CheckRef or Options.Check refuse.
func Resolve(ctx context.Context, u URL, ref string, o Options) (string, error) {
	if err := o.check(u, ref); err != nil {
		return "", fmt.Errorf("resolve ref in git repository %s: %w", u, about(invalid, err))
	}
	if IsCommit(ref) {
		return strings.ToLower(ref), nil
	}
	commit, err := o.resolve(ctx, u, ref)
	if err != nil {
		return "", fmt.Errorf("resolve %s in git repository %s: %w", refName(ref), u, err)
	}
	return commit.String(), nil
}

// Reach finds out whether the server lets the repository be read, for a ref that Resolve takes as it is. Whether a commit is there shows only
// when it is fetched.
func Reach(ctx context.Context, u URL, ref string, o Options) error {
	err := o.check(u, ref)
	if err != nil {
		return fmt.Errorf("read git repository %s: %w", u, about(invalid, err))
	}
	r, _, err := o.list(ctx, u)
	if err != nil {
		return fmt.Errorf("read git repository %s: %w", u, err)
	}
	_ = r.Close()
	return nil
}

func refName(ref string) string {
	if ref == "" {
		return "HEAD"
	}
	return `"` + ref + `"`
}

func (o Options) resolve(ctx context.Context, u URL, ref string) (plumbing.Hash, error) {
	r, refs, err := o.list(ctx, u)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	_ = r.Close()
	return pick(refs, ref)
}

// pick finds what ref stands for in a server's list.
func pick(refs *packp.AdvRefs, ref string) (plumbing.Hash, error) {
	if ref == "" || ref == "HEAD" {
		if refs.Head == nil {
			return plumbing.ZeroHash, aboutf(missing, "the server's HEAD leads to no branch: name one as ref%s", some(refs))
		}
		return *refs.Head, nil
	}
	full := []string{"refs/heads/" + ref, "refs/tags/" + ref, "refs/" + ref}
	if strings.HasPrefix(ref, "refs/") {
		full = []string{ref}
	}
	var found []string
	for _, name := range full {
		if _, ok := refs.References[name]; ok {
			found = append(found, name)
		}
	}
	if len(found) == 0 {
		return plumbing.ZeroHash, notFound(refs, ref)
	}
	commit := peeled(refs, found[0])
	for _, name := range found[1:] {
		if other := peeled(refs, name); other != commit {
			return plumbing.ZeroHash, aboutf(invalid, "it is %s (%s) and %s (%s): write one of them in full as ref", found[0], commit, name, other)
		}
	}
	return commit, nil
}

// peeled is what a reference leads to when tags are followed.
func peeled(refs *packp.AdvRefs, name string) plumbing.Hash {
	if h, ok := refs.Peeled[name]; ok {
		return h
	}
	return refs.References[name]
}

func notFound(refs *packp.AdvRefs, ref string) error {
	names := shortNames(refs)
	if near := schema.Suggest(strings.TrimPrefix(strings.TrimPrefix(ref, "refs/heads/"), "refs/tags/"), names); near != "" {
		return aboutf(missing, `there is no branch or tag of this name: did you mean "%s"?`, printable.String(near))
	}
	if shortID.MatchString(ref) {
		return aboutf(missing, "there is no branch or tag of this name; if it is a commit, give all of its 40 digits, since a server does not look up a part")
	}
	return aboutf(missing, "there is no branch or tag of this name%s", some(refs))
}

// shortNames are the branches and then the tags of a list.
func shortNames(refs *packp.AdvRefs) []string {
	var branches, tags []string
	for _, name := range slices.Sorted(maps.Keys(refs.References)) {
		if b, ok := strings.CutPrefix(name, "refs/heads/"); ok {
			branches = append(branches, b)
		} else if t, ok := strings.CutPrefix(name, "refs/tags/"); ok {
			tags = append(tags, t)
		}
	}
	return append(branches, tags...)
}

// some names a few of the branches and tags that there are, as the end of a sentence.
func some(refs *packp.AdvRefs) string {
	const most = 8
	names := shortNames(refs)
	if len(names) == 0 {
		return ""
	}
	text := said(strings.Join(names[:min(most, len(names))], ", "))
	if len(names) > most {
		text += ", …"
	}
	return " (there are " + text + ")"
}
