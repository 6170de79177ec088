package bwtest

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"plan/internal/bitwarden"
)

// Client is what Conform asks of a Bitwarden client. *bitwarden.Client is one.
type Client interface {
	Secret(ctx context.Context, id string) (bitwarden.Secret, error)
	SecretsByID(ctx context.Context, ids []string) (map[string]bitwarden.Secret, error)
	List(ctx context.Context, project string) ([]bitwarden.SecretSummary, error) // "" is all projects
	Create(ctx context.Context, s bitwarden.Secret) (bitwarden.Secret, error)
	Update(ctx context.Context, s bitwarden.Secret) (bitwarden.Secret, error)
}

// world is a server with two projects, one account that writes the first and reads the second, and one that sees the first only.
type world struct {
	*Server
	client         Client
	mine, readOnly string // projects
	hidden         string // a secret of a third project
	token          string
}

// Conform runs the suite every client has to pass. open makes a client of s for an access token; it may start a listener.
// No error may hold the token, its parts, or a value.
func Conform(t *testing.T, open func(t *testing.T, s *Server, token string) Client) {
	for name, test := range map[string]func(*testing.T, *world){
		"reads what is stored":               conformRead,
		"reads several at once":              conformBatch,
		"says no to unknown and forbidden":   conformForbidden,
		"lists without values":               conformList,
		"creates":                            conformCreate,
		"updates":                            conformUpdate,
		"logs in once, in parallel too":      conformOneLogin,
		"refuses forged and foreign strings": conformForged,
		"fails on a server that fails":       conformFailing,
	} {
		t.Run(name, func(t *testing.T) {
			s := New()
			w := &world{Server: s, mine: s.AddProject("mine"), readOnly: s.AddProject("read only")}
			w.hidden = s.AddSecret(s.AddProject("hidden"), "hidden", Canary)
			w.token = s.AddMachineAccount("conform", Grant{Project: w.mine, Write: true}, Grant{Project: w.readOnly})
			w.client = open(t, s, w.token)
			test(t, w)
		})
	}
	t.Run("refuses a revoked token", func(t *testing.T) {
		s := New()
		w := &world{Server: s, token: s.AddMachineAccount("revoked")}
		s.Revoke(w.token)
		_, err := open(t, s, w.token).List(t.Context(), "")
		w.fails(t, "list", err)
	})
}

// Canary is a value that must never be seen in an error.
const Canary = "canary-value-7f3a"

// Leaks gives what of the token's parts and the canary occurs in a text.
func Leaks(text, token string) []string {
	parts := strings.FieldsFunc(token, func(r rune) bool { return r == '.' || r == ':' })
	found := []string{Canary, "eyJ", token}
	if len(parts) == 4 {
		found = append(found, parts[2], parts[3])
	}
	return slices.DeleteFunc(found, func(s string) bool { return !strings.Contains(text, s) })
}

func (w *world) fails(t *testing.T, what string, err error) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error", what)
	} else if l := Leaks(err.Error(), w.token); len(l) > 0 {
		t.Errorf("%s: the error holds %d secrets", what, len(l))
	}
}

func (w *world) want(t *testing.T, id, value string) {
	t.Helper()
	got, err := w.client.Secret(t.Context(), id)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	if got.ID != id || got.Value != value {
		t.Errorf("secret %s: id %s, value of %d bytes instead of %d", id, got.ID, len(got.Value), len(value))
	}
}

func conformRead(t *testing.T, w *world) {
	for _, value := range []string{"a", " spaces and a newline \n", "ünïcode 🔐 | 2.x\nline2", strings.Repeat("x", 25000)} {
		w.want(t, w.AddSecret(w.mine, "key", value), value)
	}
	got, err := w.client.Secret(t.Context(), w.AddSecret(w.readOnly, "the key", "v"))
	if err != nil || got.Key != "the key" || got.Note != "" || got.ProjectID != w.readOnly || got.OrganizationID != w.Organization() || got.Created.IsZero() {
		t.Errorf("secret: %v, %v, project %s", got, err, got.ProjectID)
	}
}

func conformBatch(t *testing.T, w *world) {
	ids := []string{w.AddSecret(w.mine, "k", "one"), w.AddSecret(w.mine, "k", "two"), w.AddSecret(w.readOnly, "k", "three")}
	got, err := w.client.SecretsByID(t.Context(), ids)
	if err != nil || len(got) != 3 || got[ids[0]].Value != "one" || got[ids[1]].Value != "two" || got[ids[2]].Value != "three" {
		t.Errorf("read three: %v, %v", got, err)
	}
	_, err = w.client.SecretsByID(t.Context(), append(ids, uuid.NewString()))
	w.fails(t, "one of four is unknown", err)
	_, err = w.client.SecretsByID(t.Context(), append(ids, w.hidden))
	w.fails(t, "one of four is forbidden", err)
}

