package layout_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plan/internal/bundle/layout"
	"plan/internal/source"
)

// folders are where the parts are, and where they go.
func folders(t *testing.T) (from, to string) {
	t.Helper()
	dir := t.TempDir()
	from, to = filepath.Join(dir, "parts"), filepath.Join(dir, "work")
	for _, folder := range []string{from, to} {
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return from, to
}

// put writes parts and their index as the volumes of a pod show them.
func put(t *testing.T, from string, index layout.Index, parts map[string][]byte) {
	t.Helper()
	data, err := json.Marshal(index)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{layout.IndexName: data}
	for name, part := range parts {
		all[name] = part
	}
	for name, part := range all {
		if err := os.WriteFile(filepath.Join(from, name), part, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// pack packs a directory and cuts it small.
func pack(t *testing.T, dir, place string, o source.Options) (*source.Archive, layout.Tree, map[string][]byte) {
	t.Helper()
	archive, err := source.Pack(context.Background(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { archive.Close() })
	tree, parts := layout.Tree{Path: place, Digest: archive.Compressed}, map[string][]byte{}
	for part, err := range archive.Parts(100) {
		if err != nil {
			t.Fatal(err)
		}
		name := strings.ReplaceAll(place, "/", "-") + "-" + string(rune('a'+len(parts)))
		tree.Parts, parts[name] = append(tree.Parts, name), part
	}
	return archive, tree, parts
}

// everything is a directory with all that a source can be: ignore files of all sorts, links, an empty folder, programs, a startup script.
func everything(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"run.py": "print(1)\n", "k8s-startup.sh": "pip install x\n", "bin/tool": "#!/bin/sh\n", "a/b/c/deep.txt": "deep", "big.bin": strings.Repeat("x", 300<<10),
		".gitignore": "*.log\nbuild\n", "a/.gitignore": "!keep.log\n", ".planignore": "!build/out.bin\ntmp/\n", ".dockerignore": "docs\n!docs/api.md\n",
		"x.log": "no", "a/keep.log": "yes", "build/out.bin": "yes", "build/other": "no", "tmp/x": "no", "docs/api.md": "yes", "docs/intro.md": "no",
		".env": "SECRET=1", "ünïcode name.txt": "x", ".git/config": "x",
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"link": "a/b", "a/up": "../run.py", "gone": "nowhere", "absolute": filepath.Join(dir, "a"), "left-out": "x.log"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	for name, mode := range map[string]fs.FileMode{"bin/tool": 0o711, "run.py": 0o600} {
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "empty/inner"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestWhatIsUnpackedPacksTheSame: a pod that packs the directory again gets the very digest.
func TestWhatIsUnpackedPacksTheSame(t *testing.T) {
	for name, o := range map[string]source.Options{
		"as it is":              {},
		"something brought in":  {Include: []string{".env", "x.log"}},
		"something left out":    {Exclude: []string{"a/b", "*.md"}},
		"without ignore files":  {Exclude: []string{".gitignore", ".planignore", ".dockerignore"}},
		"a repository's commit": {Everything: true},
	} {
		t.Run(name, func(t *testing.T) {
			archive, tree, parts := pack(t, everything(t), "jobs/report", o)
			from, to := folders(t)
			put(t, from, layout.Index{Trees: []layout.Tree{tree}}, parts)
			if err := layout.Write(context.Background(), from, to); err != nil {
				t.Fatal(err)
			}
			again, _, _ := pack(t, filepath.Join(to, layout.Folder, "jobs/report"), "again", o)
			if again.Digest != archive.Digest || again.Startup != archive.Startup {
				t.Errorf("packed %+v, packed again %+v", archive, again)
			}
		})
	}
}

// TestWritingAgain: a pod starts its init container again, after it was cut off and after it was done.
func TestWritingAgain(t *testing.T) {
	from, to := folders(t)
	put(t, from, layout.Index{Files: []layout.File{{Path: "_/plan.yaml", Part: "p"}}}, map[string][]byte{"p": []byte("kind: Plan")})
	if err := os.MkdirAll(filepath.Join(to, ".unpacking", "half"), 0o755); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := layout.Write(context.Background(), from, to); err != nil {
			t.Fatal(err)
		}
	}
	var there []string
	err := filepath.WalkDir(to, func(path string, e fs.DirEntry, err error) error {
		if !e.IsDir() {
			there = append(there, strings.TrimPrefix(path, to))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"/plan/_/plan.yaml"}, there); diff != "" {
		t.Error(diff)
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	from, to = folders(t)
	_, tree, parts := pack(t, everything(t), "x", source.Options{})
	put(t, from, layout.Index{Trees: []layout.Tree{tree}}, parts)
	if err := layout.Write(cancelled, from, to); err == nil {
		t.Error("a cancelled context does not end it")
	}
	if _, err := os.Stat(filepath.Join(to, layout.Folder)); err == nil {
		t.Error("what is half done looks complete")
	}
}

// TestDirectoriesMayOverlap where they agree: a step packs the plan's folder, another a folder in it, and the plan is in both.
func TestDirectoriesMayOverlap(t *testing.T) {
	dir := everything(t)
	outer, outerTree, parts := pack(t, dir, ".", source.Options{Exclude: []string{"big.bin"}})
	inner, innerTree, more := pack(t, filepath.Join(dir, "a/b"), "a/b", source.Options{})
	for name, data := range more {
		parts[name] = data
	}
	parts["plan"] = []byte("print(1)\n")
	from, to := folders(t)
	index := layout.Index{Trees: []layout.Tree{outerTree, innerTree}, Files: []layout.File{{Path: "run.py", Part: "plan"}}}
	put(t, from, index, parts)
	if err := layout.Write(context.Background(), from, to); err != nil {
		t.Fatal(err)
	}
	again, _, _ := pack(t, filepath.Join(to, layout.Folder), ".", source.Options{Exclude: []string{"big.bin"}})
	below, _, _ := pack(t, filepath.Join(to, layout.Folder, "a/b"), "a/b", source.Options{})
	if again.Digest != outer.Digest || below.Digest != inner.Digest {
		t.Error("directories that overlap are not what they were")
	}
	parts["plan"] = []byte("print(2)\n")
	from, to = folders(t)
	put(t, from, index, parts)
	if err := layout.Write(context.Background(), from, to); err == nil || !strings.Contains(err.Error(), "run.py") {
		t.Errorf("two contents at one place: %v", err)
	}
}

// archive makes a gzip'ed tar of headers as they are given.
func archive(t *testing.T, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	out := tar.NewWriter(zip)
	for _, h := range headers {
		if err := out.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Write(bytes.Repeat([]byte("x"), int(h.Size))); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestNothingIsWrittenOutside, whatever an archive says, and nothing but files, folders and links is made.
func TestNothingIsWrittenOutside(t *testing.T) {
	file := func(name string) tar.Header {
		return tar.Header{Typeflag: tar.TypeReg, Name: name, Size: 1, Mode: 0o644}
	}
	link := func(name, to string) tar.Header {
		return tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: to}
	}
	for name, headers := range map[string][]tar.Header{
		"a path that leads up":        {file("../../outside/f")},
		"an absolute path":            {file("/outside/f")},
		"an empty name":               {{Typeflag: tar.TypeDir, Name: "/"}},
		"an absolute link":            {link("l", "/etc/passwd")},
		"through a link that is made": {link("l", "../../../outside"), file("l/f")},
		"over a link that is made":    {link("l", "../../../outside/f"), file("l")},
		"a device":                    {{Typeflag: tar.TypeChar, Name: "null"}},
		"a pipe":                      {{Typeflag: tar.TypeFifo, Name: "pipe"}},
		"a hard link":                 {{Typeflag: tar.TypeLink, Name: "h", Linkname: "f"}},
		"a file twice":                {file("f"), {Typeflag: tar.TypeReg, Name: "f", Size: 2, Mode: 0o644}},
		"a link twice":                {link("l", "a"), link("l", "b")},
	} {
		t.Run(name, func(t *testing.T) {
			data := archive(t, headers...)
			from, to := folders(t)
			outside := filepath.Join(filepath.Dir(to), "outside")
			if err := os.Mkdir(outside, 0o755); err != nil {
				t.Fatal(err)
			}
			put(t, from, layout.Index{Trees: []layout.Tree{{Path: "x", Digest: layout.Digest(data), Parts: []string{"p"}}}}, map[string][]byte{"p": data})
			if err := layout.Write(context.Background(), from, to); err == nil {
				t.Error("it is unpacked")
			}
			if left, err := os.ReadDir(outside); err != nil || len(left) > 0 {
				t.Errorf("outside is %v: %v", left, err)
			}
		})
	}
}

func TestPartsThatAreWrong(t *testing.T) {
	good := archive(t, tar.Header{Typeflag: tar.TypeReg, Name: "f", Size: 1, Mode: 0o644})
	for name, c := range map[string]struct {
		index layout.Index
		parts map[string][]byte
		want  string
	}{
		"damaged":        {layout.Index{Trees: []layout.Tree{{Path: "x", Digest: layout.Digest(good), Parts: []string{"p"}}}}, map[string][]byte{"p": good[1:]}, "damaged"},
		"in other order": {layout.Index{Trees: []layout.Tree{{Path: "x", Digest: layout.Digest(good), Parts: []string{"q", "p"}}}}, map[string][]byte{"p": good[:9], "q": good[9:]}, "damaged"},
		"missing":        {layout.Index{Trees: []layout.Tree{{Path: "x", Parts: []string{"q"}}}}, nil, "no such file"},
		"elsewhere":      {layout.Index{Files: []layout.File{{Path: "f", Part: "../work"}}}, nil, "escapes"},
		"file elsewhere": {layout.Index{Files: []layout.File{{Path: "../f", Part: "p"}}}, map[string][]byte{"p": nil}, "escapes"},
		"tree elsewhere": {layout.Index{Trees: []layout.Tree{{Path: "../../x", Digest: layout.Digest(good), Parts: []string{"p"}}}}, map[string][]byte{"p": good}, "escapes"},
		"no archive":     {layout.Index{Trees: []layout.Tree{{Path: "x", Digest: layout.Digest([]byte("x")), Parts: []string{"p"}}}}, map[string][]byte{"p": []byte("x")}, "EOF"},
		"too large":      {layout.Index{Files: []layout.File{{Path: "f", Part: "p"}}}, map[string][]byte{"p": make([]byte, 5<<20)}, "more than"},
	} {
		t.Run(name, func(t *testing.T) {
			from, to := folders(t)
			put(t, from, c.index, c.parts)
			if err := layout.Write(context.Background(), from, to); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("want an error with %q, got %v", c.want, err)
			}
		})
	}
}
