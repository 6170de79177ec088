package gitrepo

import (
	"crypto/ed25519"
	"io"
	"net"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// sshServer runs what its clients ask for with a shell, as sshd does.
type sshServer struct {
	addr   string
	key    ssh.Signer
	mu     sync.Mutex
	ran    []string
	users  []string
	answer func(ch ssh.Channel, command string) uint32 // the exit status
}

// newSSHServer takes clients with one of keys; without any it takes everybody.
func newSSHServer(t *testing.T, r repository, keys ...ssh.PublicKey) *sshServer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &sshServer{}
	if s.key, err = ssh.NewSignerFromKey(private); err != nil {
		t.Fatal(err)
	}
	env := gitEnv(t)
	s.answer = func(ch ssh.Channel, command string) uint32 {
		cmd := exec.Command("/bin/sh", "-c", command)
		cmd.Dir, cmd.Env = r.root, env
		cmd.Stdout, cmd.Stderr = ch, ch.Stderr()
		if err := runWith(cmd, ch); err != nil {
			return 128
		}
		return 0
	}
	config := &ssh.ServerConfig{NoClientAuth: len(keys) == 0}
	config.PublicKeyCallback = func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		for _, k := range keys {
			if string(k.Marshal()) == string(key.Marshal()) {
				return nil, nil
			}
		}
		return nil, io.EOF
	}
	config.AddHostKey(s.key)
	s.listen(t, config)
	return s
}

// runWith runs cmd with the input of a client, which nobody waits for once the command has ended.
func runWith(cmd *exec.Cmd, client io.Reader) error {
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(in, client)
		_ = in.Close()
	}()
	return cmd.Run()
}

func (s *sshServer) listen(t *testing.T, config *ssh.ServerConfig) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	var connections sync.WaitGroup
	connections.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			connections.Go(func() { s.talk(conn, config) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		connections.Wait()
	})
}

func (s *sshServer) talk(conn net.Conn, config *ssh.ServerConfig) {
	defer conn.Close()
	c, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	s.mu.Lock()
	s.users = append(s.users, c.User())
	s.mu.Unlock()
	go ssh.DiscardRequests(requests)
	for n := range channels {
		ch, requests, err := n.Accept()
		if err != nil {
			return
		}
		for r := range requests {
			if r.Type != "exec" {
				_ = r.Reply(false, nil)
				continue
			}
			var command struct{ Text string }
			_ = ssh.Unmarshal(r.Payload, &command)
			_ = r.Reply(true, nil)
			s.mu.Lock()
			s.ran = append(s.ran, command.Text)
			s.mu.Unlock()
			status := s.answer(ch, command.Text)
			_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{status}))
			_ = ch.Close()
		}
	}
}

// known is the server's line of a known_hosts file.
func (s *sshServer) known() string { return knownhosts.Line([]string{s.addr}, s.key.PublicKey()) }

func (s *sshServer) url(t *testing.T, user, path string) URL {
	t.Helper()
	return address(t, "ssh://"+strings.TrimPrefix(user+"@", "@")+s.addr+path)
}
