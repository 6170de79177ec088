package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// small is a program with what is stamped, and little else to compile.
const small = `package main

import "os"

var version, commit string

func main() { os.Stdout.WriteString(version + " " + commit) }
`

// repository makes the working folder one whose commit is a small program, and gives the commit.
func repository(t *testing.T) string {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{"go.mod": "module plan\n\ngo 1.26\n", "cmd/plan/main.go": small} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	git := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-c", "user.name=x", "-c", "user.email=x@example.net", "-c", "commit.gpgsign=false"}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_COMMITTER_DATE=2026-03-04T06:06:07+01:00")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	git("init", "-q")
	git("add", ".")
	git("commit", "-q", "-m", "one")
	if err := os.WriteFile(filepath.Join("cmd", "plan", "main.go"), []byte("not committed"), 0o644); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(git("rev-parse", "--short=12", "HEAD"))
}

// login is a registry that wants one, which docker's configuration has.
func login(t *testing.T) string {
	t.Helper()
	inner, basic := registry.New(registry.Logger(log.New(io.Discard, "", 0))), base64.StdEncoding.EncodeToString([]byte("me:secret"))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Basic "+basic {
			w.Header().Set("WWW-Authenticate", "Basic")
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	host, dir := strings.TrimPrefix(s.URL, "http://"), t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.json"), fmt.Appendf(nil, `{"auths":{%q:{"auth":%q}}}`, host, basic), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DOCKER_CONFIG", dir)
	return host
}

