package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plan/internal/gobuild"
)

var date = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// fakeMaker makes small files instead of building. compiled is what a binary holds.
type fakeMaker struct {
	compiled func(b gobuild.Build) string
	err      error
}

func (m fakeMaker) Unpack(_ context.Context, commit, folder string) error {
	if err := os.Mkdir(folder, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "README.md"), []byte("of "+commit), 0o600)
}

func (m fakeMaker) Compile(_ context.Context, b gobuild.Build) error {
	if m.err != nil {
		return m.err
	}
	return os.WriteFile(b.Binary, []byte(m.compiled(b)), 0o755)
}

func (m fakeMaker) Describe(_ context.Context, version, binary, sbom string) error {
	return os.WriteFile(sbom, []byte(version+" "+filepath.Base(binary)), 0o644)
}

func sameEverywhere(b gobuild.Build) string {
	return b.Target.String() + " " + b.Version + " " + b.Commit
}

func newRelease(m maker) *release {
	return &release{version: "1.2.3", source: gobuild.Source{ID: strings.Repeat("ab", 20), Date: date}, targets: targets(), maker: m, talk: io.Discard}
}

func TestAReleaseHasAnArchiveAndAnSBOMForEachTargetAndOneListOfChecksums(t *testing.T) {
	out := filepath.Join(t.TempDir(), "dist")
	if err := newRelease(fakeMaker{compiled: sameEverywhere}).publish(t.Context(), t.TempDir(), out); err != nil {
		t.Fatal(err)
	}
	got, err := names(out)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"SHA256SUMS"}
	for _, name := range []string{"darwin_amd64", "darwin_arm64", "linux_amd64", "linux_arm64"} {
		want = append(want, "plan_1.2.3_"+name+".cdx.json", "plan_1.2.3_"+name+".tar.gz")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	sums, err := os.ReadFile(filepath.Join(out, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range want[1:] {
		sum, err := sumOf(filepath.Join(out, name))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(sums), sum+"  "+name+"\n") {
			t.Errorf("SHA256SUMS does not have %s of %s:\n%s", sum, name, sums)
		}
	}
}

func TestABuildThatTellsItsFolderIsNotPublished(t *testing.T) {
	out := t.TempDir()
	before := filepath.Join(out, "SHA256SUMS")
	if err := os.WriteFile(before, []byte("of the last release"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, leak := range map[string]func(b gobuild.Build) string{
		"source": func(b gobuild.Build) string { return b.Source },
		"cache":  func(b gobuild.Build) string { return b.Cache },
	} {
		err := newRelease(fakeMaker{compiled: leak}).publish(t.Context(), t.TempDir(), out)
		if err == nil || !strings.Contains(err.Error(), "plan_1.2.3_linux_amd64.tar.gz differs") {
			t.Errorf("%s in the binary: the error is %v", name, err)
		}
		if list, err := names(out); err != nil || len(list) != 1 {
			t.Errorf("%s in the binary: the folder was changed: %v, %v", name, list, err)
		}
	}
}

func TestABuildThatFailsLeavesTheFolder(t *testing.T) {
	out := filepath.Join(t.TempDir(), "dist")
	err := newRelease(fakeMaker{err: errors.New("does not compile")}).publish(t.Context(), t.TempDir(), out)
	if err == nil || !strings.Contains(err.Error(), "linux/amd64: does not compile") {
		t.Errorf("the error is %v", err)
	}
	if exists(out) {
		t.Error("the folder was made")
	}
}

func TestAReleaseReplacesAnEarlierOneAndNothingElse(t *testing.T) {
	out := t.TempDir()
	r := newRelease(fakeMaker{compiled: sameEverywhere})
	if err := os.WriteFile(filepath.Join(out, "plan_0.9.0_linux_amd64.tar.gz"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(out, images, "oci"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := r.publish(t.Context(), t.TempDir(), out); err != nil {
		t.Fatal(err)
	}
	if list, _ := names(out); len(list) != 10 || strings.Contains(fmt.Sprint(list), "0.9.0") || !slices.Contains(list, images) {
		t.Errorf("the folder has %v", list)
	}
	if err := os.WriteFile(filepath.Join(out, "thesis.tex"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := r.publish(t.Context(), t.TempDir(), out); err == nil || !strings.Contains(err.Error(), "thesis.tex") {
		t.Errorf("the error is %v", err)
	}
}

func TestCompareFindsEveryDifference(t *testing.T) {
	for name, c := range map[string]struct {
		a, b map[string]string
		want string
	}{
		"the same":      {map[string]string{"x": "1", "y": ""}, map[string]string{"x": "1", "y": ""}, ""},
		"a byte":        {map[string]string{"x": "abc"}, map[string]string{"x": "abd"}, "x differs at byte 2"},
		"a longer file": {map[string]string{"x": "abc"}, map[string]string{"x": "abcd"}, "x differs at byte 3"},
		"a file more":   {map[string]string{"x": "1"}, map[string]string{"x": "1", "y": "2"}, "y is in one of them only"},
		"all":           {map[string]string{"x": "1", "z": ""}, map[string]string{"x": "2"}, "x differs at byte 0\nz is in one of them only"},
		"nothing":       {nil, nil, "there are no files"},
	} {
		folders := []string{t.TempDir(), t.TempDir()}
		for i, files := range []map[string]string{c.a, c.b} {
			for file, text := range files {
				if err := os.WriteFile(filepath.Join(folders[i], file), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
		got := ""
		if err := compare(folders[0], folders[1]); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
