package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
)

// Fetched says what was written, and what was not. Paths are below the folder.
type Fetched struct {
	Files int   // and links
	Bytes int64 // of files
	// Submodules are left out, each as an empty folder: .gitmodules names servers of its own choice, which would get our credentials or be
	// run unasked.
	Submodules []string
	// LFS are files that hold a pointer of Git LFS instead of their content, which is not fetched.
	LFS []string
}

// Fetch writes the files of a commit, or of the folder Options.Path in it, below the folder into, which must be there and empty: files
// (0644, or 0755 if the commit says executable), links as they are, folders. commit is a full id.
//
// Only that commit is fetched where the server allows it, else the whole history, which is thrown away. When Fetch returns without an
// error, into holds exactly what the commit's hash covers, but for what Fetched names. After an error it holds a part or nothing. At most
// 2 GiB and 100,000 files and folders are taken.
func Fetch(ctx context.Context, u URL, commit, into string, o Options) (Fetched, error) {
	f, err := o.fetch(ctx, u, commit, into)
	if err != nil {
		return f, fmt.Errorf("fetch commit %s of git repository %s: %w", commit, u, ended(ctx, err))
	}
	return f, nil
}

func (o Options) fetch(ctx context.Context, u URL, commit, into string) (Fetched, error) {
	if err := o.check(u, commit); err != nil {
		return Fetched{}, about(invalid, err)
	}
	switch {
	case !IsCommit(commit):
		return Fetched{}, aboutf(invalid, "it is no full commit id (40 hexadecimal digits)")
	case len(commit) != 40:
		return Fetched{}, aboutf(invalid, "a repository with SHA-256 commit ids cannot be fetched in this version")
	}
	root, err := openEmpty(into)
	if err != nil {
		return Fetched{}, err
	}
	defer root.Close()
	id := plumbing.NewHash(commit)
	p, err := o.receive(ctx, u, id)
	if err != nil {
		return Fetched{}, err
	}
	defer p.Close()
	tree, err := p.commit(id)
	if err != nil {
		return Fetched{}, err
	}
	if tree, err = p.descend(tree, o.Path); err != nil {
		return Fetched{}, err
	}
	w := &writer{pack: p, root: root, most: o.limits(), alive: ctx.Err}
	err = w.folder(tree, "")
	return w.done, err
}

func openEmpty(dir string) (*os.Root, error) {
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	if len(names) > 0 {
		return nil, fmt.Errorf("the folder %s is not empty", dir)
	}
	return os.OpenRoot(dir)
}

// receive gets a pack that has the commit in it.
func (o Options) receive(ctx context.Context, u URL, commit plumbing.Hash) (*pack, error) {
	r, refs, err := o.list(ctx, u)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	request, how := ask(refs, commit)
	p, err := o.send(ctx, r, request)
	switch {
	case errors.Is(err, errNotOurs) && how == byID:
		return nil, about(missing, fmt.Errorf("no branch or tag leads to it: %w", err))
	case errors.Is(err, errNotOurs):
		return nil, about(again, fmt.Errorf("the branches moved meanwhile: %w", err))
	case err != nil || p.has(commit):
		return p, err
	}
	_ = p.Close()
	if how == everything {
		return nil, aboutf(missing, "no branch or tag leads to it")
	}
	return nil, aboutf(invalid, "the server sent something else: the commit is not in its answer")
}

// way is how a commit is asked for.
type way int

const (
	asTip      way = iota // a reference leads to it
	byID                  // the server gives any commit that a reference leads to, also over others
	everything            // all that there is
)

// ask makes the request for a commit, without its history where that can be had.
func ask(refs *packp.AdvRefs, commit plumbing.Hash) (*packp.UploadPackRequest, way) {
	request := packp.NewUploadPackRequest()
	supports := refs.Capabilities.Supports
	set := func(c capability.Capability, values ...string) {
		if supports(c) {
			_ = request.Capabilities.Set(c, values...)
		}
	}
	set(capability.OFSDelta)
	set(capability.NoProgress)
	set(capability.MultiACKDetailed) // without it some servers answer nobody
	set(capability.Agent, userAgent)
	if set(capability.Sideband64k); !supports(capability.Sideband64k) {
		set(capability.Sideband)
	}
	want, how := tip(refs, commit), asTip
	switch {
	case !want.IsZero():
		request.Wants = []plumbing.Hash{want}
	case supports(capability.AllowReachableSHA1InWant):
		request.Wants, how = []plumbing.Hash{commit}, byID
	default:
		request.Wants = all(refs)
		return request, everything
	}
	if set(capability.Shallow); supports(capability.Shallow) {
		request.Depth = packp.DepthCommits(1)
	}
	return request, how
}

// tip is what to want for a commit that a reference leads to: the reference's own value, which is the tag's where it is an annotated one.
// It is zero if there is none.
func tip(refs *packp.AdvRefs, commit plumbing.Hash) (want plumbing.Hash) {
	if refs.Head != nil && *refs.Head == commit {
		return commit
	}
	for name, h := range refs.References {
		switch {
		case h == commit:
			return commit
		case refs.Peeled[name] == commit:
			want = h
		}
	}
	return want
}

// all are the values of all references.
func all(refs *packp.AdvRefs) []plumbing.Hash {
	values := slices.Collect(maps.Values(refs.References))
	if refs.Head != nil {
		values = append(values, *refs.Head)
	}
	plumbing.HashesSort(values)
	return slices.Compact(values)
}

// send gives the pack that answers a request.
func (o Options) send(ctx context.Context, r remote, request *packp.UploadPackRequest) (*pack, error) {
	answer, err := answered(ctx, r, request)
	if err != nil {
		return nil, err
	}
	p, err := readPack(answer, o.limits(), ctx.Err)
	return p, errorLine(err)
}

func answered(ctx context.Context, r remote, request *packp.UploadPackRequest) (io.Reader, error) {
	body, err := encoded(request)
	if err != nil {
		return nil, fmt.Errorf("make a request: %w", err)
	}
	raw, err := r.pack(ctx, body)
	if err != nil {
		return nil, err
	}
	response := packp.NewUploadPackResponse(request)
	if err := response.Decode(io.NopCloser(raw)); err != nil {
		return nil, errorLine(fmt.Errorf("read the answer: %w", err))
	}
	switch {
	case request.Capabilities.Supports(capability.Sideband64k):
		return &channels{sideband.NewDemuxer(sideband.Sideband64k, response)}, nil
	case request.Capabilities.Supports(capability.Sideband):
		return &channels{sideband.NewDemuxer(sideband.Sideband, response)}, nil
	}
	return response, nil
}

// channels is the pack among what the server says; its errors are the server's words.
type channels struct{ d *sideband.Demuxer }

func (c *channels) Read(p []byte) (int, error) {
	n, err := c.d.Read(p)
	if err == nil || err == io.EOF {
		return n, err
	}
	if text, ok := strings.CutPrefix(err.Error(), "unexpected error: "); ok {
		return n, serverSays(text, errors.New("the server gave up"))
	}
	return n, err
}
