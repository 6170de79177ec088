// Package assemble makes the image that plan is shipped in of its static binary: nothing else is in it, neither a shell nor a library.
// The Dockerfile at the top of the repository makes the same one.
package assemble

import (
	"fmt"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"plan/internal/gobuild"
)

// What the image says of itself, under the names that opencontainers.org gives them.
const (
	prefix      = "org.opencontainers.image."
	description = "Declarative plans for people who operate k3s and other Kubernetes clusters"
)

// program is where the binary lies.
const program = "usr/local/bin/plan"

// Program is a binary, and what its image tells of it.
type Program struct {
	Binary          string // a static one for Linux
	Arch            string
	Version, Commit string
	Date            time.Time // of the commit; everything in the image has it
}

// Image makes the image. Its layer is a file in work, a folder of its own, for as long as the image is used. The same program gives the same
// image.
func Image(p Program, work string) (v1.Image, error) {
	layer, err := p.layer(work)
	if err != nil {
		return nil, err
	}
	date := v1.Time{Time: p.Date.UTC().Truncate(time.Second)}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err := mutate.ConfigFile(base, &v1.ConfigFile{
		Architecture: p.Arch, OS: "linux", Created: date, Config: p.config(), RootFS: v1.RootFS{Type: "layers"},
	})
	if err == nil {
		image, err = mutate.Append(image, mutate.Addendum{Layer: layer, History: v1.History{Created: date, CreatedBy: "make image"}})
	}
	if err != nil {
		return nil, fmt.Errorf("make image for %s: %w", p.Arch, err)
	}
	return mutate.Annotations(image, p.annotations()).(v1.Image), nil
}

// layer has the binary, a folder for temporary files that everybody may write to, and one to mount plans in.
func (p Program) layer(work string) (v1.Layer, error) {
	if err := checkStatic(p.Binary, p.Arch); err != nil {
		return nil, err
	}
	path := filepath.Join(work, "layer-"+p.Arch+".tar.gz")
	err := gobuild.WriteArchive(path, p.Date, []gobuild.File{
		{Name: "tmp/", Mode: 0o1777}, {Name: "usr/", Mode: 0o755}, {Name: "usr/local/", Mode: 0o755}, {Name: "usr/local/bin/", Mode: 0o755},
		{Name: program, Path: p.Binary, Mode: 0o755}, {Name: "work/", Mode: 0o755},
	})
	if err != nil {
		return nil, fmt.Errorf("make the layer for %s: %w", p.Arch, err)
	}
	return tarball.LayerFromFile(path, tarball.WithMediaType(types.OCILayer))
}

// config is how the image is run; the Dockerfile has the same.
func (p Program) config() v1.Config {
	return v1.Config{
		User:       "65532:65532",
		Env:        []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		WorkingDir: "/work",
		Entrypoint: []string{"/" + program},
		Labels:     p.labels(),
	}
}

func (p Program) labels() map[string]string {
	return map[string]string{prefix + "title": "plan", prefix + "description": description, prefix + "version": p.Version, prefix + "revision": p.Commit}
}

// annotations are the labels where registries look for them.
func (p Program) annotations() map[string]string {
	all := p.labels()
	all[prefix+"created"] = p.Date.UTC().Format(time.RFC3339)
	return all
}
