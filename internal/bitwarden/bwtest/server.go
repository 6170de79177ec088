// Package bwtest is a Bitwarden Secrets Manager server for tests: machine account login, secrets and projects, and every fault a
// client has to live with. It keeps all in memory. It opens no encrypted string of a client; it looks at their shape only.
package bwtest

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"plan/internal/bitwarden"
)

// Server is the test server: an http.Handler with the API under /api and the identity service under /identity.
// Its methods may be called while it serves.
type Server struct {
	seed   []byte
	org    string
	orgKey bitwarden.Key
	mux    *http.ServeMux

	mu        sync.Mutex
	projects  map[string]*project
	secrets   map[string]*secret
	accounts  map[string]*account
	sessions  map[string]session // by JWT
	faults    []*Fault
	counts    map[Endpoint]int
	numbers   map[string]int
	expiresIn time.Duration
	limits    *limits
	requests  []Request
}

type project struct {
	id, name         string // name encrypted
	created, revised time.Time
}

type secret struct {
	id, project, key, value, note string // the last three encrypted
	created, revised              time.Time
	versions                      int
}

type account struct {
	id, secret string
	tokenKey   bitwarden.Key
	grants     map[string]bool // project to "may write"; nil is write on all
	revised    time.Time
	revoked    bool
}

type session struct {
	account *account
	expires time.Time
}

// New makes an empty server with a random organisation and key.
func New() *Server { return NewSeeded(rand.Text()) }

// NewSeeded makes an empty server whose organisation, keys, ids and access tokens follow from seed and the names given to
// AddProject, AddSecret and AddMachineAccount alone. A second process that adds the same names gets the same ids and tokens.
// What clients created is not carried over, nor are sessions.
func NewSeeded(seed string) *Server {
	s := &Server{
		seed: []byte(seed), projects: map[string]*project{}, secrets: map[string]*secret{}, accounts: map[string]*account{},
		sessions: map[string]session{}, counts: map[Endpoint]int{}, numbers: map[string]int{}, expiresIn: time.Hour,
	}
	s.org = s.id("organisation")
	key := slices.Concat(s.derive("organisation key 1"), s.derive("organisation key 2"))
	s.orgKey, _ = bitwarden.ParseKey(base64.StdEncoding.EncodeToString(key)) // 64 bytes by construction
	s.mux = s.routes()
	return s
}

// Organization is the id of the one organisation.
func (s *Server) Organization() string { return s.org }

// OrgKey is the organisation's key, for tests that make or open encrypted strings themselves.
func (s *Server) OrgKey() bitwarden.Key { return s.orgKey }

// AddProject adds a project and gives its id.
func (s *Server) AddProject(name string) string {
	return s.AddProjectWithID(s.fresh("project "+name), name)
}

// AddProjectWithID adds a project, or replaces the one with this id, and gives the id.
func (s *Server) AddProjectWithID(id, name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, now := strings.ToLower(id), time.Now().UTC()
	s.projects[id] = &project{id: id, name: s.orgKey.Encrypt(name), created: now, revised: now}
	return id
}

// AddSecret adds a secret with an empty note and gives its id. An empty project is none. Keys need not be unique.
func (s *Server) AddSecret(project, key, value string) string {
	return s.AddSecretWithID(s.fresh("secret "+project+" "+key), project, key, value)
}

// AddSecretWithID adds a secret, or replaces the one with this id, and gives the id.
func (s *Server) AddSecretWithID(id, project, key, value string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, now := strings.ToLower(id), time.Now().UTC()
	e := s.orgKey.Encrypt
	s.secrets[id] = &secret{id: id, project: strings.ToLower(project), key: e(key), value: e(value), note: e(""), created: now, revised: now}
	return id
}

// Value opens the value a secret has now; false if there is none with this id.
func (s *Server) Value(id string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sec, ok := s.secrets[id]
	if !ok {
		return "", false
	}
	v, err := s.orgKey.Decrypt(sec.value)
	return v, err == nil
}

// Versions is how many former values of a secret are kept.
func (s *Server) Versions(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sec, ok := s.secrets[id]; ok {
		return sec.versions
	}
	return 0
}

// Grant is what a machine account may do with one project: read, and with Write also change.
type Grant struct {
	Project string
	Write   bool
}

// AddMachineAccount adds a machine account and gives its access token. Without grants it may read and write every project.
func (s *Server) AddMachineAccount(name string, grants ...Grant) (token string) {
	a := &account{id: s.fresh("account " + name), revised: time.Now().UTC()}
	a.secret = fmt.Sprintf("%x", s.derive("client secret "+a.id))[:30]
	seed := [16]byte(s.derive("token seed " + a.id))
	a.tokenKey = bitwarden.TokenKey(seed)
	for _, g := range grants {
		if a.grants == nil {
			a.grants = map[string]bool{}
		}
		a.grants[strings.ToLower(g.Project)] = g.Write
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accounts[a.id] = a
	return "0." + a.id + "." + a.secret + ":" + base64.StdEncoding.EncodeToString(seed[:])
}

// Revoke ends an access token: logins are refused from now on and its sessions are forgotten.
func (s *Server) Revoke(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, a := range s.accounts {
		if strings.Contains(token, id) {
			a.revoked = true
			maps.DeleteFunc(s.sessions, func(_ string, v session) bool { return v.account == a })
		}
	}
}

// ForgetSessions makes every JWT given out so far unknown: the next request with one gets 401.
func (s *Server) ForgetSessions() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.sessions)
}

// SetExpiresIn sets how long sessions of later logins last; whole seconds. It starts at an hour.
func (s *Server) SetExpiresIn(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expiresIn = d
}

func (s *Server) derive(what string) []byte {
	m := hmac.New(sha256.New, s.seed)
	m.Write([]byte(what))
	return m.Sum(nil)
}

func (s *Server) id(what string) string {
	return uuid.NewHash(sha256.New(), uuid.Nil, s.derive(what), 4).String()
}

// fresh gives the id of the n-th thing with this name.
func (s *Server) fresh(what string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.numbers[what]++
	return s.id(fmt.Sprintf("%s #%d", what, s.numbers[what]))
}
