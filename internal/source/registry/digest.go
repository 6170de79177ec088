package registry

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Digest is the digest, "sha256:…", of what a reference stands for now: that of the index where the image is for several platforms.
// A reference with a digest is not asked for. Errors are those of ParseImage, or an *Error.
func Digest(ctx context.Context, ref string, o Options) (string, error) {
	image, err := ParseImage(ref)
	if err != nil || image.digest != "" {
		return image.digest, err
	}
	return Find(ctx, ref, o)
}

// Find is Digest, but the registry is asked in any case whether it has what the reference names.
func Find(ctx context.Context, ref string, o Options) (string, error) {
	image, err := ParseImage(ref)
	if err != nil {
		return "", err
	}
	if err := o.check(); err != nil {
		return "", err
	}
	s, err := o.open(image.Registry(), true)
	if err != nil {
		return "", err
	}
	defer s.close()
	r, err := name.ParseReference(ref, s.names...)
	if err != nil {
		return "", refuse("image", ref, err)
	}
	if d, err := remote.Head(r, s.options(ctx)...); err == nil {
		return d.Digest.String(), nil
	} else if !headless(err) {
		return "", s.fail(ctx, opRead, ref, err)
	}
	d, err := remote.Get(r, s.options(ctx)...)
	if err != nil {
		return "", s.fail(ctx, opRead, ref, err)
	}
	return d.Digest.String(), nil
}

// headless says that a registry answers HEAD without the headers that count, or not at all; GET will do.
func headless(err error) bool {
	answer, answered := errors.AsType[*transport.Error](err)
	_, broken := errors.AsType[*url.Error](err)
	return answered && answer.StatusCode == http.StatusMethodNotAllowed || !answered && !broken
}
