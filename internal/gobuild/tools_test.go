package gobuild

import (
	"archive/tar"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestTheCommitIsBuiltAndNotTheWorkingTree(t *testing.T) {
	repo := t.TempDir()
	t.Chdir(repo)
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-c", "user.name=x", "-c", "user.email=x@example.net", "-c", "commit.gpgsign=false"}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_COMMITTER_DATE=2026-03-04T06:06:07+01:00")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	git("init", "-q")
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("kept", "committed")
	git("add", "kept")
	git("commit", "-q", "-m", "one")
	write("kept", "changed")
	write("new", "not committed")

	src, err := Commit(t.Context(), ".", "HEAD")
	if err != nil {
		t.Fatal(err)
	}
	if !src.Date.Equal(date) || len(src.Short()) != 12 {
		t.Errorf("the commit is %s of %s", src.Short(), src.Date)
	}
	folder := filepath.Join(t.TempDir(), "source")
	if err := (&Tools{Top: repo}).Unpack(t.Context(), src.ID, folder); err != nil {
		t.Fatal(err)
	}
	list, _ := filepath.Glob(filepath.Join(folder, "*"))
	text, _ := os.ReadFile(filepath.Join(folder, "kept"))
	if !slices.Equal(list, []string{filepath.Join(folder, "kept")}) || string(text) != "committed" {
		t.Errorf("the source has %v, and in kept %q", list, text)
	}
	if _, err := Commit(t.Context(), ".", "nosuch"); err == nil {
		t.Error("a commit that does not exist was found")
	}
}

func TestNothingIsUnpackedOutsideOrThroughLinks(t *testing.T) {
	for name, header := range map[string]tar.Header{
		"outside": {Typeflag: tar.TypeReg, Name: "../x"},
		"link":    {Typeflag: tar.TypeSymlink, Name: "x", Linkname: "/etc/passwd"},
	} {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		if err := w.WriteHeader(&header); err != nil {
			t.Fatal(err)
		}
		w.Close()
		if err := untar(&b, filepath.Join(t.TempDir(), "source")); err == nil {
			t.Errorf("%s: it was unpacked", name)
		}
	}
}

func TestSettingsThatChangeABuildAreLeftOut(t *testing.T) {
	t.Setenv("GOFLAGS", "-tags=other")
	t.Setenv("GOEXPERIMENT", "loopvar")
	t.Setenv("GOPROXY", "off")
	made, err := New(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"GOENV=off", "GOFLAGS=-mod=readonly", "CGO_ENABLED=0", "GOPROXY=off"} {
		if !slices.Contains(made.With(), want) {
			t.Errorf("the environment has no %s", want)
		}
	}
	if slices.ContainsFunc(made.With(), func(s string) bool { return strings.Contains(s, "other") || strings.HasPrefix(s, "GOEXPERIMENT") }) {
		t.Errorf("the environment is %v", made.With())
	}
}

func TestOnlyKnownTargetsAreChosen(t *testing.T) {
	all := []Target{{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}}
	for only, want := range map[string]int{"": 4, "linux/arm64": 1, "linux/arm64,darwin/arm64,linux/arm64": 2, "windows/amd64": -1, "linux/arm64,": -1} {
		list, err := Choose(all, only)
		if (err != nil) != (want < 0) || err == nil && len(list) != want {
			t.Errorf("%q: %v, %v", only, list, err)
		}
	}
}
