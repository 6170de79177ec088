package registry

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/google/go-containerregistry/pkg/authn"
)

// keychain ends with its context, which helpers of docker do not, and remembers whether it had a login to give.
type keychain struct {
	inner authn.Keychain
	had   atomic.Bool
}

// Resolve implements authn.Keychain.
func (k *keychain) Resolve(r authn.Resource) (authn.Authenticator, error) {
	return k.ResolveContext(context.Background(), r)
}

// ResolveContext implements authn.ContextKeychain.
func (k *keychain) ResolveContext(ctx context.Context, r authn.Resource) (authn.Authenticator, error) {
	type answer struct {
		login authn.Authenticator
		err   error
	}
	got := make(chan answer, 1)
	go func() {
		login, err := authn.Resolve(ctx, k.inner, r)
		got <- answer{login, err}
	}()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case a := <-got:
		if a.err != nil {
			return nil, fmt.Errorf("read the login for %s from the docker configuration: %w", hostOr(r.RegistryStr()), a.err)
		}
		k.had.Store(k.had.Load() || a.login != authn.Anonymous)
		return a.login, nil
	}
}

// fixed is a keychain of one key.
type fixed struct{ login authn.Authenticator }

// Resolve implements authn.Keychain.
func (f fixed) Resolve(authn.Resource) (authn.Authenticator, error) { return f.login, nil }
