package lab

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"plan/internal/image/assemble"
)

// The images that the node has from its start. The registry has all but the first one, too.
const (
	PauseImage = "local/pause:1" // holds a pod's namespaces
	ShellImage = "local/shell:1" // busybox: sh, tar, gzip, cat and 300 more
	GitImage   = "local/git:1"   // ShellImage and git, which trusts the lab's CA
)

// imagesVersion is part of what tells whether images are old: it goes up when this file makes others.
const imagesVersion = 1

// importLimit is for what takes a second or two.
const importLimit = 2 * time.Minute

// images makes the archive of the lab's images, unless it is there, and names it. Other content has another name.
func (f folder) images(ctx context.Context, p programs) (file string, err error) {
	git, err := exec.LookPath("git")
	if err != nil {
		return "", fmt.Errorf("make image %s: %w", GitImage, err)
	}
	h := sha256.New()
	fmt.Fprintln(h, imagesVersion)
	for _, name := range []string{p.busybox, git, f.path("pki", "ca.crt")} {
		info, err := os.Stat(name)
		if err != nil {
			return "", fmt.Errorf("make images: %w", err)
		}
		fmt.Fprintln(h, name, info.Size(), info.ModTime())
	}
	file = f.path("node", "images-"+hex.EncodeToString(h.Sum(nil))[:12]+".tar")
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}
	images, err := f.buildImages(ctx, p, git)
	if err != nil {
		return "", fmt.Errorf("make images: %w", err)
	}
	tmp := file + ".tmp"
	if err := tarball.MultiWriteToFile(tmp, images); err != nil {
		return "", fmt.Errorf("make images: %w", err)
	}
	return file, os.Rename(tmp, file)
}

func (f folder) buildImages(ctx context.Context, p programs, git string) (map[name.Tag]v1.Image, error) {
	var pause, shell, more tree
	pause.copy("bin/busybox", p.busybox)
	shell.copy("bin/busybox", p.busybox)
	applets, err := run(ctx, "", p.busybox, "--list")
	if err != nil {
		return nil, fmt.Errorf("list busybox's applets: %w", err)
	}
	for _, applet := range strings.Fields(string(applets)) {
		if applet != "busybox" {
			shell.add(tar.Header{Typeflag: tar.TypeSymlink, Name: "bin/" + applet, Linkname: "busybox", Mode: 0o777}, nil)
		}
	}
	shell.add(tar.Header{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777}, nil)
	shell.add(tar.Header{Typeflag: tar.TypeDir, Name: "home/nonroot/", Mode: 0o755, Uid: 65532, Gid: 65532}, nil)
	shell.text("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/sh\nnonroot:x:65532:65532:nonroot:/home/nonroot:/bin/sh\n")
	shell.text("etc/group", "root:x:0:\nnogroup:x:65534:\nnonroot:x:65532:\n")
	if err := more.addGit(ctx, git); err != nil {
		return nil, err
	}
	more.copy("etc/ssl/certs/ca-certificates.crt", f.path("pki", "bundle.crt"))

	out := map[name.Tag]v1.Image{}
	for _, image := range []struct {
		ref    string
		cmd    []string
		layers []*tree
	}{
		{PauseImage, []string{"/bin/busybox", "sleep", "2147483647"}, []*tree{&pause}},
		{ShellImage, []string{"/bin/sh"}, []*tree{&shell}},
		{GitImage, []string{"/bin/sh"}, []*tree{&shell, &more}},
	} {
		tag, err := name.NewTag(image.ref)
		if err != nil {
			return nil, err
		}
		if out[tag], err = imageOf(image.cmd, image.layers); err != nil {
			return nil, fmt.Errorf("%s: %w", image.ref, err)
		}
	}
	return out, nil
}

func imageOf(cmd []string, layers []*tree) (v1.Image, error) {
	img, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{
		Architecture: runtime.GOARCH, OS: "linux",
		Config: v1.Config{Cmd: cmd, Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}},
	})
	for _, t := range layers {
		if err != nil {
			return nil, err
		}
		var layer v1.Layer
		if layer, err = t.layer(); err == nil {
			img, err = mutate.AppendLayers(img, layer)
		}
	}
	return img, err
}

// tree is a layer that is being made. Its first error stays.
type tree struct {
	buf  bytes.Buffer
	dirs []string
	err  error
}

// add adds an entry, and before it the folders that it is in.
func (t *tree) add(h tar.Header, content []byte) {
	parent := path.Dir(strings.TrimSuffix(h.Name, "/"))
	if parent != "." && !slices.Contains(t.dirs, parent) {
		t.add(tar.Header{Typeflag: tar.TypeDir, Name: parent + "/", Mode: 0o755}, nil)
	}
	if h.Typeflag == tar.TypeDir {
		t.dirs = append(t.dirs, strings.TrimSuffix(h.Name, "/"))
	}
	if t.err != nil {
		return
	}
	h.Size = int64(len(content))
	w := tar.NewWriter(&t.buf)
	if t.err = w.WriteHeader(&h); t.err == nil {
		if _, t.err = w.Write(content); t.err == nil {
			t.err = w.Flush()
		}
	}
}

