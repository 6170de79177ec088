package sdk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"plan/internal/bitwarden"
)

// Client reads and writes secrets through the SDK, one call at a time. The SDK knows no contexts: when one ends, a call returns at once and
// what the SDK does goes on behind it, and holds up the next call.
type Client struct {
	sdk          SDK
	organization string
	token        string
	stateFile    *string
	turn         chan struct{} // holds one while the SDK is in use
	loggedIn     bool
}

// New makes a client from an access token. organization is the UUID that List and Create need; stateFile, where the SDK keeps its
// session, may be empty. Nothing is sent yet. The error is bitwarden.ErrAccessToken.
func New(sdk SDK, organization, accessToken, stateFile string) (*Client, error) {
	token := strings.TrimSpace(accessToken)
	if _, err := bitwarden.ParseAccessToken(token); err != nil {
		return nil, err
	}
	c := &Client{sdk: sdk, organization: organization, token: token, turn: make(chan struct{}, 1)}
	if stateFile != "" {
		c.stateFile = &stateFile
	}
	return c, nil
}

// Format hides everything, the token above all, from package fmt.
func (c *Client) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "client of Bitwarden's SDK") }

// ask makes one call, after a login where there was none. hide is what no error may repeat besides the token.
func ask[T any](ctx context.Context, c *Client, op, hide string, call func(Secrets) (T, error)) (T, error) {
	var none T
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return none, fmt.Errorf("%s: %w", op, context.Cause(ctx))
	}
	type answer struct {
		value T
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		defer func() { <-c.turn }()
		err := c.login()
		value := none
		if err == nil {
			value, err = call(c.sdk.Secrets())
		}
		answers <- answer{value, err}
	}()
	select {
	case a := <-answers:
		if a.err != nil {
			return none, c.clean(op, hide, a.err)
		}
		return a.value, nil
	case <-ctx.Done():
		return none, fmt.Errorf("%s: %w", op, context.Cause(ctx))
	}
}

func (c *Client) login() error {
	if c.loggedIn {
		return nil
	}
	err := c.sdk.AccessTokenLogin(c.token, c.stateFile)
	c.loggedIn = err == nil
	return err
}

// Secret reads one secret.
func (c *Client) Secret(ctx context.Context, id string) (bitwarden.Secret, error) {
	s, err := ask(ctx, c, "read secret "+id, "", func(s Secrets) (*Secret, error) { return s.Get(id) })
	return opened(s), err
}

// SecretsByID reads several with one request. Either all come, or the error names each id that is not found: the SDK's does not.
func (c *Client) SecretsByID(ctx context.Context, ids []string) (map[string]bitwarden.Secret, error) {
	list, err := ask(ctx, c, fmt.Sprintf("read %d secrets", len(ids)), "", func(s Secrets) ([]Secret, error) { return s.GetByIDS(ids) })
	if err != nil && !errors.Is(err, bitwarden.ErrNotFound) {
		return nil, err
	}
	out := make(map[string]bitwarden.Secret, len(ids))
	for i := range list {
		out[list[i].ID] = opened(&list[i])
	}
	var missing []error
	for _, id := range ids {
		if _, ok := out[id]; ok {
			continue
		}
		if out[id], err = c.Secret(ctx, id); err != nil {
			missing = append(missing, err)
		}
	}
	if err := errors.Join(missing...); err != nil {
		return nil, err
	}
	return out, nil
}

// List gives the secrets of a project, given by id, or of all with "". The SDK does not list by project, so that all are read then.
func (c *Client) List(ctx context.Context, project string) ([]bitwarden.SecretSummary, error) {
	list, err := ask(ctx, c, "list secrets", "", func(s Secrets) ([]Identifier, error) { return s.List(c.organization) })
	if err != nil || len(list) == 0 {
		return nil, err
	}
	summaries, ids := make([]bitwarden.SecretSummary, len(list)), make([]string, len(list))
	for i, s := range list {
		summaries[i], ids[i] = bitwarden.SecretSummary{ID: s.ID, OrganizationID: s.OrganizationID, Key: s.Key}, s.ID
	}
	if project == "" {
		return summaries, nil
	}
	secrets, err := c.SecretsByID(ctx, ids)
	var chosen []bitwarden.SecretSummary
	for _, s := range summaries {
		if secrets[s.ID].ProjectID == project {
			s.ProjectID, s.Created, s.Revised = project, secrets[s.ID].Created, secrets[s.ID].Revised
			chosen = append(chosen, s)
		}
	}
	return chosen, err
}

// Create makes a secret from Key, Value, Note and ProjectID.
func (c *Client) Create(ctx context.Context, s bitwarden.Secret) (bitwarden.Secret, error) {
	made, err := ask(ctx, c, fmt.Sprintf("create secret %q in project %s", s.Key, s.ProjectID), s.Value, func(in Secrets) (*Secret, error) {
		return in.Create(s.Key, s.Value, s.Note, c.organization, []string{s.ProjectID})
	})
	return opened(made), err
}

// Update gives the secret with s.ID the key, value and note of s, and its project if s has one. It reads the secret first: Bitwarden takes a
// project that is not sent for one to be taken away.
func (c *Client) Update(ctx context.Context, s bitwarden.Secret) (bitwarden.Secret, error) {
	old, err := c.Secret(ctx, s.ID)
	if err != nil {
		return bitwarden.Secret{}, err
	}
	if s.ProjectID == "" {
		s.ProjectID = old.ProjectID
	}
	made, err := ask(ctx, c, "update secret "+s.ID, s.Value, func(in Secrets) (*Secret, error) {
		return in.Update(s.ID, s.Key, s.Value, s.Note, old.OrganizationID, []string{s.ProjectID})
	})
	return opened(made), err
}

func opened(s *Secret) bitwarden.Secret {
	if s == nil {
		return bitwarden.Secret{}
	}
	out := bitwarden.Secret{
		ID: s.ID, OrganizationID: s.OrganizationID, Key: s.Key, Value: s.Value, Note: s.Note, Created: s.CreationDate, Revised: s.RevisionDate,
	}
	if s.ProjectID != nil {
		out.ProjectID = *s.ProjectID
	}
	return out
}
