package sdk_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"plan/internal/bitwarden"
	"plan/internal/bitwarden/bwtest"
	"plan/internal/bitwarden/sdk"
)

// standIn takes the place of Bitwarden's SDK, which cannot be had here: plan's own client behind the SDK's methods. Its errors are what the
// SDK's are feared to be: texts that hold token, session and value.
type standIn struct {
	server *bwtest.Server
	token  string
	client *bitwarden.Client
	closed bool
}

func (s *standIn) AccessTokenLogin(token string, _ *string) error {
	client, err := bitwarden.New(bitwarden.Config{ServerURL: "https://vault.test.invalid", HTTP: s.server.Client()}, token)
	if err == nil {
		err = client.Login(context.Background())
	}
	if err != nil {
		return s.spoilt("", err)
	}
	s.token, s.client = token, client
	return nil
}

func (s *standIn) Secrets() sdk.Secrets { return s }
func (s *standIn) Close()               { s.closed = true }

func (s *standIn) spoilt(value string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("error: %v\n\x1b[2J token %s, session eyJhbGciOi.eyJzdWIi.c2ln, value %q", err, s.token, value)
}

func (s *standIn) answer(secret bitwarden.Secret, value string, err error) (*sdk.Secret, error) {
	if err != nil {
		return nil, s.spoilt(value, err)
	}
	out := &sdk.Secret{
		ID: secret.ID, OrganizationID: secret.OrganizationID, Key: secret.Key, Value: secret.Value, Note: secret.Note,
		CreationDate: secret.Created, RevisionDate: secret.Revised,
	}
	if secret.ProjectID != "" {
		out.ProjectID = &secret.ProjectID
	}
	return out, nil
}

func (s *standIn) Get(id string) (*sdk.Secret, error) {
	got, err := s.client.Secret(context.Background(), id)
	return s.answer(got, "", err)
}

func (s *standIn) GetByIDS(ids []string) ([]sdk.Secret, error) {
	got, err := s.client.SecretsByID(context.Background(), ids)
	var list []sdk.Secret
	for _, secret := range got {
		one, _ := s.answer(secret, "", nil)
		list = append(list, *one)
	}
	return list, s.spoilt("", err)
}

func (s *standIn) List(organization string) ([]sdk.Identifier, error) {
	if organization != s.server.Organization() {
		return nil, errors.New("404 Not Found")
	}
	got, err := s.client.List(context.Background(), "")
	var list []sdk.Identifier
	for _, one := range got {
		list = append(list, sdk.Identifier{ID: one.ID, OrganizationID: one.OrganizationID, Key: one.Key})
	}
	return list, s.spoilt("", err)
}

func (s *standIn) Create(key, value, note, _ string, projects []string) (*sdk.Secret, error) {
	made, err := s.client.Create(context.Background(), bitwarden.Secret{Key: key, Value: value, Note: note, ProjectID: projects[0]})
	return s.answer(made, value, err)
}

func (s *standIn) Update(id, key, value, note, _ string, projects []string) (*sdk.Secret, error) {
	made, err := s.client.Update(context.Background(), bitwarden.Secret{ID: id, Key: key, Value: value, Note: note, ProjectID: projects[0]})
	return s.answer(made, value, err)
}

func open(t *testing.T, s *bwtest.Server, token string) *sdk.Client {
	t.Helper()
	c, err := sdk.New(&standIn{server: s}, s.Organization(), token, "")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestConform(t *testing.T) {
	bwtest.Conform(t, func(t *testing.T, s *bwtest.Server, token string) bwtest.Client { return open(t, s, token) })
}

func TestNothingIsPrinted(t *testing.T) {
	s := bwtest.New()
	token := s.AddMachineAccount("a")
	for _, v := range []any{open(t, s, token), sdk.Secret{Value: bwtest.Canary}, &sdk.Secret{Note: bwtest.Canary}} {
		if got := fmt.Sprintf("%v %+v %#v %s", v, v, v, v); len(bwtest.Leaks(got, token)) > 0 {
			t.Errorf("%T prints a secret", v)
		}
	}
}

func TestListOfAProject(t *testing.T) {
	s := bwtest.New()
	project, other := s.AddProject("p"), s.AddProject("q")
	token := s.AddMachineAccount("a")
	id := s.AddSecret(project, "k", "v")
	s.AddSecret(other, "k", "v")
	list, err := open(t, s, token).List(t.Context(), project)
	if err != nil || len(list) != 1 || list[0].ID != id || list[0].ProjectID != project {
		t.Errorf("%v, %v", list, err)
	}
}

func TestUpdateKeepsTheProject(t *testing.T) {
	s := bwtest.New()
	project := s.AddProject("p")
	token := s.AddMachineAccount("a")
	id := s.AddSecret(project, "k", "v")
	got, err := open(t, s, token).Update(t.Context(), bitwarden.Secret{ID: id, Key: "k", Value: "w"})
	if err != nil || got.ProjectID != project || got.Value != "w" {
		t.Errorf("%v of project %s, %v", got, got.ProjectID, err)
	}
}

func TestErrorsSayWhatCanBeGuessed(t *testing.T) {
	s := bwtest.New()
	id := s.AddSecret(s.AddProject("p"), "k", bwtest.Canary)
	token := s.AddMachineAccount("a")
	tests := map[string]struct {
		fault bwtest.Fault
		want  error
	}{
		"refused":      {bwtest.Refused().At(bwtest.Login), bitwarden.ErrInvalidClient},
		"unauthorized": {bwtest.Status(http.StatusUnauthorized).At(bwtest.GetSecret).For(-1), bitwarden.ErrUnauthorized},
		"not found":    {bwtest.Status(http.StatusNotFound).At(bwtest.GetSecret).For(-1), bitwarden.ErrNotFound},
	}
	for name, tc := range tests {
		s.Heal()
		s.FailNext(tc.fault)
		_, err := open(t, s, token).Secret(t.Context(), id)
		if !errors.Is(err, tc.want) || strings.ContainsAny(err.Error(), "\n\x1b") || len(bwtest.Leaks(err.Error(), token)) > 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// stuck is an SDK that does not answer.
type stuck struct {
	standIn
	entered chan struct{}
	leave   chan struct{}
}

func (s *stuck) AccessTokenLogin(string, *string) error {
	close(s.entered)
	<-s.leave
	return errors.New("late")
}

func TestCallsEndWithTheirContext(t *testing.T) {
	server := bwtest.New()
	s := &stuck{entered: make(chan struct{}), leave: make(chan struct{})}
	defer close(s.leave)
	c, err := sdk.New(s, server.Organization(), server.AddMachineAccount("a"), "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-s.entered; cancel() }()
	for range 2 { // the second waits for its turn
		if _, err := c.Secret(ctx, "x"); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	}
}

func TestURLs(t *testing.T) {
	tests := map[string][2]string{
		"": {}, " https://vault.bitwarden.eu/ ": {"https://api.bitwarden.eu", "https://identity.bitwarden.eu"},
		"https://bw.home.arpa/x": {"https://bw.home.arpa/x/api", "https://bw.home.arpa/x/identity"},
	}
	for base, want := range tests {
		api, identity, err := sdk.URLs(base)
		if err != nil || text(api) != want[0] || text(identity) != want[1] {
			t.Errorf("%q: %s, %s, %v", base, text(api), text(identity), err)
		}
	}
	for _, base := range []string{"http://bw.home.arpa", "bw.home.arpa", "https://", "https://me:secret@bw"} {
		if _, _, err := sdk.URLs(base); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", base, err)
		}
	}
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
