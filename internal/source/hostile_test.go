package source

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func refused(t *testing.T, dir string, o Options) *RefusedError {
	t.Helper()
	a, err := Pack(t.Context(), dir, o)
	var r *RefusedError
	if !errors.As(err, &r) {
		if a != nil {
			a.Close()
		}
		t.Fatalf("not refused: %v", err)
	}
	return r
}

func TestLinksOutOfTheDirectoryAreRefused(t *testing.T) {
	for name, c := range map[string]files{
		"up":                     {"bad": "-> .."},
		"up and in again":        {"bad": "-> ../DIR/a", "a": ""},
		"up from below":          {"bad": "-> d/../../x", "d/": ""},
		"absolute":               {"bad": "-> /etc/passwd"},
		"absolute, not there":    {"bad": "-> /no/such/file"},
		"the root":               {"bad": "-> /"},
		"beside":                 {"bad": "-> PATHx"},
		"absolute and up":        {"bad": "-> PATH/../x"},
		"not there and up":       {"bad": "-> none/../../x"},
		"through a file and up":  {"bad": "-> f/../../x", "f": ""},
		"through a link":         {"bad": "-> b/c/up/../x", "b/c/up": "-> ../.."},
		"through a link of two":  {"bad": "-> to/passwd", "to": "-> etc", "etc": "-> /etc"},
		"through a left-out one": {"bad": "-> .git/x", ".git": "-> /etc"},
		"from its own folder":    {"d/bad": "-> ../../x"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range c {
				c[name] = strings.NewReplacer("PATH", dir, "DIR", filepath.Base(dir)).Replace(text)
			}
			r := refused(t, c.make(t, dir), Options{})
			i := slices.IndexFunc(r.Problems, func(p Problem) bool { return filepath.Base(p.Path) == "bad" })
			if i < 0 || !strings.Contains(r.Problems[i].Why, "out of the directory") || !strings.Contains(r.Error(), "exclude it") {
				t.Errorf("%v", r)
			}
		})
	}
}

// hostile makes everything at once that must not be packed, and tells what it is called.
func hostile(t *testing.T, dir string) []string {
	t.Helper()
	files{"ok": "", "d/out": "-> ../..", "passwd": "-> /etc/passwd"}.make(t, dir)
	must(t, syscall.Mkfifo(filepath.Join(dir, "d", "pipe\x1b[2J"), 0o600))
	l, err := new(net.ListenConfig).Listen(t.Context(), "unix", filepath.Join(dir, "s"))
	must(t, err)
	t.Cleanup(func() { l.Close() })
	bad := []string{"d/out", "d/pipe\x1b[2J", "passwd", "s"}
	if os.Geteuid() == 0 { // nobody else may
		must(t, syscall.Mknod(filepath.Join(dir, "zero"), syscall.S_IFCHR|0o666, 1<<8|5))
		bad = append(bad, "zero")
	}
	return bad
}

