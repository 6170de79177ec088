package gitrepo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
)

const (
	service   = "git-upload-pack"
	userAgent = "git/plan" // what follows "git/" is free; servers look for that much
)

// remote is a repository on its server. refs is asked once, and pack at most once after that.
type remote interface {
	refs(ctx context.Context) (*packp.AdvRefs, error)
	// pack sends a request and gives the answer as it comes, which ends with ctx.
	pack(ctx context.Context, request []byte) (io.Reader, error)
	Close() error
}

func (o Options) open(ctx context.Context, u URL) (remote, error) {
	switch u.scheme {
	case "ssh":
		return o.openSSH(ctx, u)
	case "git":
		return openGit(ctx, u)
	}
	return o.openHTTP(u)
}

// list opens the repository and reads its list of references.
func (o Options) list(ctx context.Context, u URL) (remote, *packp.AdvRefs, error) {
	r, err := o.open(ctx, u)
	if err != nil {
		return nil, nil, ended(ctx, err)
	}
	refs, err := r.refs(ctx)
	if err == nil && refs.IsEmpty() {
		err = errEmpty()
	}
	if err != nil {
		_ = r.Close()
		return nil, nil, ended(ctx, err)
	}
	return r, refs, nil
}

func errEmpty() error { return aboutf(missing, "the repository is empty: it has no branch yet") }

// readRefs reads a list of references that is no longer than most bytes.
func readRefs(r io.Reader, most int64) (*packp.AdvRefs, error) {
	bounded := &bounded{r: r, left: most, err: fmt.Errorf("the server's list of references is over %d MiB", most>>20)}
	refs := packp.NewAdvRefs()
	switch err := refs.Decode(bounded); {
	case err == nil:
	case errors.Is(err, packp.ErrEmptyAdvRefs):
		return nil, errEmpty()
	case errors.As(err, new(*packp.ErrUnexpectedData)):
		return nil, fmt.Errorf("the server's list of references cannot be read (nor can it if the repository has SHA-256 commit ids, in this version): %s",
			said(err.Error()))
	default:
		return nil, errorLine(fmt.Errorf("read the server's list of references: %w", err))
	}
	if format := refs.Capabilities.Get(capability.ObjectFormat); len(format) > 0 && format[0] != "sha1" {
		return nil, aboutf(invalid, "the repository has %s commit ids, which cannot be fetched in this version", said(strings.ToUpper(format[0])))
	}
	return refs, nil
}

// encoded is a request as it is sent.
func encoded(request *packp.UploadPackRequest) ([]byte, error) {
	var b bytes.Buffer
	if err := request.UploadRequest.Encode(&b); err != nil {
		return nil, err
	}
	err := pktline.NewEncoder(&b).EncodeString("done\n")
	return b.Bytes(), err
}

// bounded is a reader that fails with err after some bytes.
type bounded struct {
	r    io.Reader
	left int64
	err  error
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, b.err
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
