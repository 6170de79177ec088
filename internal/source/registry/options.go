package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

const nobody = 65532 // the user of images that call theirs "nonroot"

// Options say how to reach a registry and as whom. The zero value does for most.
type Options struct {
	// Username and Password are for the one registry that is pushed to, or asked, and no other; both or neither. Without them,
	// and elsewhere, Keychain is asked; nil is authn.DefaultKeychain, which reads docker's configuration and podman's auth.json.
	Username string
	Password string `json:"-"`
	Keychain authn.Keychain

	CAFile    string // PEM; trusted besides the system's roots, by every registry
	Insecure  bool   // of the registry that is pushed to, or asked: accept any certificate, and plain http
	UserAgent string // "" is "plan"

	UID, GID int // who owns the files of Append; 0 is 65532

	Log      func(line string)       // what was done, for a reader; nil is nobody
	Progress func(done, total int64) // bytes being sent; total grows while more is found; one call at a time, none after Append; nil is nobody
}

// String says nothing, because there is a password in it.
func (o Options) String() string { return "registry options" }

// GoString is String.
func (o Options) GoString() string { return o.String() }

func (o Options) log(format string, args ...any) {
	if o.Log != nil {
		o.Log(fmt.Sprintf(format, args...))
	}
}

func (o Options) check() error {
	if (o.Username == "") != (o.Password == "") {
		return errors.New("registry credentials: user name and password go together")
	}
	return nil
}

// session is the conversation with one registry.
type session struct {
	host  string // as the reader knows it
	o     Options
	names []name.Option
	http  *guard
	keys  *keychain
}

// open prepares a conversation; nothing is sent yet. own says that Username, Password and Insecure are meant for this registry.
func (o Options) open(host string, own bool) (*session, error) {
	s := &session{host: host, o: o}
	insecure := own && o.Insecure
	if insecure {
		s.names = append(s.names, name.Insecure)
	}
	rt, err := newGuard(o.CAFile, insecure)
	if err != nil {
		return nil, err
	}
	s.http = rt
	s.http.meter.tell = o.Progress
	s.keys = &keychain{inner: o.Keychain}
	if o.Keychain == nil {
		s.keys.inner = authn.DefaultKeychain
	}
	if own && o.Username != "" {
		s.keys.inner = fixed{authn.FromConfig(authn.AuthConfig{Username: o.Username, Password: o.Password})}
	}
	return s, nil
}

func (s *session) close() { s.http.inner.CloseIdleConnections() }

// options are those of go-containerregistry. Its waits between two tries do not end with ctx, so they are kept short.
func (s *session) options(ctx context.Context) []remote.Option {
	return []remote.Option{
		remote.WithContext(ctx), remote.WithTransport(s.http), remote.WithAuthFromKeychain(s.keys),
		remote.WithUserAgent(cmp.Or(s.o.UserAgent, "plan")),
		remote.WithRetryBackoff(remote.Backoff{Duration: 200 * time.Millisecond, Factor: 3, Jitter: 0.1, Steps: 3}),
		remote.WithRetryPredicate(func(err error) bool { return ctx.Err() == nil && passes(err) }),
	}
}

// passes says, as go-containerregistry does, that the next try may succeed.
func passes(err error) bool {
	for _, cut := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.EPIPE, syscall.ECONNRESET, net.ErrClosed} {
		if errors.Is(err, cut) {
			return true
		}
	}
	t, ok := err.(interface{ Temporary() bool })
	return ok && t.Temporary()
}
