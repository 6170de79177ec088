package bwtest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Endpoint names a request the server answers, for counters and faults.
type Endpoint string

// The endpoints.
const (
	Login         Endpoint = "login"
	ListSecrets   Endpoint = "list secrets"
	ListProject   Endpoint = "list secrets of a project"
	SyncSecrets   Endpoint = "sync secrets"
	GetSecret     Endpoint = "get secret"
	GetByIDs      Endpoint = "get secrets by ids"
	CreateSecret  Endpoint = "create secret"
	UpdateSecret  Endpoint = "update secret"
	DeleteSecrets Endpoint = "delete secrets"
	ListProjects  Endpoint = "list projects"
	GetProject    Endpoint = "get project"
	CreateProject Endpoint = "create project"
	UpdateProject Endpoint = "update project"
	DeleteProject Endpoint = "delete projects"
)

// Request is what is remembered of a request. Login requests have no body here.
type Request struct {
	Endpoint     Endpoint
	Method, Path string // Path with the query
	Host         string
	Header       http.Header // without Authorization
}

// do answers an authorised API request. It runs under the server's lock.
type do func(a *account, r *http.Request) (status int, body any)

func (s *Server) routes() *http.ServeMux {
	m := http.NewServeMux()
	m.HandleFunc("POST /identity/connect/token", s.guard(Login, s.login))
	for pattern, h := range map[string]struct {
		e  Endpoint
		do do
	}{
		"GET /organizations/{org}/secrets":      {ListSecrets, s.inOrg(s.listSecrets)},
		"GET /organizations/{org}/secrets/sync": {SyncSecrets, s.inOrg(s.syncSecrets)},
		"POST /organizations/{org}/secrets":     {CreateSecret, s.inOrg(s.createSecret)},
		"GET /projects/{id}/secrets":            {ListProject, s.listProject},
		"GET /secrets/{id}":                     {GetSecret, s.getSecret},
		"PUT /secrets/{id}":                     {UpdateSecret, s.updateSecret},
		"POST /secrets/get-by-ids":              {GetByIDs, s.getByIDs},
		"POST /secrets/delete":                  {DeleteSecrets, s.deleteSecrets},
		"GET /organizations/{org}/projects":     {ListProjects, s.inOrg(s.listProjects)},
		"POST /organizations/{org}/projects":    {CreateProject, s.inOrg(s.createProject)},
		"GET /projects/{id}":                    {GetProject, s.getProject},
		"PUT /projects/{id}":                    {UpdateProject, s.updateProject},
		"POST /projects/delete":                 {DeleteProject, s.deleteProjects},
	} {
		method, path, _ := strings.Cut(pattern, " ")
		m.HandleFunc(method+" /api"+path, s.guard(h.e, s.authorised(h.do)))
	}
	return m
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// guard counts, applies faults and limits, then answers.
func (s *Server) guard(e Endpoint, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
		s.mu.Lock()
		s.note(e, r)
		f := s.take(e)
		wait, limited := s.limits.over(e, r.Method)
		s.mu.Unlock()
		switch {
		case limited:
			tooMany(w, wait)
		case f != nil:
			f.Do(w, r, h)
		default:
			h(w, r)
		}
	}
}

func (s *Server) note(e Endpoint, r *http.Request) {
	s.counts[e]++
	header := r.Header.Clone()
	header.Del("Authorization")
	s.requests = append(s.requests, Request{Endpoint: e, Method: r.Method, Path: r.RequestURI, Host: r.Host, Header: header})
}

func (s *Server) authorised(h do) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body) // before the lock: a client may be slow
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		s.mu.Lock()
		defer s.mu.Unlock()
		jwt, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		sess, known := s.sessions[jwt]
		if !ok || !known || !time.Now().Before(sess.expires) {
			w.Header().Set("WWW-Authenticate", "Bearer")
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		status, answer := h(sess.account, r)
		reply(w, status, answer)
	}
}

// inOrg answers 404 for another organisation, as for an unknown one.
func (s *Server) inOrg(h do) do {
	return func(a *account, r *http.Request) (int, any) {
		if !strings.EqualFold(r.PathValue("org"), s.org) {
			return notFound()
		}
		return h(a, r)
	}
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}

func apiError(message string) map[string]any {
	return map[string]any{
		"message": message, "validationErrors": nil, "exceptionMessage": nil, "exceptionStackTrace": nil,
		"innerExceptionMessage": nil, "object": "error",
	}
}

func notFound() (int, any) { return http.StatusNotFound, apiError("Resource not found.") }

func badRequest(message string) (int, any) { return http.StatusBadRequest, apiError(message) }

func invalid(field, message string) (int, any) {
	e := apiError("The model state is invalid.")
	e["validationErrors"] = map[string][]string{field: {message}}
	return http.StatusBadRequest, e
}

// Count is how many requests an endpoint got, faults included.
func (s *Server) Count(e Endpoint) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[e]
}

// Logins is Count(Login).
func (s *Server) Logins() int { return s.Count(Login) }

// Requests are all requests so far, oldest first.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// ResetCounts forgets counters and requests.
func (s *Server) ResetCounts() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.counts)
	s.requests = nil
}