func conformForbidden(t *testing.T, w *world) {
	_, err := w.client.Secret(t.Context(), uuid.NewString())
	w.fails(t, "unknown", err)
	_, err = w.client.Secret(t.Context(), w.hidden)
	w.fails(t, "forbidden", err)
}

func conformList(t *testing.T, w *world) {
	got, err := w.client.List(t.Context(), "")
	if err != nil || len(got) != 0 {
		t.Errorf("nothing to list: %d, %v", len(got), err)
	}
	ids := []string{w.AddSecret(w.mine, "same", "1"), w.AddSecret(w.readOnly, "same", "2")}
	got, err = w.client.List(t.Context(), "")
	if err != nil || len(got) != 2 {
		t.Fatalf("list: %d, %v", len(got), err)
	}
	for _, s := range got {
		if !slices.Contains(ids, s.ID) || s.Key != "same" || s.OrganizationID != w.Organization() {
			t.Errorf("list holds %+v", s)
		}
	}
	w.FailNext(EmptyList())
	if got, err = w.client.List(t.Context(), ""); err != nil || len(got) != 0 {
		t.Errorf("null list: %d, %v", len(got), err)
	}
}

func conformCreate(t *testing.T, w *world) {
	made, err := w.client.Create(t.Context(), bitwarden.Secret{Key: " key ", Value: " v\n", Note: " note ", ProjectID: w.mine})
	if err != nil {
		t.Fatal(err)
	}
	w.want(t, made.ID, " v\n")
	if got, err := w.client.Secret(t.Context(), made.ID); err != nil || got.Key != "key" || got.Note != "note" || got.ProjectID != w.mine {
		t.Errorf("read back: %v, note %q, project %s, %v", got, got.Note, got.ProjectID, err)
	}
	for what, s := range map[string]bitwarden.Secret{
		"in a project it only reads": {Key: "k", Value: Canary, ProjectID: w.readOnly},
		"in an unknown project":      {Key: "k", Value: Canary, ProjectID: uuid.NewString()},
		"without a key":              {Key: " ", Value: Canary, ProjectID: w.mine},
		"too many characters":        {Key: "k", Value: strings.Repeat(Canary, 25000/len(Canary)+1), ProjectID: w.mine},
		"too many bytes":             {Key: "k", Value: strings.Repeat("🔐", 20000) + Canary, ProjectID: w.mine},
	} {
		_, err := w.client.Create(t.Context(), s)
		w.fails(t, what, err)
	}
}

func conformUpdate(t *testing.T, w *world) {
	id := w.AddSecret(w.mine, "key", "old")
	s, err := w.client.Update(t.Context(), bitwarden.Secret{ID: id, Key: "key", Value: "new", ProjectID: w.mine})
	if err != nil || s.ID != id {
		t.Fatalf("update: %v, %v", s, err)
	}
	w.want(t, id, "new")
	if got, err := w.client.Secret(t.Context(), id); err != nil || got.ProjectID != w.mine {
		t.Errorf("after update: project %s, %v", got.ProjectID, err)
	}
	fixed := w.AddSecret(w.readOnly, "key", "old")
	_, err = w.client.Update(t.Context(), bitwarden.Secret{ID: fixed, Key: "key", Value: Canary, ProjectID: w.readOnly})
	w.fails(t, "update in a project it only reads", err)
	w.want(t, fixed, "old")
}

func conformOneLogin(t *testing.T, w *world) {
	id := w.AddSecret(w.mine, "key", "v")
	w.want(t, id, "v")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := w.client.Secret(t.Context(), id); err != nil {
				t.Errorf("read: %v", err)
			}
		})
	}
	wg.Wait()
	if n := w.Logins(); n != 1 {
		t.Errorf("%d logins for 9 reads", n)
	}
}

func conformForged(t *testing.T, w *world) {
	id := w.AddSecret(w.mine, "key", Canary)
	for what, f := range map[string]Fault{"tampered": Tampered(), "foreign key": ForeignKey(), "type 0": TypeZero(), "type 7": TypeSeven()} {
		w.FailNext(f.At(GetSecret))
		s, err := w.client.Secret(t.Context(), id)
		w.fails(t, what, err)
		if s.Value != "" {
			t.Errorf("%s: there is a value beside the error", what)
		}
	}
}

func conformFailing(t *testing.T, w *world) {
	id := w.AddSecret(w.mine, "key", Canary)
	w.want(t, id, Canary)
	for what, f := range map[string]Fault{
		"500": Status(http.StatusInternalServerError), "403": Status(http.StatusForbidden), "HTML": HTML(), "truncated": Truncate(),
		"echo": Echo(http.StatusInternalServerError),
	} {
		w.FailNext(f.At(GetSecret).For(-1)) // a client's transport may repeat a GET
		_, err := w.client.Secret(t.Context(), id)
		w.fails(t, what, err)
		w.Heal()
	}
	w.want(t, id, Canary)
}
