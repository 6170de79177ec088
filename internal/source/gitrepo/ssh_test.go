package gitrepo

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"plan/internal/errclass"
)

func TestARepositoryIsFetchedBySSH(t *testing.T) {
	t.Setenv("SSH_AUTH_SOCK", "")
	r := newRepository(t)
	private, public := newKey(t, "")
	locked, publicToo := newKey(t, "geheim")
	s := newSSHServer(t, r, public, publicToo)
	for name, tc := range map[string]struct {
		u    URL
		ref  string
		o    Options
		want map[string]string
	}{
		"branch":        {s.url(t, "", r.dir), "main", Options{SSHKey: private}, r.want()},
		"annotated tag": {s.url(t, "me", r.dir), "v1.0", Options{SSHKey: private}, map[string]string{"README.md": "-rw first\n"}},
		"encrypted key": {s.url(t, "git", r.dir), r.second, Options{SSHKey: locked, Passphrase: "geheim"}, r.want()},
	} {
		t.Run(name, func(t *testing.T) {
			tc.o.KnownHosts = s.known()
			files, err := fetched(t, tc.u, tc.ref, tc.o)
			if diff := cmp.Diff(tc.want, files); err != nil || diff != "" {
				t.Errorf("%v, -want +got:\n%s", err, diff)
			}
		})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if diff := cmp.Diff(map[string]bool{"git": true, "me": true}, set(s.users)); diff != "" {
		t.Errorf("users, -want +got:\n%s", diff)
	}
}

func set(names []string) map[string]bool {
	m := map[string]bool{}
	for _, n := range names {
		m[n] = true
	}
	return m
}

// What a server's shell gets is one word after the command, whatever is in the path.
func TestAPathIsOneWordForTheServersShell(t *testing.T) {
	r := newRepository(t)
	s := newSSHServer(t, r)
	if err := os.Symlink(r.dir, filepath.Join(r.root, "a b")); err != nil {
		t.Fatal(err)
	}
	u := s.url(t, "git", r.root+"/a%20b")
	if _, err := Resolve(t.Context(), u, "main", Options{KnownHosts: s.known()}); err != nil {
		t.Error(err)
	}
	u.path = r.root + "/x';touch '" + r.root + "/evil" // Parse would refuse it
	_, _ = Resolve(t.Context(), u, "main", Options{KnownHosts: s.known()})
	u.path = "/$(touch " + r.root + "/evil)`touch " + r.root + "/evil`"
	_, _ = Resolve(t.Context(), u, "main", Options{KnownHosts: s.known()})
	if _, err := os.Stat(r.root + "/evil"); err == nil {
		t.Errorf("the server ran it: %q", s.ran)
	}
	scp := URL{scheme: "ssh", user: "git", host: "h", path: "~/x", scp: true}
	if scp.remotePath() != "~/x" || s.url(t, "git", "/~me/x").remotePath() != "~me/x" {
		t.Error("a path below a home is not sent as one")
	}
}

func TestHostKeys(t *testing.T) {
	t.Setenv("SSH_AUTH_SOCK", "")
	t.Setenv("HOME", t.TempDir())
	r := newRepository(t)
	s, other := newSSHServer(t, r), newSSHServer(t, r)
	changed := strings.Replace(other.known(), other.addr[strings.LastIndex(other.addr, ":"):], s.addr[strings.LastIndex(s.addr, ":"):], 1)
	host, port, _ := net.SplitHostPort(s.addr)
	fields := strings.Fields(s.known())
	for name, tc := range map[string]struct{ known, want string }{
		"known":              {s.known(), ""},
		"known among others": {"# a comment\n\n" + other.known() + "\n" + s.known() + "\n", ""},
		"by a pattern":       {"[" + host[:5] + "*]:" + port + " " + fields[1] + " " + fields[2], ""},
		"unknown":            {other.known(), "is not known. It shows SHA256:"},
		"no lines":           {"", "have this line in knownHosts (or in ~/.ssh/known_hosts): " + s.known()},
		"changed":            {changed, "has changed: SHA256:"},
		"revoked":            {"@revoked " + s.known(), "revoked"},
		"rubbish":            {"rubbish", "knownHosts: line:1"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Resolve(t.Context(), s.url(t, "git", r.dir), "main", Options{KnownHosts: tc.known})
			if tc.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), os.TempDir()+"/plan-") {
				t.Errorf("error %v does not say %q", err, tc.want)
			}
			if got := errclass.Classify(err); got.Class != errclass.Final {
				t.Errorf("%v is %+v", err, got)
			}
		})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ran) != 3 {
		t.Errorf("the server was asked to run %q", s.ran)
	}
}

