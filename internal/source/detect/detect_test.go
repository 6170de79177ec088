package detect

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plan/internal/source/gitrepo"
	"plan/internal/source/registry"
)

const sha = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// folder is a working directory with a bit of everything.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"report/main.py": "import os\n", "alpine/x": "", "Report-2/x": "", "examples/one/x": "", "odd::name/x": "", "me@h:x/x": "", "a@b/x": "", "repo.git/HEAD": "",
		"github.com/x/y/z": "", "gitlab.example.com/x/y/z": "", "...dots/x": "",
		"Dockerfile": "FROM alpine\n", "dockerfile": "# syntax=docker/dockerfile:1\n\nARG V=3\nFROM alpine:$V\n", "app.dockerfile": "from scratch\n",
		"debian": "FROM debian\n", "Build": "ARG A \\\n  B\nFROM x\n", "script.py": "import os\n", "notes": "hello\n", "Empty": "", "onlyarg": "ARG A\n",
		"Binary": "\x7fELF\x00", "containerfile.txt": "no\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{"Linked": "report", "Dangling": "nowhere", "LinkedFile": "Dockerfile"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "Pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestWhatIsThereDecides(t *testing.T) {
	dir := folder(t)
	at := func(kind Kind, name string) Source { return Source{Kind: kind, Path: filepath.Join(dir, name)} }
	url := func(s string) Source {
		u, err := gitrepo.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return Source{Kind: Git, URL: u}
	}
	image := func(s string) Source {
		i, err := registry.ParseImage(s)
		if err != nil {
			t.Fatal(err)
		}
		return Source{Kind: Image, Image: i}
	}
	for arg, want := range map[string]Source{
		".": at(Directory, "."), "./report": at(Directory, "report"), "report/": at(Directory, "report"), "./alpine": at(Directory, "alpine"), "alpine/": at(Directory, "alpine"),
		dir + "/report": at(Directory, "report"), "dir:alpine": at(Directory, "alpine"), "dir:./alpine": at(Directory, "alpine"), "Report-2": at(Directory, "Report-2"),
		"Linked": at(Directory, "Linked"), "report/../alpine": at(Directory, "alpine"), "odd::name": at(Directory, "odd::name"), "./me@h:x": at(Directory, "me@h:x"),
		"a@b": at(Directory, "a@b"), "./repo.git": at(Directory, "repo.git"), "dir:" + dir: at(Directory, "."), "...dots": at(Directory, "...dots"),
		"./github.com/x/y": at(Directory, "github.com/x/y"), "examples/../report/": at(Directory, "report"), "dir:me@h:x": at(Directory, "me@h:x"),

		"Dockerfile": at(Dockerfile, "Dockerfile"), "dockerfile": at(Dockerfile, "dockerfile"), "app.dockerfile": at(Dockerfile, "app.dockerfile"), "./debian": at(Dockerfile, "debian"),
		"dockerfile:debian": at(Dockerfile, "debian"), "Build": at(Dockerfile, "Build"), "LinkedFile": at(Dockerfile, "LinkedFile"), dir + "/debian": at(Dockerfile, "debian"),
		"dockerfile:" + dir + "/debian": at(Dockerfile, "debian"),

		"https://github.com/a/b": url("https://github.com/a/b"), "https://gitlab.com/group/sub/project": url("https://gitlab.com/group/sub/project"),
		"https://github.com.evil.example/a/b": url("https://github.com.evil.example/a/b"), "git@gitlab.example.com:group/project.git": url("git@gitlab.example.com:group/project.git"),
		"ssh://git@h:2222/a": url("ssh://git@h:2222/a"), "git://h/a": url("git://h/a"), "git:https://h/a": url("https://h/a"), "git:git://h/a": url("git://h/a"),
		"http://localhost:3000/a/b": url("http://localhost:3000/a/b"), "https://h/a/": url("https://h/a"), "git:me@h:x": url("me@h:x"), "git@h:a/": url("git@h:a"),

		"python:3.13-slim": image("python:3.13-slim"), "busybox": image("busybox"), "repotr": image("repotr"), "library/busybox": image("library/busybox"),
		"ghcr.io/a/b:v1": image("ghcr.io/a/b:v1"), "registry.gitlab.com/a/b": image("registry.gitlab.com/a/b"), "localhost:5000/a": image("localhost:5000/a"),
		"busybox@" + sha: image("busybox@" + sha), "h.example/a:1@" + sha: image("h.example/a:1@" + sha), "image:alpine": image("alpine"), "image:github.com/x/y": image("github.com/x/y"),
		"gitlab.example.com/x/y:1": image("gitlab.example.com/x/y:1"), "gitlab.example.com:5050/x/y": image("gitlab.example.com:5050/x/y"), "codeberg.org/x/y:1": image("codeberg.org/x/y:1"),
		"image:repo.git": image("repo.git"), "quay.io/a/b": image("quay.io/a/b"), "gitops/tool": image("gitops/tool"), "git": image("git"), "a__b/c--d:X": image("a__b/c--d:X"),
		"registry.example.com/gitlab/x": image("registry.example.com/gitlab/x"),
	} {
		t.Run(arg, func(t *testing.T) {
			got, err := Detect(arg, Options{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(gitrepo.URL{}, registry.Image{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestWhatHasTwoReadingsOrNoneIsAnError(t *testing.T) {
	dir := folder(t)
	for _, table := range []map[string][]string{noArguments(), twoReadings(), hosts(), mistyped(), noSource(), badURLs(), badNames(), {dir + "/repotr": {"no such file or directory", dir + "/report"}}} {
		for arg, want := range table {
			t.Run(arg, func(t *testing.T) { refused(t, dir, arg, want) })
		}
	}
}

func refused(t *testing.T, dir, arg string, want []string) {
	t.Helper()
	got, err := Detect(arg, Options{Dir: dir})
	if err == nil {
		t.Fatalf("Detect = %+v", got)
	}
	if got != (Source{}) {
		t.Errorf("Detect = %+v beside %v", got, err)
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
	if strings.ContainsAny(err.Error(), "\x1b\n\x00") || strings.Contains(err.Error(), "geheim") || len(err.Error()) > 1000 {
		t.Errorf("error %q", err)
	}
}

// B4: a GitLab URL is taken for an image.
func TestAGitLabURLIsARepository(t *testing.T) {
	for _, arg := range []string{"https://gitlab.com/group/project", "https://gitlab.example.com/group/sub/project", "git@gitlab.com:group/project.git", "ssh://git@gitlab.example.com/group/project",
		"https://gitlab.com/group/project.git"} {
		if got, err := Detect(arg, Options{Dir: t.TempDir()}); err != nil || got.Kind != Git {
			t.Errorf("%s is %+v, %v", arg, got, err)
		}
	}
}

// B5: `github.com.evil.example` passes as GitHub. It is a host as any other, and the one that is asked.
func TestAHostThatBeginsLikeAnotherIsAHostOfItsOwn(t *testing.T) {
	for arg, host := range map[string]string{"https://github.com.evil.example/a/b": "github.com.evil.example", "https://github.com/a/b": "github.com", "git@github.com.evil.example:a/b": "github.com.evil.example",
		"https://evil.example/github.com/a": "evil.example"} {
		if got, err := Detect(arg, Options{Dir: t.TempDir()}); err != nil || got.Kind != Git || got.URL.Host() != host {
			t.Errorf("%s is %+v, %v", arg, got, err)
		}
	}
}

// What is detected from its spelling alone says the same when it is named.
func TestNamedSourcesAreWhatIsDetected(t *testing.T) {
	dir := folder(t)
	for kind, args := range map[string][]string{"dir": {".", "./report", "Report-2"}, "git": {"https://h/a", "git@h:a"}, "dockerfile": {"Dockerfile", "./debian"}, "image": {"busybox", "h.example/a:1@" + sha}} {
		for _, arg := range args {
			plain, err1 := Detect(arg, Options{Dir: dir})
			named, err2 := Detect(kind+":"+arg, Options{Dir: dir})
			if plain != named || err1 != nil || err2 != nil {
				t.Errorf("%s: %+v, %v, and named %+v, %v", arg, plain, err1, named, err2)
			}
		}
	}
}

func TestDockerfiles(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"plain":                     {"FROM x", ""},
		"lower case, blanks, CRLF":  {"\r\n\t from x\r\nRUN y\r\n", ""},
		"byte order mark":           {"\ufeffFROM x\n", ""},
		"comments":                  {"# a\n#b\n\nFROM x", ""},
		"directives":                {"# syntax=docker/dockerfile:1\n# check=skip=all\nFROM x", ""},
		"arguments":                 {"ARG A=1\nARG B\nFROM x:$A", ""},
		"an argument on more lines": {"ARG A \\\n# a comment\n\n  B\nFROM x", ""},
		"another escape":            {"# escape=`\nARG A `\n B\nFROM x", ""},
		"a stage":                   {"FROM x AS y\nFROM y\n", ""},
		"RUN first":                 {"RUN x\nFROM y", `line 1 begins with "RUN"`},
		"only a comment":            {"# FROM x", "no FROM"},
		"FROM nothing":              {"FROM\n", `begins with "FROM"`},
		"FROM within an argument":   {"ARG A \\\nFROM x", "no FROM"},
		"YAML":                      {"apiVersion: v1\n", `"apiVersion:"`},
		"a script":                  {"#!/bin/sh\necho\n", `line 2 begins with "echo"`},
		"a long line":               {strings.Repeat("x", 5000), "xxx…"},
		"escapes":                   {"\x1b[2J x", `"\x1b[2J"`},
	} {
		t.Run(name, func(t *testing.T) {
			err := checkInstructions(strings.TrimPrefix(tc.text, "\ufeff"))
			switch {
			case tc.want == "" && err != nil:
				t.Error(err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want) || len(err.Error()) > 200):
				t.Errorf("error %v does not say %q", err, tc.want)
			}
		})
	}
	large := filepath.Join(t.TempDir(), "Dockerfile")
	if err := os.WriteFile(large, []byte("#"+strings.Repeat("x", maxDockerfile)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := checkDockerfile(large); err == nil || !strings.Contains(err.Error(), "over 1 MiB") {
		t.Errorf("a large one: %v", err)
	}
}

// FuzzDetect: whatever the argument, it is one thing or a printable error.
func FuzzDetect(f *testing.F) {
	for _, s := range []string{"", "-", ".", "./x", "alpine", "alpine:3", "https://h/a", "git@h:a", "dir:x", "git://h/a", "github.com/a/b", "a@" + sha, "~/x", "x/", "ext::x", "A/b", "image:x"} {
		f.Add(s)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, arg string) {
		got, err := Detect(arg, Options{Dir: dir})
		if err != nil {
			if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 }) || got != (Source{}) {
				t.Fatalf("Detect(%q) = %+v, %q", arg, got, err)
			}
			return
		}
		set := 0
		for _, is := range []bool{got.Path != "", got.URL != gitrepo.URL{}, got.Image != registry.Image{}} {
			if is {
				set++
			}
		}
		if set != 1 || strings.HasPrefix(got.Image.String(), "-") || strings.ContainsAny(got.Image.String(), " \n\x00\x1b") {
			t.Fatalf("Detect(%q) = %+v", arg, got)
		}
	})
}