func (t *tree) text(name, content string) {
	t.add(tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644}, []byte(content))
}

// copy adds a file of this machine, following links.
func (t *tree) copy(name, from string) {
	b, err := os.ReadFile(from)
	if err != nil {
		t.err = err
		return
	}
	mode := int64(0o644)
	if info, err := os.Stat(from); err == nil && info.Mode()&0o100 != 0 {
		mode = 0o755
	}
	t.add(tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode}, b)
}

// addGit adds this machine's git with what it needs to clone over http and https.
func (t *tree) addGit(ctx context.Context, git string) error {
	out, err := run(ctx, "", git, "--exec-path")
	if err != nil {
		return fmt.Errorf("find git's programs: %w", err)
	}
	core := strings.TrimSpace(string(out))
	files := []string{git, filepath.Join(core, "git-remote-http"), filepath.Join(core, "git-remote-https")}
	libs, err := run(ctx, "", "ldd", files...)
	if err != nil {
		return fmt.Errorf("find git's libraries: %w\n%s", err, tail(libs, 5))
	}
	for _, m := range regexp.MustCompile(`(?m)(/\S+) \(0x`).FindAllStringSubmatch(string(libs), -1) {
		if !slices.Contains(files, m[1]) {
			files = append(files, m[1])
		}
	}
	for _, file := range files {
		t.copy(strings.TrimPrefix(file, "/"), file)
	}
	t.add(tar.Header{Typeflag: tar.TypeSymlink, Name: strings.TrimPrefix(filepath.Join(core, "git"), "/"), Linkname: git, Mode: 0o777}, nil)
	return t.err
}

func (t *tree) layer() (v1.Layer, error) {
	if t.err != nil {
		return nil, t.err
	}
	content := slices.Concat(t.buf.Bytes(), make([]byte, 1024)) // the end of an archive
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
	return tarball.LayerFromOpener(open, tarball.WithCompressionLevel(gzip.BestSpeed), tarball.WithCompressedCaching)
}

// importImages brings the archive's images into containerd, once.
func (f folder) importImages(ctx context.Context, p programs, archive string) error {
	mark := f.path("node", "imported")
	if b, err := os.ReadFile(mark); err == nil && string(b) == archive {
		return nil
	}
	if err := f.importArchive(ctx, p, archive); err != nil {
		return err
	}
	return wrap(os.WriteFile(mark, []byte(archive), 0o600), "import images")
}

// importArchive brings the images of an archive into containerd, under the names that it has for them.
func (f folder) importArchive(ctx context.Context, p programs, archive string) error {
	ctx, cancel := context.WithTimeout(ctx, importLimit)
	defer cancel()
	out, err := f.inNode(ctx, p.ctr, "-n", "k8s.io", "images", "import", "--snapshotter", f.snapshotter(), archive)
	if err != nil {
		return fmt.Errorf("import images: %w\n%s", err, tail(out, 5))
	}
	return nil
}

// ImportImage brings the images of an archive, as `docker save` writes them, into the node's containerd: pods that name them run without a pull.
func (l *Lab) ImportImage(ctx context.Context, archive string) error {
	cache, err := CacheDir()
	if err != nil {
		return err
	}
	p := programs{cache: cache}
	if err := p.nodePrograms(ctx, l.log); err != nil {
		return err
	}
	return folder{dir: l.Dir}.importArchive(ctx, p, archive)
}

// ImportProgram is ImportImage of the product's image, which is made as `make image` makes it, of a binary of plan that is static (labtest.Build
// makes one). ref is the image's name for pods, such as lab/plan:test; with the tag latest the kubelet would pull.
func (l *Lab) ImportProgram(ctx context.Context, binary, ref string) error {
	work, err := os.MkdirTemp("", "plan-image-")
	if err != nil {
		return fmt.Errorf("import program: %w", err)
	}
	defer os.RemoveAll(work)
	image, err := assemble.Image(assemble.Program{Binary: binary, Arch: runtime.GOARCH, Version: "lab", Date: time.Unix(0, 0)}, work)
	if err != nil {
		return fmt.Errorf("import program: %w", err)
	}
	archive := filepath.Join(work, "image.tar")
	if err := assemble.WriteTarball(archive, ref, image); err != nil {
		return fmt.Errorf("import program: %w", err)
	}
	return l.ImportImage(ctx, archive)
}
