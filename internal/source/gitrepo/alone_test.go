package gitrepo

import (
	"bufio"
	"context"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/google/go-cmp/cmp"
)

// traps puts programs into the way that note that they were run, and settings that would lead elsewhere, and gives the file with the notes.
func traps(t *testing.T) string {
	t.Helper()
	dir, home := t.TempDir(), t.TempDir()
	notes := filepath.Join(dir, "notes")
	for _, name := range []string{"git", "sh", "bash", "ssh", "git-upload-pack", "git-remote-https", "git-credential-x", "touch", "ext"} {
		script := fmt.Sprintf("#!/bin/bash\necho %s \"$@\" >>%s\n", name, notes)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
	t.Setenv("HOME", home)
	t.Setenv("SHELL", dir+"/sh")
	elsewhere := "[url \"https://127.0.0.1:1/\"]\n\tinsteadOf = https://\n\tinsteadOf = ssh://\n[http]\n\tproxy = http://127.0.0.1:1\n\tsslVerify = false\n" +
		"[credential]\n\thelper = x\n[core]\n\tsshCommand = " + dir + "/ssh\n\tfsmonitor = " + dir + "/sh\n[protocol]\n\tallow = always\n"
	for name, content := range map[string]string{".gitconfig": elsewhere, ".netrc": "default login evil password evil\n",
		".ssh/config": "Host *\n\tHostName 127.0.0.1\n\tPort 1\n\tUser evil\n\tProxyCommand " + dir + "/sh\n"} {
		path := filepath.Join(home, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"GIT_SSH_COMMAND", "GIT_SSH", "GIT_ASKPASS", "SSH_ASKPASS", "GIT_PROXY_COMMAND", "GIT_EXEC_PATH", "GIT_EXTERNAL_DIFF"} {
		t.Setenv(name, dir+"/sh")
	}
	t.Setenv("GIT_CONFIG_GLOBAL", home+"/.gitconfig")
	t.Setenv("GIT_CONFIG_COUNT", "1")
	t.Setenv("GIT_CONFIG_KEY_0", "url.https://127.0.0.1:1/.insteadOf")
	t.Setenv("GIT_CONFIG_VALUE_0", "https://")
	t.Setenv("GIT_DIR", "/nowhere")
	t.Setenv("GIT_SSL_NO_VERIFY", "true")
	t.Setenv("SSH_AUTH_SOCK", "")
	return notes
}

// B1: a job runner's git mode was a shell command with a syntax error. There is no shell here, and no other program.
func TestGitSourcesNeedNeitherGitNorAShell(t *testing.T) {
	r := newRepository(t)
	u, o := serve(t, r.handler(t))
	private, public := newKey(t, "")
	s := newSSHServer(t, r, public)
	notes := traps(t)
	for name, tc := range map[string]struct {
		u URL
		o Options
	}{"https": {u, o}, "ssh": {s.url(t, "", r.dir), Options{SSHKey: private, KnownHosts: s.known()}}} {
		files, err := fetched(t, tc.u, "main", tc.o)
		if diff := cmp.Diff(r.want(), files); err != nil || diff != "" {
			t.Errorf("%s: %v, -want +got:\n%s", name, err, diff)
		}
	}
	if _, err := fetched(t, u, "main", Options{}); err == nil {
		t.Error("GIT_SSL_NO_VERIFY was obeyed")
	}
	if ran, err := os.ReadFile(notes); err == nil {
		t.Errorf("programs were run:\n%s", ran)
	}
}

// B2: a git URL was executed by the shell. Here no address and no reference is run, whatever it says.
func TestNoAddressAndNoReferenceIsExecuted(t *testing.T) {
	notes := traps(t)
	marker := filepath.Join(t.TempDir(), "ran")
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // nobody is asked
	for in := range hostile() {
		in = strings.ReplaceAll(in, "/tmp/x", marker)
		if u, err := Parse(in); err == nil {
			t.Errorf("%q is %s", in, u)
		}
	}
	for _, ref := range []string{"$(touch " + marker + ")", "`touch " + marker + "`", "--upload-pack=touch " + marker, "a;touch${IFS}" + marker, "|touch", "$(touch${IFS}" + marker + ")"} {
		_, _ = Resolve(ctx, address(t, "https://127.0.0.1:1/a"), ref, Options{})
	}
	for _, path := range []string{marker, notes} {
		if said, err := os.ReadFile(path); err == nil {
			t.Errorf("something was run: %s", said)
		}
	}
}

// Nothing here can start a process: the package does not import what could.
func TestNoFileImportsWhatStartsProcesses(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			path := strings.Trim(i.Path.Value, `"`)
			if path == "os/exec" || path == "syscall" || strings.HasPrefix(path, "github.com/go-git/go-git/v5/plumbing/transport") || path == "github.com/go-git/go-git/v5" {
				t.Errorf("%s imports %s", name, path)
			}
		}
	}
}

