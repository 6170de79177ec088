package secrets

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"plan/internal/bitwarden"
	"plan/internal/errclass"
)

func (r *Resolver) tokenIsRead() bool {
	_, ok := r.values[*r.o.Bitwarden.AccessToken.From]
	return ok
}

// readBitwarden reads sources that are all in Bitwarden: what they name by key is looked up with one list, then all are read with one
// request. The access token was read.
func (r *Resolver) readBitwarden(ctx context.Context, sources []Source) []*Error {
	if problem := r.login(ctx); problem != nil {
		return []*Error{problem}
	}
	places, problems := r.locate(ctx, sources)
	return append(problems, r.readIDs(ctx, places)...)
}

// place is a source and the id of its secret.
type place struct {
	Source
	id string
}

// locate finds the ids of sources that give project and key.
func (r *Resolver) locate(ctx context.Context, sources []Source) (places []place, problems []*Error) {
	var keys []bitwarden.ProjectKey
	var byKey []Source
	for _, s := range sources {
		if s.Bitwarden.ID != "" {
			places = append(places, place{s, s.Bitwarden.ID})
			continue
		}
		keys, byKey = append(keys, bitwarden.ProjectKey{Project: s.Bitwarden.Project, Key: s.Bitwarden.Key}), append(byKey, s)
	}
	if len(keys) == 0 {
		return places, nil
	}
	ids, err := r.client.IDs(ctx, keys)
	for i, s := range byKey {
		if err == nil {
			places = append(places, place{s, ids[keys[i]]})
		} else if cause := aboutKey(keys[i], err); cause != nil {
			problems = append(problems, r.bitwardenError(s, cause))
		}
	}
	if err != nil && len(problems) == 0 {
		problems = append(problems, r.batchError(byKey, err))
	}
	return places, problems
}

// aboutKey is the part of a joined error that is about k, nil if none is.
func aboutKey(k bitwarden.ProjectKey, err error) error {
	if parts, ok := err.(interface{ Unwrap() []error }); ok {
		for _, part := range parts.Unwrap() {
			if e := (*bitwarden.KeyError)(nil); errors.As(part, &e) && e.ProjectKey == k {
				return e
			}
		}
	}
	return nil
}

// login makes the client when it is first needed, and has it log in. Whatever is wrong concerns the token, not a single secret.
func (r *Resolver) login(ctx context.Context) *Error {
	from := *r.o.Bitwarden.AccessToken.From
	if r.client == nil {
		client, err := r.o.Open(r.o.Bitwarden.Config(r.o.BaseDir), r.values[from])
		if err != nil {
			return &Error{Field: "spec.secrets.bitwarden", Source: from.String(), Kind: Invalid, Err: err,
				Next: "correct the access token, serverURL or caFile"}
		}
		r.client = client
	}
	err := r.client.Login(ctx)
	if err == nil {
		return nil
	}
	e := &Error{Field: TokenField, Source: from.String(), Kind: kindFrom(err), Err: fmt.Errorf("log in to Bitwarden: %w", err)}
	e.Next = cmp.Or(errclass.Classify(err).Hint, "check spec.secrets.bitwarden.serverURL")
	return e
}

// readIDs reads several secrets with one request.
func (r *Resolver) readIDs(ctx context.Context, places []place) []*Error {
	if len(places) == 0 {
		return nil
	}
	ids, sources := make([]string, len(places)), make([]Source, len(places))
	for i, p := range places {
		ids[i], sources[i] = p.id, p.Source
	}
	found, err := r.client.SecretsByID(ctx, ids)
	var problems []*Error
	for _, p := range places {
		switch secret, ok := found[p.id]; {
		case ok:
			problems = appendProblem(problems, r.keepSecret(p.Source, secret, nil))
		case err == nil:
			problems = appendProblem(problems, r.keepSecret(p.Source, secret, bitwarden.ErrNotFound))
		default:
			if cause := about(p.id, err); cause != nil {
				problems = append(problems, r.bitwardenError(p.Source, cause))
			}
		}
	}
	if err != nil && len(problems) == 0 {
		return []*Error{r.batchError(sources, err)}
	}
	return problems
}

// about is the part of a joined error that names id, nil if none does.
func about(id string, err error) error {
	if parts, ok := err.(interface{ Unwrap() []error }); ok {
		for _, part := range parts.Unwrap() {
			if cause := about(id, part); cause != nil {
				return cause
			}
		}
		return nil
	}
	if strings.Contains(err.Error(), id) {
		return err
	}
	return nil
}

// batchError is one error for sources that could not be read for the same cause.
func (r *Resolver) batchError(sources []Source, err error) *Error {
	e := r.bitwardenError(sources[0], err)
	if len(sources) > 1 {
		e.Field, e.Source = joinFields(r.fieldsOf(sources)), fmt.Sprintf("%d secrets of bitwarden", len(sources))
	}
	return e
}

func (r *Resolver) keepSecret(s Source, secret bitwarden.Secret, err error) *Error {
	var value string
	if err == nil {
		value, err = clean(secret.Value)
	}
	if err != nil {
		return r.bitwardenError(s, err)
	}
	r.keep(s, value)
	return nil
}

func (r *Resolver) bitwardenError(s Source, err error) *Error {
	e := &Error{Field: joinFields(r.fields[s]), Source: s.String(), Kind: kindFrom(err), Err: err}
	switch {
	case errors.Is(err, bitwarden.ErrNotFound):
		e.Next = "correct the id or the key, or give the machine account access to it"
	case e.Kind == Unreachable:
		e.Next = "run again when Bitwarden answers"
	default:
		e.Next = errclass.Classify(err).Hint
	}
	return e
}