func TestTheUsersKnownHostsHoldWhereNoneAreNamed(t *testing.T) {
	r := newRepository(t)
	s := newSSHServer(t, r)
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("SSH_AUTH_SOCK", "")
	if err := os.Mkdir(home+"/.ssh", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(home+"/.ssh/known_hosts", []byte(s.known()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Resolve(t.Context(), s.url(t, "git", r.dir), "main", Options{}); err != nil {
		t.Error(err)
	}
}

func TestKeysOfTheAgent(t *testing.T) {
	r := newRepository(t)
	private, public := newKey(t, "")
	s := newSSHServer(t, r, public)
	u, known := s.url(t, "git", r.dir), s.known()
	wrong, _ := newKey(t, "")
	for name, tc := range map[string]struct {
		agent []string // keys; nil: there is none
		key   string
		want  string
	}{
		"the agent's key":          {agent: []string{private}},
		"no agent, key":            {key: private},
		"the key comes first":      {agent: []string{private}, key: wrong, want: "refuses the sshKey"},
		"neither":                  {want: "give an sshKey, or start an agent"},
		"a wrong key":              {key: wrong, want: "refuses the sshKey"},
		"an agent without the key": {agent: []string{wrong}, want: "refuses the keys of the agent"},
		"an agent that is gone":    {agent: []string{}, want: "agent at SSH_AUTH_SOCK"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("SSH_AUTH_SOCK", startAgent(t, tc.agent))
			_, err := fetched(t, u, "main", Options{KnownHosts: known, SSHKey: tc.key})
			switch {
			case tc.want == "" && err != nil:
				t.Error(err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("error %v does not say %q", err, tc.want)
			case tc.want != "" && errclass.Classify(err).Kind != errclass.Denied:
				t.Errorf("%v is %+v", err, errclass.Classify(err))
			}
		})
	}
}

// startAgent gives the socket of an agent with keys: nil is no agent, none is one that does not answer.
func startAgent(t *testing.T, keys []string) string {
	t.Helper()
	if keys == nil {
		return ""
	}
	dir, err := os.MkdirTemp("", "a") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := dir + "/s"
	if len(keys) == 0 {
		return socket
	}
	ring := agent.NewKeyring()
	for _, k := range keys {
		raw, err := ssh.ParseRawPrivateKey([]byte(k))
		if err != nil {
			t.Fatal(err)
		}
		if err := ring.Add(agent.AddedKey{PrivateKey: raw}); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _ = agent.ServeAgent(ring, c) }()
		}
	}()
	return socket
}

func TestWhatAnSSHServerSaysIsToldApart(t *testing.T) {
	r := newRepository(t)
	for name, tc := range map[string]struct {
		stderr, want string
		kind         errclass.Kind
		class        errclass.Class
	}{
		"not found": {"ERROR: Repository not found.\nfatal: Could not read from remote repository.\n",
			"not there, or these credentials may not read it; the server says: ERROR: Repository not found.; fatal", errclass.NotFound, errclass.Final},
		"denied":    {"remote: Access denied\x1b[2J\n", `the server refuses; it says: remote: Access denied\x1b[2J`, errclass.Denied, errclass.Final},
		"something": {"the moon is full\n", "the server says: the moon is full", errclass.Other, errclass.Failure},
		"a novel":   {strings.Repeat("la ", 5000), "la la la", errclass.Other, errclass.Failure},
		"nothing":   {"", "hung up without an answer", errclass.Unreachable, errclass.Transient},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSSHServer(t, r)
			s.answer = func(ch ssh.Channel, _ string) uint32 {
				fmt.Fprint(ch.Stderr(), tc.stderr)
				return 1
			}
			_, err := Resolve(t.Context(), s.url(t, "git", r.dir), "main", Options{KnownHosts: s.known()})
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.ContainsAny(err.Error(), "\x1b\n") || len(err.Error()) > 800 {
				t.Errorf("error %v does not say %q", err, tc.want)
			}
			if got := errclass.Classify(err); got.Kind != tc.kind || got.Class != tc.class {
				t.Errorf("%v is %+v", err, got)
			}
		})
	}
	s := newSSHServer(t, r)
	_, err := Resolve(t.Context(), s.url(t, "git", "/nowhere"), "main", Options{KnownHosts: s.known()})
	if got := errclass.Classify(err); got.Kind != errclass.NotFound {
		t.Errorf("git's own words: %v is %+v", err, got)
	}
}

func TestAHangingSSHServerEndsWithTheContext(t *testing.T) {
	r := newRepository(t)
	ctx, cancel := context.WithCancel(t.Context())
	s := newSSHServer(t, r)
	s.answer = func(ch ssh.Channel, _ string) uint32 {
		cancel()
		_, _ = ch.Read(make([]byte, 1)) // until the client goes
		return 0
	}
	_, err := Resolve(ctx, s.url(t, "git", r.dir), "main", Options{KnownHosts: s.known()})
	if err == nil || !strings.Contains(err.Error(), context.Canceled.Error()) {
		t.Errorf("%v", err)
	}

	l, err := net.Listen("tcp", "127.0.0.1:0") // and one that does not even shake hands
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	go func() {
		if c, err := l.Accept(); err == nil {
			defer c.Close()
			_, _ = c.Read(make([]byte, 1))
			cancel()
			<-t.Context().Done()
		}
	}()
	for _, u := range []string{"ssh://", "git://", "https://"} {
		_, err = Fetch(ctx, address(t, u+l.Addr().String()+"/a"), r.first, t.TempDir(), Options{})
		if err == nil || !strings.Contains(err.Error(), context.Canceled.Error()) {
			t.Errorf("%s: %v", u, err)
		}
	}
}
