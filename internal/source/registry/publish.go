package registry

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Publish pushes an index with all that it names, under a tag: ref is HOST[:PORT]/PATH:TAG. What it gives is "HOST[:PORT]/PATH@sha256:…".
// Blobs that the registry has are not sent again; after an error nothing is tagged. Errors are about the reference, or an *Error.
func Publish(ctx context.Context, ref string, index v1.ImageIndex, o Options) (string, error) {
	to, err := parseTag(ref)
	if err != nil {
		return "", err
	}
	if err := o.check(); err != nil {
		return "", err
	}
	s, err := o.open(to.Registry(), true)
	if err != nil {
		return "", err
	}
	defer s.close()
	tag, err := name.NewTag(ref, s.names...)
	if err != nil {
		return "", refuse("image", ref, err)
	}
	digest, err := index.Digest()
	if err != nil {
		return "", fmt.Errorf("push to %s: %w", to, err)
	}
	err = remote.Push(tag, index, s.options(ctx)...)
	s.http.meter.stop() // a body may be read a little longer
	if err != nil {
		return "", s.fail(ctx, opPush, to.String(), err)
	}
	s.o.log("pushed %s, %s", to, digest)
	return to.At(digest.String()), nil
}

// CheckTag says what is wrong with a place to push to, before anything is done for it.
func CheckTag(ref string) error {
	_, err := parseTag(ref)
	return err
}

// parseTag checks a place to push to that names its registry and its tag, so that nothing goes to Docker Hub or to latest by accident.
func parseTag(ref string) (Image, error) {
	i, err := ParseImage(ref)
	if err != nil {
		return Image{}, err
	}
	switch {
	case i.digest != "":
		err = errors.New("it has a digest, which only what is pushed gets: give a tag instead")
	case i.host == "":
		err = fmt.Errorf("it names no registry: write HOST/%s (for Docker Hub %s/%s)", i, dockerHub, i)
	case i.tag == "":
		err = fmt.Errorf("it has no tag: write %s:TAG", i)
	}
	if err != nil {
		return Image{}, refuse("image", ref, err)
	}
	return i, nil
}