func TestTheImageOfACommitIsWrittenAndPushed(t *testing.T) {
	commit, host := repository(t), login(t)
	if err := run(t.Context(), []string{"-version=1.2.3+four", "-push=" + host + "/team/plan:1.2"}); err != nil {
		t.Fatal(err)
	}
	pushed, err := remote.Index(reference(t, host+"/team/plan:1.2"), remote.WithAuth(&authn.Basic{Username: "me", Password: "secret"}))
	if err != nil {
		t.Fatal(err)
	}
	path, err := layout.FromPath(filepath.Join("dist", "image", "oci"))
	if err != nil {
		t.Fatal(err)
	}
	outer, err := path.ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	only := manifests(t, outer)[0]
	if want, err := pushed.Digest(); err != nil || only.Digest != want || only.Annotations["org.opencontainers.image.ref.name"] != "1.2.3-four" {
		t.Errorf("the layout has %+v, and pushed was %s, %v", only, want, err)
	}
	for name, index := range map[string]v1.ImageIndex{"layout": outer, "pushed": pushed} {
		if err := validate.Index(index); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	var platforms []string
	for _, d := range manifests(t, pushed) {
		platforms = append(platforms, d.Platform.String())
		image, err := pushed.Image(d.Digest)
		if err != nil {
			t.Fatal(err)
		}
		holds(t, image, d.Platform.Architecture, "1.2.3+four "+commit)
		archive := filepath.Join("dist", "image", "plan_1.2.3+four_linux_"+d.Platform.Architecture+".tar")
		tag, err := name.NewTag("plan:1.2.3-four")
		if err != nil {
			t.Fatal(err)
		}
		if image, err = tarball.ImageFromPath(archive, &tag); err != nil {
			t.Fatal(err)
		}
		holds(t, image, d.Platform.Architecture, "1.2.3+four "+commit)
	}
	if diff := cmp.Diff([]string{"linux/amd64", "linux/arm64"}, platforms); diff != "" {
		t.Errorf("platforms (-want +got):\n%s", diff)
	}
}

func reference(t *testing.T, s string) name.Reference {
	t.Helper()
	ref, err := name.ParseReference(s)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func manifests(t *testing.T, index v1.ImageIndex) []v1.Descriptor {
	t.Helper()
	m, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	return m.Manifests
}

// holds wants a static program in an image, which tells what is stamped where this machine can run it.
func holds(t *testing.T, image v1.Image, arch, stamped string) {
	t.Helper()
	in := mutate.Extract(image)
	defer in.Close()
	r := tar.NewReader(in)
	for {
		h, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Trim(h.Name, "/") == "usr/local/bin/plan" {
			break
		}
	}
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	program, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[arch]
	if program.Machine != want || program.Section(".dynamic") != nil || program.Section(".interp") != nil {
		t.Errorf("%s: the program is for %s, with sections %v", arch, program.Machine, program.Sections)
	}
	if arch != runtime.GOARCH || runtime.GOOS != "linux" {
		return
	}
	path := filepath.Join(t.TempDir(), "plan")
	if err := os.WriteFile(path, data, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(path).Output(); err != nil || string(out) != stamped {
		t.Errorf("the program says %q, %v, want %q", out, err, stamped)
	}
}

func TestTheSameCommitIsTheSameImage(t *testing.T) {
	repository(t)
	var made []map[string]string
	for _, out := range []string{"one", filepath.Join("in", "another", "folder")} {
		if err := run(t.Context(), []string{"-version=1.2.3", "-out=" + out}); err != nil {
			t.Fatal(err)
		}
		made = append(made, contents(t, out))
	}
	if diff := cmp.Diff(made[0], made[1]); diff != "" || len(made[0]) < 9 {
		t.Errorf("%d files, and they differ:\n%s", len(made[0]), diff)
	}
}

// contents are the sums of the files below a folder.
func contents(t *testing.T, folder string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := fs.WalkDir(os.DirFS(folder), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(folder, name))
		all[name] = fmt.Sprintf("%x", sha256.Sum256(data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestAnImageReplacesAnEarlierOneAndNothingElse(t *testing.T) {
	repository(t)
	out := filepath.Join("dist", "image")
	for _, version := range []string{"1.0.0", "1.1.0"} {
		if err := run(t.Context(), []string{"-version=" + version, "-only=linux/arm64"}); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(out)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if !slices.Equal(names, []string{"oci", "plan_1.1.0_linux_arm64.tar"}) {
		t.Errorf("the folder has %v", names)
	}
	if err := os.WriteFile(filepath.Join(out, "thesis.tex"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "thesis.tex") {
		t.Errorf("the error is %v", err)
	}
	if left, err := os.ReadDir("dist"); err != nil || len(left) != 1 {
		t.Errorf("dist has %v, %v", left, err)
	}
}

// TestWhatLiesBesideAnImageIsLeftAlone: the folder in which the next one is made is that of an image, or of nobody. One that was left half made is
// made anew.
func TestWhatLiesBesideAnImageIsLeftAlone(t *testing.T) {
	repository(t)
	next, args := "out.next", []string{"-version=1.0.0", "-only=linux/arm64", "-out=out"}
	if err := os.MkdirAll(filepath.Join(next, "oci"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), args); err != nil {
		t.Fatal(err)
	}
	refused := func() {
		t.Helper()
		if err := run(t.Context(), args); err == nil || !strings.Contains(err.Error(), next) {
			t.Errorf("the error is %v", err)
		}
	}
	if err := os.WriteFile(next, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	refused()
	err := errors.Join(os.Remove(next), os.Mkdir(next, 0o755), os.WriteFile(filepath.Join(next, "thesis.tex"), nil, 0o644))
	if err != nil {
		t.Fatal(err)
	}
	refused()
	if _, err := os.Stat(filepath.Join(next, "thesis.tex")); err != nil {
		t.Error(err)
	}
}

func TestWhatIsWrongIsSaidBeforeAnythingIsBuilt(t *testing.T) {
	for arg, want := range map[string]string{
		"-version=../1": "version", "-only=darwin/arm64": "linux/amd64", "-push=plan:1": "docker.io/plan:1", "-push=registry.example.net/plan": "no tag",
	} {
		if err := run(t.Context(), []string{arg, "-commit=nosuch"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: the error %v does not name %q", arg, err, want)
		}
	}
	repository(t)
	if err := run(t.Context(), []string{"-commit=nosuch"}); err == nil || !strings.Contains(err.Error(), "nosuch") {
		t.Errorf("the error is %v", err)
	}
}