func TestEverythingThatIsRefusedIsToldAtOnce(t *testing.T) {
	t.Chdir(t.TempDir()) // a socket's path is short
	want := hostile(t, ".")
	r := refused(t, ".", Options{})
	var got []string
	for _, p := range r.Problems {
		got = append(got, p.Path)
		if !strings.Contains(p.Why, "exclude it") {
			t.Errorf("%s %s: what to do?", p.Path, p.Why)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if strings.Contains(r.Error(), "\x1b") {
		t.Errorf("steers the terminal: %q", r.Error())
	}
	if a := packed(t, ".", Options{Exclude: []string{"d/*", "/passwd", "s", "zero"}}); a.Files != 1 {
		t.Errorf("%v", contents(t, a))
	}
}

func TestManyProblemsAreNotAllTold(t *testing.T) {
	dir := t.TempDir()
	for i := range 50 {
		must(t, os.Symlink("/", filepath.Join(dir, fmt.Sprint(i))))
	}
	if r := refused(t, dir, Options{}); len(r.Problems) != maxProblems || !strings.Contains(r.Error(), "there may be more") {
		t.Errorf("%d problems: %v", len(r.Problems), r)
	}
}

func TestDirectoriesThatAreNone(t *testing.T) {
	dir := files{"file": "", "to": "-> file", "gone": "-> nothing"}.make(t, t.TempDir())
	for name, want := range map[string]error{"file": syscall.ENOTDIR, "to": syscall.ENOTDIR, "none": fs.ErrNotExist, "gone": fs.ErrNotExist, "file/x": nil, "\x00": nil} {
		_, err := Pack(t.Context(), filepath.Join(dir, name), Options{})
		if err == nil || want != nil && !errors.Is(err, want) || strings.Contains(err.Error(), "\x00") {
			t.Errorf("%q: error %v, want %v", name, err, want)
		}
	}
}

// Root may read all, so that the test runs itself again as nobody.
func TestWhatMayNotBeReadIsToldAtOnce(t *testing.T) {
	const again = "PLAN_TEST_UNREADABLE"
	if dir := os.Getenv(again); dir != "" {
		for name, want := range map[string][]string{"files": {"a", "d/b"}, "folders": {"d", "e/f"}, "keys": {"a.pem"}} {
			var got []string
			for _, p := range refused(t, filepath.Join(dir, name), Options{}).Problems {
				got = append(got, p.Path)
				if p.Why != unreadable {
					t.Errorf("%s %s", p.Path, p.Why)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
		for _, name := range []string{"closed", "ignore"} {
			if _, err := Pack(t.Context(), filepath.Join(dir, name), Options{}); !errors.Is(err, fs.ErrPermission) {
				t.Errorf("%s: error %v", name, err)
			}
		}
		return
	}
	dir, err := os.MkdirTemp("", "unreadable")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o755))
	files{"files/a": "", "files/c": "", "files/d/b": "", "folders/d/": "", "folders/e/f/": "", "keys/a.pem": "", "closed/": "", "ignore/.gitignore": ""}.make(t, dir)
	for _, name := range []string{"files/a", "files/d/b", "folders/d", "folders/e/f", "keys/a.pem", "closed", "ignore/.gitignore"} {
		must(t, os.Chmod(filepath.Join(dir, name), 0))
		t.Cleanup(func() { os.Chmod(filepath.Join(dir, name), 0o755) }) // so that it can be removed
	}
	self := copySelf(t, dir)
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env, cmd.Dir = append(os.Environ(), again+"="+dir, "TMPDIR="+os.TempDir()), "/"
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("--- PASS")) {
		t.Errorf("as another user: %v\n%s", err, out)
	}
}

// copySelf puts the test where everybody may run it.
func copySelf(t *testing.T, dir string) string {
	t.Helper()
	data, err := os.ReadFile(os.Args[0])
	must(t, err)
	self := filepath.Join(dir, "self")
	must(t, os.WriteFile(self, data, 0o755))
	return self
}

func TestDeepTreesEnd(t *testing.T) {
	t.Run("1000 folders deep", func(t *testing.T) {
		dir := files{strings.Repeat("d/", 1000) + "f": "deep"}.make(t, t.TempDir())
		if got := contents(t, packed(t, dir, Options{})); len(got) != 1001 || got[strings.Repeat("d/", 1000)+"f"] != "644 deep" {
			t.Errorf("%d entries", len(got))
		}
	})
	t.Run("paths longer than the system's", func(t *testing.T) {
		dir := t.TempDir()
		at, err := os.OpenRoot(dir)
		must(t, err)
		name := strings.Repeat("n", 250)
		for range 20 {
			must(t, at.Mkdir(name, 0o755))
			next, err := at.OpenRoot(name)
			must(t, err)
			at.Close()
			at = next
		}
		at.Close()
		if r := refused(t, dir, Options{}); len(r.Problems) < 1 || !strings.Contains(r.Problems[0].Why, "4000 bytes") {
			t.Errorf("%v", r)
		}
	})
}

func TestSparseFilesAndManyLinksEnd(t *testing.T) {
	t.Run("a sparse file of a tebibyte", func(t *testing.T) {
		dir := files{"d/small": "x", "big/sparse": ""}.make(t, t.TempDir())
		must(t, os.Truncate(filepath.Join(dir, "big", "sparse"), 1<<40))
		_, err := Pack(t.Context(), dir, Options{})
		var l *LimitError
		if !errors.As(err, &l) || l.Unit != Unpacked || l.Size < 1<<40 || l.Limit != maxUnpacked || l.Most[0].Path != "big/sparse" {
			t.Errorf("error %v", err)
		}
	})
	t.Run("links with many parts", func(t *testing.T) {
		dir := files{"d/": "", "l": "-> " + strings.Repeat("d/../", 800) + "d"}.make(t, t.TempDir())
		for i := range 100 {
			must(t, os.Symlink(strings.Repeat("l/../", 800), filepath.Join(dir, fmt.Sprint(i))))
		}
		if r := refused(t, dir, Options{}); !strings.Contains(r.Error(), "2000 folders") {
			t.Errorf("%v", r)
		}
	})
	t.Run("a chain of links", func(t *testing.T) {
		dir := files{"0": ""}.make(t, t.TempDir())
		for i := range 200 {
			must(t, os.Symlink(fmt.Sprint(i), filepath.Join(dir, fmt.Sprint(i+1))))
		}
		if a := packed(t, dir, Options{}); a.Files != 201 {
			t.Errorf("%d files", a.Files)
		}
	})
}
