package gitrepo

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/net/proxy"
)

// openSSH runs git-upload-pack on the server. The user is git where the address names none.
func (o Options) openSSH(ctx context.Context, u URL) (remote, error) {
	ctx, cancel := context.WithCancel(ctx)
	s, err := o.dialSSH(ctx, u)
	if err != nil {
		cancel()
		return nil, err
	}
	end := s.end
	s.end = func() error {
		defer cancel() // the agent's connection goes as well
		return end()
	}
	return s, nil
}

func (o Options) dialSSH(ctx context.Context, u URL) (*stream, error) {
	config, err := o.sshConfig(ctx, u)
	if err != nil {
		return nil, err
	}
	patience, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	conn, err := proxy.Dial(patience, "tcp", u.address())
	if err != nil {
		return nil, err
	}
	end := connected(ctx, conn)
	c, channels, requests, err := ssh.NewClientConn(conn, u.address(), config)
	if err != nil {
		_ = end()
		return nil, o.handshake(err)
	}
	s, err := upload(ssh.NewClient(c, channels, requests), u)
	if err != nil {
		_ = end()
		return nil, err
	}
	s.end, s.most = end, o.limits().refs
	return s, nil
}

func (o Options) sshConfig(ctx context.Context, u URL) (*ssh.ClientConfig, error) {
	check, algorithms, err := o.hostKeys(u)
	if err != nil {
		return nil, err
	}
	config := &ssh.ClientConfig{User: cmp.Or(u.user, "git"), HostKeyCallback: check, HostKeyAlgorithms: algorithms}
	if o.SSHKey == "" {
		if socket := os.Getenv("SSH_AUTH_SOCK"); socket != "" {
			config.Auth = []ssh.AuthMethod{ssh.PublicKeysCallback(func() ([]ssh.Signer, error) { return agentKeys(ctx, socket) })}
		}
		return config, nil
	}
	signer, err := o.signer()
	if err != nil {
		return nil, about(invalid, err)
	}
	config.Auth = []ssh.AuthMethod{ssh.PublicKeys(signer)}
	return config, nil
}

// agentKeys are the keys that an agent offers. The connection stays open until ctx ends, since the agent has to sign as well.
func agentKeys(ctx context.Context, socket string) ([]ssh.Signer, error) {
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, aboutf(denied, "ask the agent at SSH_AUTH_SOCK for keys: %w", err)
	}
	context.AfterFunc(ctx, func() { _ = conn.Close() })
	keys, err := agent.NewClient(conn).Signers()
	if err != nil {
		return nil, aboutf(denied, "ask the agent at SSH_AUTH_SOCK for keys: %w", err)
	}
	return keys, nil
}

// handshake says what to do about a server that does not let us in.
func (o Options) handshake(err error) error {
	if k, ok := errors.AsType[*known](err); ok { // about the server's key or the agent
		return k
	}
	switch {
	case errors.As(err, new(*ssh.AlgorithmNegotiationError)):
		return aboutf(untrusted, "the server has no key of a type that is known of it, or speaks nothing that is safe today: %w", err)
	case !strings.Contains(err.Error(), "unable to authenticate"):
		return err
	case o.SSHKey != "":
		return aboutf(denied, "the server refuses the sshKey: add its public half to the repository's or the user's keys there")
	case os.Getenv("SSH_AUTH_SOCK") != "":
		return aboutf(denied, "the server refuses the keys of the agent at SSH_AUTH_SOCK: add one there, or give an sshKey")
	}
	return aboutf(denied, "the server wants a key: give an sshKey, or start an agent (SSH_AUTH_SOCK)")
}

// upload starts git-upload-pack in a session.
func upload(client *ssh.Client, u URL) (*stream, error) {
	session, err := client.NewSession()
	if err != nil {
		return nil, fmt.Errorf("open a session: %w", err)
	}
	in, err := session.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := session.StdoutPipe()
	if err != nil {
		return nil, err
	}
	stderr := &head{}
	session.Stderr = stderr
	if err := session.Start(service + " " + quoted(u.remotePath())); err != nil {
		return nil, aboutf(denied, "the server does not run %s: %w", service, err)
	}
	reason := func(ctx context.Context) string {
		over := make(chan struct{})
		go func() {
			_ = session.Wait()
			close(over)
		}()
		select {
		case <-over:
		case <-ctx.Done():
		case <-time.After(5 * time.Second): // it closed its output and nothing else
		}
		return stderr.String()
	}
	return &stream{in: in, out: bufio.NewReader(out), reason: reason}, nil
}

// quoted is s as one word for the shell that an SSH server may give the command to.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// head keeps the first bytes of what is written to it.
type head struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (h *head) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	const most = 4 << 10
	h.b.Write(p[:min(len(p), max(0, most-h.b.Len()))])
	return len(p), nil
}

func (h *head) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.b.String()
}
