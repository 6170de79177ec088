package assemble

import (
	"fmt"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Index is one image for several architectures: that of each program. See Image for work.
func Index(programs []Program, work string) (v1.ImageIndex, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, p := range programs {
		image, err := Image(p, work)
		if err != nil {
			return nil, err
		}
		platform := &v1.Platform{OS: "linux", Architecture: p.Arch}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: platform}})
	}
	if len(programs) > 0 {
		index = mutate.Annotations(index, programs[0].annotations()).(v1.ImageIndex)
	}
	return index, nil
}

// WriteLayout writes an index as an OCI image layout into a folder that does not exist, under a tag.
func WriteLayout(folder, tag string, index v1.ImageIndex) error {
	to, err := layout.Write(folder, empty.Index)
	if err == nil {
		err = to.AppendIndex(index, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": tag}))
	}
	if err != nil {
		return fmt.Errorf("write OCI layout %s: %w", folder, err)
	}
	return nil
}

// WriteTarball writes one image as `docker load` and `ctr images import` read it, under a name such as plan:1.2.3.
func WriteTarball(path, ref string, image v1.Image) error {
	tag, err := name.NewTag(ref)
	if err == nil {
		err = tarball.WriteToFile(path, tag, image)
	}
	if err != nil {
		return fmt.Errorf("write image %s to %s: %w", ref, path, err)
	}
	return nil
}
