package main

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

func TestTheCommitIsReleasedAndNotTheWorkingTree(t *testing.T) {
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

	src, err := commit(t.Context(), ".", "HEAD")
	if err != nil {
		t.Fatal(err)
	}
	if !src.date.Equal(date) || len(src.short()) != 12 {
		t.Errorf("the commit is %s of %s", src.short(), src.date)
	}
	folder := filepath.Join(t.TempDir(), "source")
	if err := (&tools{top: repo}).unpack(t.Context(), src.id, folder); err != nil {
		t.Fatal(err)
	}
	list, _ := names(folder)
	text, _ := os.ReadFile(filepath.Join(folder, "kept"))
	if !slices.Equal(list, []string{"kept"}) || string(text) != "committed" {
		t.Errorf("the source has %v, and in kept %q", list, text)
	}
	if _, err := commit(t.Context(), ".", "nosuch"); err == nil {
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
	made, err := newTools(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"GOENV=off", "GOFLAGS=-mod=readonly", "CGO_ENABLED=0", "GOPROXY=off"} {
		if !slices.Contains(made.env, want) {
			t.Errorf("the environment has no %s", want)
		}
	}
	if slices.ContainsFunc(made.env, func(s string) bool { return strings.Contains(s, "other") || strings.HasPrefix(s, "GOEXPERIMENT") }) {
		t.Errorf("the environment is %v", made.env)
	}
}

func TestAnSBOMDoesNotTellWhoseBuildOfTheToolWroteIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sbom")
	text := `{"metadata":{"tools":[{"name":"t","version":"v1","hashes":[{"alg":"MD5","content":"00"}]}]},"components":[{"name":"c","hashes":[{"content":"11"}]}]}`
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := neutral(path); err != nil {
		t.Fatal(err)
	}
	got, _ := os.ReadFile(path)
	if strings.Contains(string(got), `"00"`) || !strings.Contains(string(got), `"11"`) || !strings.Contains(string(got), `"v1"`) {
		t.Errorf("it is now %s", got)
	}
}

func TestOnlyKnownTargetsAreChosen(t *testing.T) {
	for only, want := range map[string]int{"": 4, "linux/arm64": 1, "linux/arm64,darwin/arm64,linux/arm64": 2, "windows/amd64": -1, "linux/arm64,": -1} {
		list, err := choose(only)
		if (err != nil) != (want < 0) || err == nil && len(list) != want {
			t.Errorf("%q: %v, %v", only, list, err)
		}
	}
}

func TestAVersionCannotBeAFlagOrAPath(t *testing.T) {
	for _, version := range []string{"", "-x", "1 -X main.commit=2", "../1", "1/2"} {
		if err := run(t.Context(), []string{"-version=" + version}); err == nil || !strings.Contains(err.Error(), "version") {
			t.Errorf("%q: %v", version, err)
		}
	}
}
