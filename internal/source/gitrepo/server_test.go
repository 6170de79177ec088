package gitrepo

import (
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// git runs git as nobody configured it and gives what it prints.
func git(t testing.TB, dir, stdin string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(stdin)
	cmd.Env = gitEnv(t)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func gitEnv(t testing.TB) []string {
	return []string{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=" + t.TempDir(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_AUTHOR_DATE=1700000000 +0000",
		"GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com", "GIT_COMMITTER_DATE=1700000000 +0000"}
}

// repository is a bare one at root/group/repo.git, with the commits first and second on main, and a folder with a bit of everything.
type repository struct {
	root, dir     string
	first, second string
}

func newRepository(t testing.TB) repository {
	t.Helper()
	work, root := t.TempDir(), t.TempDir()
	git(t, work, "", "init", "-q", "-b", "main")
	write := func(name, content string, mode os.FileMode) {
		t.Helper()
		path := filepath.Join(work, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("README.md", "first\n", 0o644)
	git(t, work, "", "add", ".")
	git(t, work, "", "commit", "-q", "-m", "first")
	r := repository{root: root, dir: filepath.Join(root, "group", "repo.git"), first: git(t, work, "", "rev-parse", "HEAD")}
	git(t, work, "", "tag", "light")
	git(t, work, "", "tag", "-a", "-m", "one", "v1.0")
	write("README.md", "second\n", 0o644)
	write("run.sh", "#!/bin/sh\n", 0o755)
	write("sub/deep/données.txt", strings.Repeat("data\n", 1000), 0o644)
	write("sub/pointer.bin", lfsPrefix+"v1\noid sha256:"+strings.Repeat("0", 64)+"\nsize 3\n", 0o644)
	write("empty", "", 0o644)
	for name, target := range map[string]string{"link": "sub/deep", "out": "../../etc/passwd"} {
		if err := os.Symlink(target, filepath.Join(work, name)); err != nil {
			t.Fatal(err)
		}
	}
	git(t, work, "", "update-index", "--add", "--cacheinfo", "160000,"+r.first+",sub/module")
	git(t, work, "", "add", "README.md", "run.sh", "sub/deep", "sub/pointer.bin", "empty", "link", "out")
	git(t, work, "", "commit", "-q", "-m", "second")
	r.second = git(t, work, "", "rev-parse", "HEAD")
	git(t, work, "", "branch", "feature/reports")
	git(t, root, "", "clone", "-q", "--bare", work, r.dir)
	return r
}

// want is what the folder of the second commit holds.
func (r repository) want() map[string]string {
	return map[string]string{
		"README.md": "-rw second\n", "run.sh": "-rwx #!/bin/sh\n", "empty": "-rw ", "link": "-> sub/deep", "out": "-> ../../etc/passwd",
		"sub": "dir", "sub/deep": "dir", "sub/module": "dir", "sub/deep/données.txt": "-rw " + strings.Repeat("data\n", 1000),
		"sub/pointer.bin": "-rw " + lfsPrefix + "v1\noid sha256:" + strings.Repeat("0", 64) + "\nsize 3\n",
	}
}

// config sets something of the repository on the server.
func (r repository) config(t testing.TB, name, value string) {
	t.Helper()
	git(t, r.dir, "", "config", name, value)
}

// handler serves what is below root as git's own CGI program does.
func (r repository) handler(t testing.TB) http.Handler {
	t.Helper()
	return &cgi.Handler{
		Path: filepath.Join(git(t, "", "", "--exec-path"), "git-http-backend"),
		Env:  append(gitEnv(t), "GIT_PROJECT_ROOT="+r.root, "GIT_HTTP_EXPORT_ALL=1"),

		Stderr: io.Discard, Logger: log.New(io.Discard, "", 0),
	}
}

// serve serves h with TLS and gives the address of the repository there, and options that trust the server.
func serve(t testing.TB, h http.Handler) (URL, Options) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		t.Fatal(err)
	}
	return address(t, s.URL+"/group/repo.git"), Options{CAFile: ca}
}

func address(t testing.TB, s string) URL {
	t.Helper()
	u, err := Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// tree gives what is below dir: the content of files after their rights, the targets of links.
func tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			found[name] = "dir"
		case info.Mode()&os.ModeSymlink != 0:
			to, err := os.Readlink(path)
			found[name] = "-> " + to
			return err
		default:
			b, err := os.ReadFile(path)
			rights := "-rw"
			if info.Mode()&0o100 != 0 {
				rights = "-rwx"
			}
			found[name] = rights + " " + string(b)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
