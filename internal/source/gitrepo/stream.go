package gitrepo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
)

// stream speaks the protocol over one connection, which is closed when the context it was opened with ends.
type stream struct {
	in     io.Writer
	out    *bufio.Reader
	end    func() error
	reason func(context.Context) string // what the server said beside the protocol, once out has ended
	most   int64
	asked  bool
}

func (s *stream) refs(ctx context.Context) (*packp.AdvRefs, error) {
	refs, err := readRefs(s.out, s.most)
	if errors.Is(err, packp.ErrEmptyInput) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		err = serverSays(s.reason(ctx), fmt.Errorf("the server hung up without an answer: %w", io.ErrUnexpectedEOF))
	}
	return refs, err
}

func (s *stream) pack(_ context.Context, request []byte) (io.Reader, error) {
	s.asked = true
	if _, err := s.in.Write(request); err != nil {
		return nil, fmt.Errorf("ask for the files: %w", err)
	}
	return s.out, nil
}

// Close takes leave politely if nothing was asked for: the server would call it an error otherwise.
func (s *stream) Close() error {
	if !s.asked {
		_ = pktline.NewEncoder(s.in).Flush()
	}
	return s.end()
}

// connected closes conn when ctx ends, or when the function it gives is called.
func connected(ctx context.Context, conn net.Conn) (end func() error) {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	return func() error {
		stop()
		return conn.Close()
	}
}

// openGit speaks git's own protocol, which has neither credentials nor encryption.
func openGit(ctx context.Context, u URL) (remote, error) {
	conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", u.address())
	if err != nil {
		return nil, err
	}
	s := &stream{in: conn, out: bufio.NewReader(conn), end: connected(ctx, conn), reason: func(context.Context) string { return "" }}
	s.most = Options{}.limits().refs
	if err := pktline.NewEncoder(conn).EncodeString(fmt.Sprintf("%s %s\x00host=%s\x00", service, u.remotePath(), u.host)); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}
