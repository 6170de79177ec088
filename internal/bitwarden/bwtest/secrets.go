package bwtest

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"plan/internal/bitwarden"
)

func (a *account) reads(project string) bool {
	_, ok := a.grants[project]
	return a.grants == nil || ok
}

func (a *account) writes(project string) bool { return a.grants == nil || a.grants[project] }

const dateForm = "2006-01-02T15:04:05.0000000Z07:00"

func (s *Server) refs(sec *secret) []any {
	if p, ok := s.projects[sec.project]; ok {
		return []any{map[string]any{"id": p.id, "name": p.name}}
	}
	return []any{}
}

func (s *Server) summary(a *account, sec *secret) map[string]any {
	return map[string]any{
		"id": sec.id, "organizationId": s.org, "key": sec.key, "creationDate": sec.created.Format(dateForm),
		"revisionDate": sec.revised.Format(dateForm), "projects": s.refs(sec), "read": true, "write": a.writes(sec.project),
	}
}

func (s *Server) full(a *account, sec *secret, object string) map[string]any {
	m := s.summary(a, sec)
	m["value"], m["note"], m["object"] = sec.value, sec.note, object
	if object != "secret" {
		delete(m, "read")
		delete(m, "write")
	}
	return m
}

// visible are the secrets an account may read, in a steady order.
func (s *Server) visible(a *account) []*secret {
	all := slices.SortedFunc(maps.Values(s.secrets), func(x, y *secret) int { return cmp.Compare(x.id, y.id) })
	return slices.DeleteFunc(all, func(sec *secret) bool { return !a.reads(sec.project) })
}

func (s *Server) list(a *account, keep func(*secret) bool) (int, any) {
	secrets, seen := []any{}, map[string]any{}
	for _, sec := range s.visible(a) {
		if !keep(sec) {
			continue
		}
		secrets = append(secrets, s.summary(a, sec))
		if p, ok := s.projects[sec.project]; ok {
			seen[p.id] = map[string]any{"id": p.id, "name": p.name}
		}
	}
	return http.StatusOK, map[string]any{
		"secrets": secrets, "projects": slices.Collect(maps.Values(seen)), "object": "SecretsWithProjectsList",
	}
}

func (s *Server) listSecrets(a *account, _ *http.Request) (int, any) {
	return s.list(a, func(*secret) bool { return true })
}

func (s *Server) listProject(a *account, r *http.Request) (int, any) {
	id := strings.ToLower(r.PathValue("id"))
	if _, ok := s.projects[id]; !ok || !a.reads(id) {
		return notFound()
	}
	return s.list(a, func(sec *secret) bool { return sec.project == id })
}

func (s *Server) syncSecrets(a *account, r *http.Request) (int, any) {
	if last := r.URL.Query().Get("lastSyncedDate"); last != "" {
		t, err := time.Parse(time.RFC3339, last)
		switch {
		case err != nil:
			return invalid("lastSyncedDate", "The value is not valid.")
		case t.After(time.Now()):
			return badRequest("Last synced date must be in the past.")
		case t.After(a.revised):
			return http.StatusOK, map[string]any{"hasChanges": false, "secrets": nil, "object": "secretsSync"}
		}
	}
	data := []any{}
	for _, sec := range s.visible(a) {
		data = append(data, s.full(a, sec, "secret"))
	}
	return http.StatusOK, map[string]any{"hasChanges": true, "secrets": listOf(data), "object": "secretsSync"}
}

func listOf(data []any) map[string]any {
	return map[string]any{"data": data, "continuationToken": nil, "object": "list"}
}

func (s *Server) getSecret(a *account, r *http.Request) (int, any) {
	sec, ok := s.secrets[strings.ToLower(r.PathValue("id"))]
	if !ok || !a.reads(sec.project) {
		return notFound()
	}
	return http.StatusOK, s.full(a, sec, "secret")
}