// gitDaemon serves git:// below root as git daemon does, and gives its address.
func gitDaemon(t *testing.T, root string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	env := gitEnv(t)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				in := bufio.NewReader(conn)
				s := pktline.NewScanner(in)
				if !s.Scan() {
					return
				}
				line, _, _ := strings.Cut(string(s.Bytes()), "\x00")
				cmd := exec.Command("git", "upload-pack", "--strict", root+strings.TrimPrefix(line, "git-upload-pack "))
				cmd.Env, cmd.Stdout = env, conn
				_ = runWith(cmd, in)
			}()
		}
	}()
	return l.Addr().String()
}

func TestGitsOwnProtocolBringsAPinnedCommit(t *testing.T) {
	r := newRepository(t)
	u := address(t, "git://"+gitDaemon(t, r.root)+"/group/repo.git")
	files, err := fetched(t, u, r.second, Options{})
	if diff := cmp.Diff(r.want(), files); err != nil || diff != "" {
		t.Errorf("%v, -want +got:\n%s", err, diff)
	}
	u.path = "/group/none.git"
	if _, err := fetched(t, u, r.second, Options{}); err == nil || !strings.Contains(err.Error(), "hung up") {
		t.Errorf("%v", err)
	}
}

// A proxy that the environment names is used, with a CA file as well. The environment is read once per process, so this is another one.
func TestTheProxyOfTheEnvironmentIsUsed(t *testing.T) {
	if name := os.Getenv("GITREPO_TEST_PROXIED"); name != "" {
		_, err := Resolve(t.Context(), address(t, name), "main", Options{CAFile: os.Getenv("GITREPO_TEST_CA"), Insecure: os.Getenv("GITREPO_TEST_CA") == ""})
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	r := newRepository(t)
	u, o := serve(t, r.handler(t))
	asked := make(chan string, 10)
	p := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		asked <- req.Method + " " + req.Host
		to, err := net.Dial("tcp", u.address())
		if err != nil || req.Method != http.MethodConnect {
			http.Error(w, "no", http.StatusBadGateway)
			return
		}
		defer to.Close()
		w.WriteHeader(http.StatusOK)
		from, rest, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer from.Close()
		go func() { _, _ = io.Copy(to, rest) }()
		_, _ = io.Copy(from, to)
	}))
	defer p.Close()
	for _, ca := range []string{o.CAFile, ""} { // the certificate is for example.com
		cmd := exec.Command(os.Args[0], "-test.run=^TestTheProxyOfTheEnvironmentIsUsed$")
		cmd.Env = append(os.Environ(), "GITREPO_TEST_PROXIED=https://example.com"+u.path, "GITREPO_TEST_CA="+ca, "HTTPS_PROXY="+p.URL, "NO_PROXY=")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if got := <-asked; got != "CONNECT example.com:443" {
			t.Errorf("the proxy was asked for %s", got)
		}
	}
}

// However it ends, no connection, no goroutine and no file is left.
func TestNothingIsLeftBehind(t *testing.T) {
	r := newRepository(t)
	u, o := serve(t, r.handler(t))
	s := newSSHServer(t, r)
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	before := runtime.NumGoroutine()
	for range 5 {
		for _, ref := range []string{"main", "none", strings.Repeat("a", 40)} {
			_, _ = fetched(t, u, ref, o)
			_, _ = fetched(t, s.url(t, "git", r.dir), ref, Options{KnownHosts: s.known()})
			_, _ = fetched(t, s.url(t, "git", "/none"), ref, Options{KnownHosts: s.known()})
		}
	}
	const some = 10 // the servers' own, of connections that they have not seen the end of
	for deadline := time.Now().Add(20 * time.Second); runtime.NumGoroutine() > before+some; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, and %d before", runtime.NumGoroutine(), before)
		}
	}
	if left, err := filepath.Glob(filepath.Join(tmp, "plan-*")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
