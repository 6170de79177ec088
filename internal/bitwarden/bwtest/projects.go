package bwtest

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

func newID() string { return uuid.NewString() }

func (s *Server) projectBody(a *account, p *project) map[string]any {
	return map[string]any{
		"id": p.id, "organizationId": s.org, "name": p.name, "creationDate": p.created.Format(dateForm),
		"revisionDate": p.revised.Format(dateForm), "read": true, "write": a.writes(p.id), "object": "project",
	}
}

func (s *Server) listProjects(a *account, _ *http.Request) (int, any) {
	data := []any{}
	for _, id := range slices.Sorted(maps.Keys(s.projects)) {
		if a.reads(id) {
			data = append(data, s.projectBody(a, s.projects[id]))
		}
	}
	return http.StatusOK, listOf(data)
}

func (s *Server) getProject(a *account, r *http.Request) (int, any) {
	p, ok := s.projects[strings.ToLower(r.PathValue("id"))]
	if !ok || !a.reads(p.id) {
		return notFound()
	}
	return http.StatusOK, s.projectBody(a, p)
}

func readName(r *http.Request) (name string, status int, body any) {
	var in struct{ Name string }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		status, body = invalid("", "The body is not valid.")
		return "", status, body
	}
	status, body = checkField("Name", in.Name, 1000)
	return in.Name, status, body
}

func (s *Server) createProject(a *account, r *http.Request) (int, any) {
	name, status, body := readName(r)
	if status != 0 {
		return status, body
	}
	now := time.Now().UTC()
	p := &project{id: newID(), name: name, created: now, revised: now}
	s.projects[p.id] = p
	if a.grants != nil {
		a.grants[p.id] = true
	}
	return http.StatusOK, s.projectBody(a, p)
}

func (s *Server) updateProject(a *account, r *http.Request) (int, any) {
	name, status, body := readName(r)
	if status != 0 {
		return status, body
	}
	p, ok := s.projects[strings.ToLower(r.PathValue("id"))]
	if !ok || !a.writes(p.id) {
		return notFound()
	}
	p.name, p.revised = name, time.Now().UTC()
	return http.StatusOK, s.projectBody(a, p)
}

func (s *Server) deleteProjects(a *account, r *http.Request) (int, any) {
	return deleteAll(r, func(id string) (string, bool) {
		_, ok := s.projects[id]
		return id, ok
	}, a, func(id string) {
		delete(s.projects, id)
		for _, sec := range s.secrets {
			if sec.project == id {
				sec.project = ""
			}
		}
	})
}
