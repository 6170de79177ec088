package registry

import (
	"context"
	"io"
	"net/http"
	"sync"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// MayPush finds out whether a repository can be pushed to: it begins an upload and takes that back. Nothing is sent.
func MayPush(ctx context.Context, push string, o Options) error {
	to, err := ParseRepository(push)
	if err == nil {
		err = o.check()
	}
	if err != nil {
		return err
	}
	s, err := o.open(to.Registry(), true)
	if err != nil {
		return err
	}
	defer s.close()
	repo, err := name.NewRepository(to.String(), s.names...)
	if err != nil {
		return refuse("repository", push, err)
	}
	began, takenBack := false, make(chan struct{})
	done := sync.OnceFunc(func() { close(takenBack) })
	// The library neither ends with ctx nor waits for the end of what it has begun.
	err = remote.CheckPushPermission(repo.Tag("latest"), login(func(r authn.Resource) (authn.Authenticator, error) { return s.keys.ResolveContext(ctx, r) }),
		exchange(func(r *http.Request) (*http.Response, error) {
			resp, err := s.http.RoundTrip(r.WithContext(ctx))
			switch {
			case r.Method == http.MethodDelete:
				if err == nil {
					_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<10))
					resp.Body.Close()
					resp.Body = http.NoBody
				}
				done()
			case err == nil && resp.StatusCode == http.StatusAccepted:
				began = true
			}
			return resp, err
		}))
	if err != nil {
		return s.fail(ctx, opPush, to.String(), err)
	}
	if began {
		select {
		case <-takenBack:
		case <-ctx.Done():
		}
	}
	return nil
}

// login is a keychain of one function.
type login func(authn.Resource) (authn.Authenticator, error)

// Resolve implements authn.Keychain.
func (l login) Resolve(r authn.Resource) (authn.Authenticator, error) { return l(r) }

// exchange is a transport of one function.
type exchange func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (e exchange) RoundTrip(r *http.Request) (*http.Response, error) { return e(r) }
