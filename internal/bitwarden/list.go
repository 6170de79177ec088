package bitwarden

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// List gives the secrets of a project (id or name; "" is all), without values, in the server's order. A project without
// secrets gives none and no error; an unknown one gives ErrNotFound, a name of two *AmbiguousError.
func (c *Client) List(ctx context.Context, project string) ([]SecretSummary, error) {
	if project == "" {
		_, list, err := c.list(ctx, "list secrets", "/organizations/{org}/secrets")
		return list, err
	}
	if id, err := normalID(project); err == nil {
		_, list, err := c.list(ctx, "list secrets of project "+id, "/projects/"+id+"/secrets")
		return list, err
	}
	projects, list, err := c.list(ctx, "list secrets", "/organizations/{org}/secrets")
	if err != nil {
		return nil, err
	}
	id, err := pick(projects, project)
	if err != nil {
		return nil, err
	}
	if id == "" { // the list names only projects that hold secrets
		if projects, err = c.Projects(ctx); err != nil {
			return nil, err
		}
		if id, err = pick(projects, project); err != nil {
			return nil, err
		}
	}
	if id == "" {
		return nil, fmt.Errorf("find project %q: none of %d has this name: %w", project, len(projects), ErrNotFound)
	}
	return slices.DeleteFunc(list, func(s SecretSummary) bool { return s.ProjectID != id }), nil
}

// pick gives the id of the project with this name, "" when there is none.
func pick(projects []Project, name string) (string, error) {
	var ids []string
	for _, p := range projects {
		if p.Name == strings.TrimSpace(name) {
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
	return "", &AmbiguousError{What: fmt.Sprintf("project %q", name), IDs: ids}
}

func (c *Client) list(ctx context.Context, op, path string) ([]Project, []SecretSummary, error) {
	var w wireList
	s, err := c.call(ctx, op, http.MethodGet, path, nil, &w)
	if err != nil {
		return nil, nil, err
	}
	o := opener{s, op}
	secrets := make([]SecretSummary, 0, len(w.Secrets))
	for i := range w.Secrets {
		sum, err := o.summary(&w.Secrets[i])
		if err != nil {
			return nil, nil, err
		}
		secrets = append(secrets, sum)
	}
	projects := make([]Project, 0, len(w.Projects))
	for _, p := range w.Projects {
		one, err := o.project(&wireProject{ID: p.ID, Name: p.Name, OrganizationID: s.org})
		if err != nil {
			return nil, nil, err
		}
		projects = append(projects, one)
	}
	return projects, secrets, nil
}

// Projects gives the projects this machine account may see, in the server's order.
func (c *Client) Projects(ctx context.Context) ([]Project, error) {
	op := "list projects"
	var w struct{ Data []wireProject }
	s, err := c.call(ctx, op, http.MethodGet, "/organizations/{org}/projects", nil, &w)
	if err != nil {
		return nil, err
	}
	out := make([]Project, 0, len(w.Data))
	for i := range w.Data {
		p, err := opener{s, op}.project(&w.Data[i])
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

func (o opener) project(w *wireProject) (Project, error) {
	id, err := o.id(w.ID, w.OrganizationID)
	if err != nil {
		return Project{}, err
	}
	name, err := o.text("the name", "project "+id, w.Name)
	return Project{ID: id, OrganizationID: o.s.org, Name: name, Created: w.CreationDate, Revised: w.RevisionDate}, err
}
