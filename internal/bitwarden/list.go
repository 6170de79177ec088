package bitwarden

import (
	"context"
	"net/http"
)

// list gives the secrets in an answer, without values, and the projects that hold them.
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
