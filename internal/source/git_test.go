package source

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// gitDiffers finds patterns that versions of git read differently: since 2.52 `a**` between slashes is a plain star, as gitignore(5)
// always said; before, what stood before the stars was cut off first.
var gitDiffers = regexp.MustCompile(`[^/*]\*\*+(/|\\/|$)`)

// lines are what ignore files are made of in the tests.
func lines(t *rapid.T) string {
	token := rapid.SampledFrom([]string{"a", "b", "ab", ".c", "*", "**", "?", "/", "/", "**/", "/**", `\`, `\*`, "[a]", "[!a]", "[a-b]", "[^b-]", "[]-]", "[[:alpha:]]", "[[:x:]]", "[", " ", `\ `, "!", "#", "é", "\r"})
	line := rapid.Custom(func(t *rapid.T) string {
		s := strings.Join(rapid.SliceOfN(token, 1, 5).Draw(t, "tokens"), "")
		if rapid.IntRange(0, 3).Draw(t, "kind") == 0 {
			s = "!" + s
		}
		return s
	}).Filter(func(s string) bool { return !strings.Contains(s, "/") || !gitDiffers.MatchString(s) })
	return strings.Join(rapid.SliceOfN(line, 1, 4).Draw(t, "lines"), "\n")
}

// plant makes a random tree of files below dir, with ignore files of a name in some of its folders.
func plant(t *rapid.T, dir, ignore string, depth int) {
	name := rapid.SampledFrom([]string{"a", "b", "ab", "ba", "b.c", ".c", "a b", "a ", "#a", "!b", "[a]", "*", "é", `a\`, "-"})
	for _, n := range rapid.SliceOfNDistinct(name, 1, 5, rapid.ID[string]).Draw(t, "names") {
		at := filepath.Join(dir, n)
		if depth == 0 || rapid.Bool().Draw(t, "file") {
			must(t, os.WriteFile(at, []byte(n), 0o644))
			continue
		}
		must(t, os.Mkdir(at, 0o755))
		plant(t, at, ignore, depth-1)
	}
	if depth == 3 || rapid.IntRange(0, 3).Draw(t, "ignore") == 0 {
		must(t, os.WriteFile(filepath.Join(dir, ignore), []byte(lines(t)), 0o644))
	}
}

func must(t rapid.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// git runs without the configuration of whoever runs the tests.
func git(t rapid.TB, dir string, in []byte, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-C", dir, "-c", "core.excludesFile=/dev/null"}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
	cmd.Stdin = bytes.NewReader(in)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil && cmd.ProcessState.ExitCode() != 1 { // check-ignore: nothing is ignored
		t.Fatalf("git %v: %v\n%s", args, err, stderr.Bytes())
	}
	return string(out)
}

// paths are all entries below dir but .git.
func paths(t rapid.TB, dir string) (all []string) {
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if d.Name() == ".git" {
			return fs.SkipDir
		}
		if path != dir {
			all = append(all, path[len(dir)+1:])
		}
		return err
	}))
	slices.Sort(all)
	return all
}

// packedPaths are what a scan of dir takes.
func packedPaths(t rapid.TB, dir string, o Options) (all []string) {
	t.Helper()
	root, err := openRoot(dir)
	must(t, err)
	defer root.Close()
	found, err := scan(context.Background(), dir, root, o, limits{entries: maxEntries, unpacked: maxUnpacked})
	must(t, err)
	for _, e := range found.entries {
		all = append(all, e.path)
	}
	slices.Sort(all)
	return all
}

func TestGitignoreIsReadAsGitReadsIt(t *testing.T) {
	dir := t.TempDir()
	git(t, dir, nil, "init", "-q")
	rapid.Check(t, func(r *rapid.T) {
		entries, err := os.ReadDir(dir)
		must(r, err)
		for _, e := range entries {
			if e.Name() != ".git" {
				must(r, os.RemoveAll(filepath.Join(dir, e.Name())))
			}
		}
		plant(r, dir, gitIgnore, 3)
		want := paths(r, dir)
		ignored := strings.Split(git(r, dir, []byte(strings.Join(want, "\x00")), "check-ignore", "-z", "--stdin"), "\x00")
		want = slices.DeleteFunc(want, func(path string) bool { return slices.Contains(ignored, path) })
		if diff := cmp.Diff(want, packedPaths(r, dir, Options{}), cmpopts.EquateEmpty()); diff != "" {
			for _, path := range paths(r, dir) {
				if filepath.Base(path) == gitIgnore {
					data, _ := os.ReadFile(filepath.Join(dir, path))
					r.Logf("%s: %q", path, data)
				}
			}
			r.Fatalf("what is packed is not what git does not ignore (-git +packed):\n%s", diff)
		}
	})
}