func (s *Server) getByIDs(a *account, r *http.Request) (int, any) {
	var in struct{ IDs []string }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return invalid("ids", "The value is not valid.")
	}
	if len(in.IDs) == 0 {
		return notFound()
	}
	data, seen := []any{}, map[string]bool{}
	for _, id := range in.IDs {
		id = strings.ToLower(id)
		if seen[id] {
			return badRequest("The following GUIDs were duplicated " + id + " ")
		}
		seen[id] = true
		sec, ok := s.secrets[id]
		if !ok || !a.reads(sec.project) {
			return notFound()
		}
		data = append(data, s.full(a, sec, "baseSecret"))
	}
	return http.StatusOK, listOf(data)
}

type secretInput struct {
	Key, Value, Note string
	ProjectIDs       []string
	ValueChanged     bool
}

func readSecret(r *http.Request) (in secretInput, status int, body any) {
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		status, body = invalid("", "The body is not valid.")
		return in, status, body
	}
	for _, f := range []struct {
		name, text string
		limit      int
	}{{"Key", in.Key, 1000}, {"Value", in.Value, 35000}, {"Note", in.Note, 10000}} {
		if status, body = checkField(f.name, f.text, f.limit); status != 0 {
			return in, status, body
		}
	}
	if len(in.ProjectIDs) > 1 {
		status, body = badRequest("Only one project assignment is supported.")
	}
	return in, status, body
}

func checkField(name, text string, limit int) (int, any) {
	switch {
	case bitwarden.CheckEncString(text) != nil:
		return invalid(name, name+" is not a valid encrypted string.")
	case len(text) > limit:
		return invalid(name, "The field "+name+" is too long.")
	}
	return 0, nil
}

func (s *Server) createSecret(a *account, r *http.Request) (int, any) {
	in, status, body := readSecret(r)
	if status != 0 {
		return status, body
	}
	if !s.canPut(a, in.ProjectIDs) {
		return notFound()
	}
	now := time.Now().UTC()
	sec := &secret{id: newID(), created: now}
	s.secrets[sec.id] = sec
	sec.set(in, now)
	a.revised = now
	return http.StatusOK, s.full(a, sec, "secret")
}

func (s *Server) canPut(a *account, projects []string) bool {
	if len(projects) != 1 {
		return false
	}
	id := strings.ToLower(projects[0])
	_, ok := s.projects[id]
	return ok && a.writes(id)
}

func (sec *secret) set(in secretInput, now time.Time) {
	sec.key, sec.value, sec.note, sec.revised = in.Key, in.Value, in.Note, now
	sec.project = strings.ToLower(in.ProjectIDs[0])
}

func (s *Server) updateSecret(a *account, r *http.Request) (int, any) {
	in, status, body := readSecret(r)
	if status != 0 {
		return status, body
	}
	sec, ok := s.secrets[strings.ToLower(r.PathValue("id"))]
	if !ok || !a.writes(sec.project) || !s.canPut(a, in.ProjectIDs) {
		return notFound()
	}
	if in.ValueChanged {
		sec.versions++
	}
	now := time.Now().UTC()
	sec.set(in, now)
	a.revised = now
	return http.StatusOK, s.full(a, sec, "secret")
}

// deleteAll answers a delete of several: unknown ids are 404 for all, forbidden ones an error in their line.
func deleteAll(r *http.Request, project func(id string) (string, bool), a *account, remove func(id string)) (int, any) {
	var ids []string
	if err := json.NewDecoder(r.Body).Decode(&ids); err != nil {
		return invalid("ids", "The value is not valid.")
	}
	for _, id := range ids {
		if p, ok := project(strings.ToLower(id)); !ok || !a.reads(p) {
			return notFound()
		}
	}
	if len(ids) == 0 {
		return notFound()
	}
	data := []any{}
	for _, id := range ids {
		line := map[string]any{"id": id, "error": nil, "object": "BulkDeleteResponseModel"}
		if p, ok := project(strings.ToLower(id)); ok && a.writes(p) {
			remove(strings.ToLower(id))
		} else if ok {
			line["error"] = "access denied"
		}
		data = append(data, line)
	}
	return http.StatusOK, listOf(data)
}

func (s *Server) deleteSecrets(a *account, r *http.Request) (int, any) {
	return deleteAll(r, func(id string) (string, bool) {
		sec, ok := s.secrets[id]
		if !ok {
			return "", false
		}
		return sec.project, true
	}, a, func(id string) { delete(s.secrets, id) })
}
