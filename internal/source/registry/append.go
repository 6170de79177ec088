package registry

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// TagLen is how many hexadecimal digits a tag has behind TagPrefix.
const TagLen = 12

// TagPrefix begins the tags that are pushed. Registries collect what has no tag.
const TagPrefix = "plan-"

// Append pushes an image that is base with one more layer: the files of a gzip'ed tar archive below /workspace, owned by o.UID and
// o.GID, with /workspace as the working directory. Where base is an index, each of its images for Linux gets the layer. The same
// base and the same archive give the same image. ref is "PUSH@sha256:…"; the tag TagPrefix + the digest's first digits is on it.
//
// Blobs that the registry has are not sent again, and those of base are mounted where they lie in the same registry. An entry of
// the archive that is not a file, folder or symbolic link inside the workspace is an error. After an error nothing is tagged; blobs
// may have been sent.
func Append(ctx context.Context, base, push string, archive func() (io.ReadCloser, error), o Options) (ref string, err error) {
	from, err := ParseImage(base)
	if err != nil {
		return "", err
	}
	to, err := ParseRepository(push)
	if err == nil {
		err = o.check()
	}
	if err != nil {
		return "", err
	}
	reader, err := o.open(from.Registry(), from.Registry() == to.Registry())
	if err != nil {
		return "", err
	}
	defer reader.close()
	writer, err := o.open(to.Registry(), true)
	if err != nil {
		return "", err
	}
	defer writer.close()
	desc, err := reader.get(ctx, from)
	if err != nil {
		return "", err
	}
	l, err := newLayer(ctx, archive, or(o.UID, nobody), or(o.GID, nobody))
	if err != nil {
		return "", err
	}
	defer l.Close()
	image, digest, err := build(desc, l)
	if err != nil {
		return "", reader.fail(ctx, opRead, base, err)
	}
	return writer.push(ctx, to, image, digest, reader, from)
}

func or(id, other int) int {
	if id == 0 {
		return other
	}
	return id
}

// get reads the manifest of an image or an index.
func (s *session) get(ctx context.Context, i Image) (*remote.Descriptor, error) {
	r, err := name.ParseReference(i.String(), s.names...)
	if err != nil {
		return nil, refuse("image", i.String(), err)
	}
	desc, err := remote.Get(r, s.options(ctx)...)
	if err != nil {
		return nil, s.fail(ctx, opRead, i.String(), err)
	}
	return desc, nil
}

// push sends an image or an index and tags it. What it reads of base meanwhile may fail as well, and then base is what to look at.
func (s *session) push(ctx context.Context, to Repository, image remote.Taggable, digest v1.Hash, reader *session, base Image) (string, error) {
	repo, err := name.NewRepository(to.String(), s.names...)
	if err != nil {
		return "", refuse("repository", to.String(), err)
	}
	tag := repo.Tag(TagPrefix + digest.Hex[:TagLen])
	err = remote.Push(tag, image, s.options(ctx)...)
	s.http.meter.stop() // a body may be read a little longer
	if err != nil {
		if _, bases := reader.http.asked.Load(hostOf(err)); bases && reader.host != s.host {
			return "", reader.fail(ctx, opRead, base.String(), err)
		}
		return "", s.fail(ctx, opPush, to.String(), err)
	}
	s.o.log("pushed %s:%s, %s", to, tag.TagStr(), digest)
	return to.String() + "@" + digest.String(), nil
}

// build puts the layer onto what desc describes.
func build(desc *remote.Descriptor, l *layer) (remote.Taggable, v1.Hash, error) {
	switch {
	case desc.MediaType.IsIndex():
		index, err := desc.ImageIndex()
		if err != nil {
			return nil, v1.Hash{}, err
		}
		index, err = ontoIndex(index, l)
		if err != nil {
			return nil, v1.Hash{}, err
		}
		digest, err := index.Digest()
		return index, digest, err
	case desc.MediaType.IsImage():
		image, err := desc.Image()
		if err != nil {
			return nil, v1.Hash{}, err
		}
		image, err = onto(image, l)
		if err != nil {
			return nil, v1.Hash{}, err
		}
		digest, err := image.Digest()
		return image, digest, err
	}
	return nil, v1.Hash{}, fmt.Errorf("it is not an image that can be built on (%s)", words(string(desc.MediaType)))
}

// ontoIndex puts the layer onto each image for Linux. The others, and what is about images rather than one, are left out.
func ontoIndex(base v1.ImageIndex, l *layer) (v1.ImageIndex, error) {
	manifest, err := base.IndexManifest()
	if err != nil {
		return nil, err
	}
	media, err := base.MediaType() // that in the manifest may be left out
	if err != nil {
		return nil, err
	}
	var adds []mutate.IndexAddendum
	var others []string
	for _, d := range manifest.Manifests {
		if !d.MediaType.IsImage() || d.Platform == nil || d.Platform.OS != "linux" {
			others = append(others, platform(d))
			continue
		}
		image, err := base.Image(d.Digest)
		if err != nil {
			return nil, err
		}
		if image, err = onto(image, l); err != nil {
			return nil, err
		}
		adds = append(adds, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: d.Platform}})
	}
	if len(adds) == 0 {
		return nil, fmt.Errorf("it has no image for Linux, only for %s", words(strings.Join(others, ", ")))
	}
	return mutate.AppendManifests(mutate.IndexMediaType(empty.Index, media), adds...), nil
}

func platform(d v1.Descriptor) string {
	if d.Platform == nil {
		return "no platform"
	}
	return d.Platform.String()
}

// onto puts the layer onto an image and makes the workspace its working directory.
func onto(base v1.Image, l *layer) (v1.Image, error) {
	manifest, err := base.Manifest()
	if err != nil {
		return nil, err
	}
	if m := manifest.Config.MediaType; m != types.DockerConfigJSON && m != types.OCIConfigJSON {
		return nil, fmt.Errorf("it is not a container image (%s)", words(string(m)))
	}
	media, err := base.MediaType()
	if err != nil {
		return nil, err
	}
	config, err := base.ConfigFile()
	if err != nil {
		return nil, err
	}
	if config.OS != "" && config.OS != "linux" {
		return nil, fmt.Errorf("it is for %s, not for Linux", words(config.OS))
	}
	image, err := mutate.Append(base, mutate.Addendum{
		Layer: l.as(media), History: v1.History{CreatedBy: "plan: files in /" + workspace, Created: config.Created}})
	if err != nil {
		return nil, err
	}
	inner := *config.Config.DeepCopy()
	inner.WorkingDir = "/" + workspace
	return mutate.Config(image, inner)
}
