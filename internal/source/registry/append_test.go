package registry

import (
	"archive/tar"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// pulled is what a registry has under a reference.
func pulled(t *testing.T, ref string) *remote.Descriptor {
	t.Helper()
	r, err := name.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	desc, err := remote.Get(r)
	if err != nil {
		t.Fatal(err)
	}
	return desc
}

// top lists the topmost layer, a line for each entry.
func top(t *testing.T, image v1.Image) []string {
	t.Helper()
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	plain, err := layers[len(layers)-1].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	var lines []string
	for in := tar.NewReader(plain); ; {
		h, err := in.Next()
		if err == io.EOF {
			return lines
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, strings.TrimSpace(strings.Join([]string{h.FileInfo().Mode().String(), h.Uname, cmpOwner(h), h.Name, h.Linkname, string(body)}, " ")))
	}
}

func cmpOwner(h *tar.Header) string {
	if h.Uid == nobody && h.Gid == nobody {
		return "nobody"
	}
	return "somebody"
}

func TestFilesLieInTheWorkspaceOfAnImage(t *testing.T) {
	s := newServer(t, false, nil)
	base := s.put(t, "base:1", linux(t, "arm64"))
	files := packed(t, entry{name: "./", kind: tar.TypeDir, mode: 0o700}, entry{name: "main.sh", body: "echo", mode: 0o4755},
		entry{name: "deep/er/x", body: "1"}, entry{name: "empty/", kind: tar.TypeDir, mode: 0o750}, entry{name: "empty/up", kind: tar.TypeSymlink, link: "../main.sh", mode: 0o777})
	var lines []string
	o := none()
	o.Log = func(line string) { lines = append(lines, line) }
	ref, err := Append(t.Context(), base, s.host+"/team/app", files, o)
	if err != nil {
		t.Fatal(err)
	}
	image, err := pulled(t, ref).Image()
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(image); err != nil {
		t.Error(err)
	}
	want := []string{"drwxr-xr-x  nobody workspace/", "-rwxr-xr-x  nobody workspace/main.sh  echo", "drwxr-xr-x  nobody workspace/deep/", "drwxr-xr-x  nobody workspace/deep/er/",
		"-rw-r--r--  nobody workspace/deep/er/x  1", "drwxr-x---  nobody workspace/empty/", "Lrwxrwxrwx  nobody workspace/empty/up ../main.sh"}
	if diff := cmp.Diff(want, top(t, image)); diff != "" {
		t.Errorf("layer, -want +got:\n%s", diff)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	wantConfig := v1.Config{Entrypoint: []string{"/bin/app"}, Env: []string{"A=b"}, User: "7", WorkingDir: "/workspace"}
	if diff := cmp.Diff(wantConfig, config.Config); diff != "" {
		t.Errorf("config, -want +got:\n%s", diff)
	}
	digest, _ := strings.CutPrefix(ref, s.host+"/team/app@")
	tag := s.host + "/team/app:plan-" + digest[7:19]
	if got := pulled(t, tag).Digest.String(); got != digest {
		t.Errorf("%s is %s, want %s", tag, got, digest)
	}
	if diff := cmp.Diff([]string{"pushed " + tag + ", " + digest}, lines); diff != "" {
		t.Errorf("log, -want +got:\n%s", diff)
	}
}

func TestEveryLinuxPlatformOfAnIndexGetsTheFiles(t *testing.T) {
	for media, layer := range map[types.MediaType]types.MediaType{types.OCIImageIndex: types.OCILayer, types.DockerManifestList: types.DockerLayer} {
		t.Run(string(media), func(t *testing.T) {
			s := newServer(t, false, nil)
			base := s.put(t, "base:1", index(t, media, "linux/amd64", "windows/amd64", "linux/arm64", "unknown/unknown"))
			ref, err := Append(t.Context(), base, s.host+"/team/app", someFiles(t), none())
			if err != nil {
				t.Fatal(err)
			}
			all, err := pulled(t, ref).ImageIndex()
			if err != nil {
				t.Fatal(err)
			}
			if err := validate.Index(all); err != nil {
				t.Error(err)
			}
			manifest, err := all.IndexManifest()
			if err != nil {
				t.Fatal(err)
			}
			var platforms []string
			for _, d := range manifest.Manifests {
				platforms = append(platforms, d.Platform.String())
				image, err := all.Image(d.Digest)
				if err != nil {
					t.Fatal(err)
				}
				if lines := top(t, image); len(lines) != 4 {
					t.Errorf("%s has %q", d.Platform, lines)
				}
				m, err := image.Manifest()
				if err != nil {
					t.Fatal(err)
				}
				if got := m.Layers[len(m.Layers)-1].MediaType; got != layer {
					t.Errorf("the layer is %s, want %s", got, layer)
				}
			}
			if diff := cmp.Diff([]string{"linux/amd64", "linux/arm64"}, platforms); diff != "" || manifest.MediaType != media {
				t.Errorf("%s, -want +got:\n%s", manifest.MediaType, diff)
			}
		})
	}
}

func TestTheSameFilesOnTheSameBaseAreTheSameImage(t *testing.T) {
	s, other := newServer(t, false, nil), newServer(t, false, nil)
	image := index(t, types.OCIImageIndex, "linux/amd64", "linux/arm64")
	base, base2 := s.put(t, "base:1", image), other.put(t, "mirror/base:2", image)
	first, err := Append(t.Context(), base, s.host+"/app", someFiles(t), none())
	if err != nil {
		t.Fatal(err)
	}
	second, err := Append(t.Context(), base2, s.host+"/app", someFiles(t), none())
	if err != nil {
		t.Fatal(err)
	}
	if first != second {
		t.Errorf("%s, then %s", first, second)
	}
	third, err := Append(t.Context(), base, s.host+"/app", packed(t, entry{name: "main.py", body: "print(2)\n"}), none())
	if err != nil || third == first {
		t.Errorf("other files are %s as well, %v", third, err)
	}
	owned := none()
	owned.UID = 1000
	fourth, err := Append(t.Context(), base, s.host+"/app", someFiles(t), owned)
	if err != nil || fourth == first {
		t.Errorf("another owner's files are %s as well, %v", fourth, err)
	}
}

func TestWhatTheRegistryHasIsNotSentAgain(t *testing.T) {
	s, far := newServer(t, false, nil), newServer(t, false, nil)
	image := index(t, types.OCIImageIndex, "linux/amd64", "linux/arm64")
	base, farBase := s.put(t, "base:1", image), far.put(t, "base:1", image)

	push := func(base string, want int, what string) {
		t.Helper()
		s.forget()
		if _, err := Append(t.Context(), base, s.host+"/app", someFiles(t), none()); err != nil {
			t.Fatal(err)
		}
		if n := s.count("PATCH", "/uploads/"); n != want {
			t.Errorf("%s: %d blobs were sent, want %d", what, n, want)
		}
	}
	push(base, 3, "the layer and two configurations")
	push(base, 0, "nothing at all")
	push(farBase, 0, "nothing at all from another base")
	if s.count("PUT", "/manifests/") != 0 {
		t.Error("manifests were put again")
	}
	if n := far.count("GET", "/blobs/"); n != 2 {
		t.Errorf("%d blobs of the base were read, want its two configurations", n)
	}
}

func TestBasesThatCannotBeBuiltOnAreRefused(t *testing.T) {
	s := newServer(t, false, nil)
	for name, tc := range map[string]struct {
		base remote.Taggable
		want string
	}{
		"windows":       {configured(t, linux(t, "amd64"), "windows", "amd64"), "it is for windows, not for Linux"},
		"windows index": {index(t, types.OCIImageIndex, "windows/amd64"), "it has no image for Linux, only for windows/amd64"},
		"empty index":   {index(t, types.OCIImageIndex), "it has no image for Linux"},
		"a chart":       {artifact(t), "it is not a container image"},
	} {
		t.Run(name, func(t *testing.T) {
			base := s.put(t, "base:"+strings.ReplaceAll(name, " ", "-"), tc.base)
			_, err := Append(t.Context(), base, s.host+"/app", someFiles(t), none())
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), base) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
	if s.count("PUT", "/app/manifests/") != 0 {
		t.Error("something was tagged")
	}
}

func TestProgressEndsWithEverythingAndWithTheCall(t *testing.T) {
	s, far := newServer(t, false, nil), newServer(t, false, nil)
	base := far.put(t, "base:1", linux(t, "amd64"))
	type step struct{ done, total int64 }
	var steps []step
	over := false
	o := none()
	o.Progress = func(done, total int64) {
		if over {
			t.Error("progress after the end")
		}
		steps = append(steps, step{done, total})
	}
	if _, err := Append(t.Context(), base, s.host+"/app", someFiles(t), o); err != nil {
		t.Fatal(err)
	}
	over = true
	if len(steps) == 0 {
		t.Fatal("no progress")
	}
	last := steps[len(steps)-1]
	if last.done != last.total || last.total < 4096 {
		t.Errorf("ends with %d of %d", last.done, last.total)
	}
	if !slices.IsSortedFunc(steps, func(a, b step) int { return int(a.done - b.done) }) {
		t.Errorf("goes back: %v", steps)
	}
}
