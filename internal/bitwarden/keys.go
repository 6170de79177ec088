package bitwarden

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ProjectKey names a secret by its key. Project is the id or name of its project, "" is any.
type ProjectKey struct{ Project, Key string }

// String is `secret "key" in project "name"`.
func (k ProjectKey) String() string {
	what := fmt.Sprintf("secret %q", k.Key)
	if k.Project != "" {
		what += fmt.Sprintf(" in project %q", k.Project)
	}
	return what
}

// KeyError says why a key does not name a secret: ErrNotFound, or *AmbiguousError when two secrets have the key or two projects the name.
type KeyError struct {
	ProjectKey
	Err error
}

// Error is that of the cause, which names key or project.
func (e *KeyError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *KeyError) Unwrap() error { return e.Err }

// IDs finds the ids of secrets by their keys, however many, with one list: that of the project if all are in one that is given by id, else of all
// projects. A second request follows when a project is not in that list. Either all are found, or the error joins a *KeyError for each that
// is not; an error without one concerns them all.
func (c *Client) IDs(ctx context.Context, keys []ProjectKey) (map[ProjectKey]string, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	var projects []string
	for _, k := range keys {
		if !slices.Contains(projects, k.Project) {
			projects = append(projects, k.Project)
		}
	}
	inv, err := c.inventory(ctx, projects...)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	ids := make(map[ProjectKey]string, len(keys))
	var problems []error
	for _, k := range keys {
		id, problem := "", err
		if problem == nil {
			id, problem = inv.find(k)
		}
		if problem != nil {
			problems = append(problems, &KeyError{k, problem})
		}
		ids[k] = id
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return ids, nil
}

// List gives the secrets of a project (id or name; "" is all), without values, in the server's order. A project without
// secrets gives none and no error; an unknown one gives ErrNotFound, a name of two *AmbiguousError.
func (c *Client) List(ctx context.Context, project string) ([]SecretSummary, error) {
	inv, err := c.inventory(ctx, project)
	if err != nil {
		return nil, err
	}
	return inv.of(project)
}

// inventory is what lists tell of some projects.
type inventory struct {
	whole   bool            // secrets are those of the one project that was asked for
	secrets []SecretSummary // in the server's order
	listed  []Project       // those that hold secrets
	all     []Project       // asked for only if one was not among listed
}

// inventory lists what projects hold, which are ids, names or "" for any.
func (c *Client) inventory(ctx context.Context, projects ...string) (*inventory, error) {
	if id, err := normalID(projects[0]); err == nil && len(projects) == 1 {
		_, secrets, err := c.list(ctx, "list secrets of project "+id, "/projects/"+id+"/secrets")
		return &inventory{whole: true, secrets: secrets}, err
	}
	listed, secrets, err := c.list(ctx, "list secrets", "/organizations/{org}/secrets")
	if err != nil {
		return nil, err
	}
	inv := &inventory{secrets: secrets, listed: listed}
	if slices.ContainsFunc(projects, func(p string) bool { return p != "" && !slices.ContainsFunc(listed, called(p)) }) {
		inv.all, err = c.Projects(ctx)
	}
	return inv, err
}

// find gives the id of the one secret with this key.
func (inv *inventory) find(k ProjectKey) (string, error) {
	secrets, err := inv.of(k.Project)
	if err != nil {
		return "", err
	}
	var ids []string
	for _, s := range secrets {
		if s.Key == k.Key {
			ids = append(ids, s.ID)
		}
	}
	switch len(ids) {
	case 0:
		return "", fmt.Errorf("read %s: no key of this name among %d secrets: %w", k, len(secrets), ErrNotFound)
	case 1:
		return ids[0], nil
	}
	slices.Sort(ids)
	return "", &AmbiguousError{What: k.String(), IDs: ids}
}

// of gives the secrets of one of the projects that were asked for.
func (inv *inventory) of(project string) ([]SecretSummary, error) {
	if inv.whole || project == "" {
		return inv.secrets, nil
	}
	id, err := pick(inv.listed, project)
	if id == "" && err == nil {
		id, err = pick(inv.all, project)
	}
	if err != nil {
		return nil, err
	}
	if id == "" {
		return nil, fmt.Errorf("find project %q: none of %d has this name or id: %w", project, len(inv.all), ErrNotFound)
	}
	var out []SecretSummary
	for _, s := range inv.secrets {
		if s.ProjectID == id {
			out = append(out, s)
		}
	}
	return out, nil
}

// called tells the projects that have this id or name.
func called(project string) func(Project) bool {
	id, err := normalID(project)
	name := strings.TrimSpace(project)
	return func(p Project) bool { return err == nil && p.ID == id || err != nil && p.Name == name }
}

// pick gives the id of the project with this id or name, "" when there is none.
func pick(projects []Project, project string) (string, error) {
	var ids []string
	for _, p := range projects {
		if called(project)(p) {
			ids = append(ids, p.ID)
		}
	}
	switch len(ids) {
	case 0:
		return "", nil
	case 1:
		return ids[0], nil
	}
	slices.Sort(ids)
	return "", &AmbiguousError{What: fmt.Sprintf("project %q", project), IDs: ids}
}
