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

// readBitwarden reads sources that are all in Bitwarden. The access token was read.
func (r *Resolver) readBitwarden(ctx context.Context, sources []Source) []*Error {
	if problem := r.login(ctx); problem != nil {
		return []*Error{problem}
	}
	var ids []string
	var byKey []Source
	for _, s := range sources {
		if s.Bitwarden.ID != "" {
			ids = append(ids, s.Bitwarden.ID)
		} else {
			byKey = append(byKey, s)
		}
	}
	problems := r.readIDs(ctx, ids)
	for _, s := range byKey {
		secret, err := r.client.SecretByKey(ctx, s.Bitwarden.Project, s.Bitwarden.Key)
		problems = appendProblem(problems, r.keepSecret(s, secret, err))
	}
	return problems
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
func (r *Resolver) readIDs(ctx context.Context, ids []string) []*Error {
	if len(ids) == 0 {
		return nil
	}
	found, err := r.client.SecretsByID(ctx, ids)
	var problems []*Error
	for _, id := range ids {
		source := Source{Bitwarden: Bitwarden{ID: id}}
		switch secret, ok := found[id]; {
		case ok:
			problems = appendProblem(problems, r.keepSecret(source, secret, nil))
		case err == nil:
			problems = appendProblem(problems, r.keepSecret(source, secret, bitwarden.ErrNotFound))
		default:
			if cause := about(id, err); cause != nil {
				problems = append(problems, r.bitwardenError(source, cause))
			}
		}
	}
	if err != nil && len(problems) == 0 {
		return []*Error{r.batchError(ids, err)}
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

// batchError is one error for ids that could not be read for the same cause.
func (r *Resolver) batchError(ids []string, err error) *Error {
	sources := make([]Source, len(ids))
	for i, id := range ids {
		sources[i] = Source{Bitwarden: Bitwarden{ID: id}}
	}
	e := r.bitwardenError(sources[0], err)
	if len(ids) > 1 {
		e.Field, e.Source = joinFields(r.fieldsOf(sources)), fmt.Sprintf("%d secrets of bitwarden", len(ids))
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
