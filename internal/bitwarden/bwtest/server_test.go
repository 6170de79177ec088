package bwtest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// asker sends raw requests as one machine account.
type asker struct {
	t    *testing.T
	http *http.Client
	jwt  string
}

func ask(t *testing.T, s *Server, token string) *asker {
	t.Helper()
	a := &asker{t: t, http: s.Client()}
	left, _, _ := strings.Cut(token, ":")
	parts := strings.Split(left, ".")
	form := url.Values{"scope": {"api.secrets"}, "grant_type": {"client_credentials"}, "client_id": {parts[1]}, "client_secret": {parts[2]}}
	resp, err := a.http.PostForm("https://identity.test/connect/token", form)
	if err != nil {
		t.Fatal(err)
	}
	var out struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("log in: %d, %v", resp.StatusCode, err)
	}
	a.jwt = out.Token
	return a
}

func (a *asker) do(method, path string, body any) (int, string) {
	a.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		a.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(a.t.Context(), method, "https://api.test"+path, bytes.NewReader(raw))
	if err != nil {
		a.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+a.jwt)
	resp, err := a.http.Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestRules(t *testing.T) {
	s := NewSeeded("rules")
	mine, fixed, hidden := s.AddProject("mine"), s.AddProject("read only"), s.AddProject("hidden")
	a, b, c := s.AddSecret(mine, "a", "1"), s.AddSecret(fixed, "b", "2"), s.AddSecret(hidden, "c", "3")
	u := ask(t, s, s.AddMachineAccount("m", Grant{mine, true}, Grant{fixed, false}))
	org, e := "/organizations/"+s.Organization(), s.OrgKey().Encrypt
	in := func(projects ...string) map[string]any {
		return map[string]any{"key": e("k"), "value": e("v"), "note": e(""), "projectIds": projects}
	}
	const unknown = "00000000-0000-4000-8000-000000000000"
	for name, tc := range map[string]struct {
		method, path string
		body         any
		status       int
		text         string
	}{
		"secret":                    {"GET", "/secrets/" + a, nil, 200, `"object":"secret"`},
		"secret, upper case":        {"GET", "/secrets/" + strings.ToUpper(a), nil, 200, `"creationDate":"20`},
		"unknown secret":            {"GET", "/secrets/" + unknown, nil, 404, "Resource not found."},
		"forbidden secret":          {"GET", "/secrets/" + c, nil, 404, "Resource not found."},
		"another organisation":      {"GET", "/organizations/" + unknown + "/secrets", nil, 404, "Resource not found."},
		"all secrets":               {"GET", org + "/secrets", nil, 200, "SecretsWithProjectsList"},
		"a project's":               {"GET", "/projects/" + mine + "/secrets", nil, 200, a},
		"a forbidden project's":     {"GET", "/projects/" + hidden + "/secrets", nil, 404, ""},
		"two by id":                 {"POST", "/secrets/get-by-ids", map[string]any{"ids": []string{a, b}}, 200, `"object":"baseSecret"`},
		"the same twice":            {"POST", "/secrets/get-by-ids", map[string]any{"ids": []string{a, a}}, 400, "duplicated"},
		"one forbidden":             {"POST", "/secrets/get-by-ids", map[string]any{"ids": []string{a, c}}, 404, ""},
		"no ids":                    {"POST", "/secrets/get-by-ids", map[string]any{"ids": []string{}}, 404, ""},
		"create":                    {"POST", org + "/secrets", in(mine), 200, `"object":"secret"`},
		"create, two projects":      {"POST", org + "/secrets", in(mine, fixed), 400, "Only one project"},
		"create, no project":        {"POST", org + "/secrets", in(), 404, ""},
		"create, read only":         {"POST", org + "/secrets", in(fixed), 404, ""},
		"create, plain text":        {"POST", org + "/secrets", map[string]any{"key": "k", "value": e("v"), "note": e("")}, 400, "validationErrors\":{\"Key\""},
		"create, too long":          {"POST", org + "/secrets", map[string]any{"key": e("k"), "value": e(strings.Repeat("x", 27000)), "note": e("")}, 400, "too long"},
		"create, null note":         {"POST", org + "/secrets", map[string]any{"key": e("k"), "value": e("v"), "note": nil}, 400, "Note"},
		"update":                    {"PUT", "/secrets/" + a, in(mine), 200, a},
		"update without project":    {"PUT", "/secrets/" + a, in(), 404, ""},
		"update, read only":         {"PUT", "/secrets/" + b, in(fixed), 404, ""},
		"delete, read only":         {"POST", "/secrets/delete", []string{b}, 200, "access denied"},
		"delete, unknown":           {"POST", "/secrets/delete", []string{b, unknown}, 404, ""},
		"delete nothing":            {"POST", "/secrets/delete", []string{}, 404, ""},
		"projects":                  {"GET", org + "/projects", nil, 200, mine},
		"project":                   {"GET", "/projects/" + mine, nil, 200, `"write":true`},
		"project, read only":        {"GET", "/projects/" + fixed, nil, 200, `"write":false`},
		"project, hidden":           {"GET", "/projects/" + hidden, nil, 404, ""},
		"create project":            {"POST", org + "/projects", map[string]any{"name": e("new")}, 200, `"object":"project"`},
		"create project, plain":     {"POST", org + "/projects", map[string]any{"name": "new"}, 400, "Name"},
		"rename":                    {"PUT", "/projects/" + mine, map[string]any{"name": e("other")}, 200, mine},
		"rename, read only":         {"PUT", "/projects/" + fixed, map[string]any{"name": e("other")}, 404, ""},
		"delete project, read only": {"POST", "/projects/delete", []string{fixed}, 200, "access denied"},
		"sync":                      {"GET", org + "/secrets/sync", nil, 200, `"hasChanges":true`},
		"sync from the future":      {"GET", org + "/secrets/sync?lastSyncedDate=2999-01-01T00:00:00Z", nil, 400, "past"},
		"sync, no date":             {"GET", org + "/secrets/sync?lastSyncedDate=x", nil, 400, ""},
	} {
		t.Run(name, func(t *testing.T) {
			u.t = t
			status, text := u.do(tc.method, tc.path, tc.body)
			if status != tc.status || !strings.Contains(text, tc.text) || status >= 400 && !strings.Contains(text, `"object":"error"`) {
				t.Errorf("got %d %s", status, text)
			}
			if strings.Contains(text, c) {
				t.Error("the answer names a forbidden secret")
			}
		})
	}
}

func TestDeletes(t *testing.T) {
	s := New()
	p := s.AddProject("p")
	id := s.AddSecret(p, "k", "v")
	u := ask(t, s, s.AddMachineAccount("m"))
	for _, step := range []struct{ path, id, then string }{
		{"/projects/delete", p, "/projects/" + p},
		{"/secrets/delete", id, "/secrets/" + id},
	} {
		if status, text := u.do("POST", step.path, []string{step.id}); status != 200 || !strings.Contains(text, `"error":null`) {
			t.Errorf("%s: %d %s", step.path, status, text)
		}
		if status, _ := u.do("GET", step.then, nil); status != 404 {
			t.Errorf("%s: %d after the delete", step.then, status)
		}
	}
}

func TestSyncSaysNothingChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New()
		u := ask(t, s, s.AddMachineAccount("m"))
		time.Sleep(time.Hour - time.Second)
		date := url.QueryEscape(time.Now().Add(-time.Minute).Format(time.RFC3339))
		if _, text := u.do("GET", "/organizations/"+s.Organization()+"/secrets/sync?lastSyncedDate="+date, nil); !strings.Contains(text, `"hasChanges":false`) {
			t.Error(text)
		}
		time.Sleep(2 * time.Second)
		if status, _ := u.do("GET", "/organizations/"+s.Organization()+"/projects", nil); status != 401 {
			t.Errorf("after the session's end: %d", status)
		}
	})
}

func TestLoginRules(t *testing.T) {
	s := New()
	for name, form := range map[string]url.Values{
		"nothing":        {},
		"other scope":    {"scope": {"api"}, "grant_type": {"client_credentials"}},
		"unknown client": {"scope": {"api.secrets"}, "grant_type": {"client_credentials"}, "client_id": {"x"}, "client_secret": {"y"}},
	} {
		resp, err := s.Client().PostForm("https://identity.test/connect/token", form)
		if err != nil || resp.StatusCode != 400 {
			t.Errorf("%s: %v, %v", name, resp.StatusCode, err)
		}
	}
	if resp, err := s.Client().Post("https://identity.test/connect/token", "application/json", strings.NewReader("{}")); err != nil || resp.StatusCode != 400 {
		t.Errorf("JSON: %v, %v", resp.StatusCode, err)
	}
}

func TestFaultsAreUsedUp(t *testing.T) {
	s := New()
	u := ask(t, s, s.AddMachineAccount("m"))
	path := "/organizations/" + s.Organization() + "/projects"
	s.FailNext(Status(500).At(ListProjects).For(2), Status(503), Unauthorized().At(GetSecret))
	for _, want := range []int{500, 500, 503, 200} {
		if status, _ := u.do("GET", path, nil); status != want {
			t.Errorf("got %d, want %d", status, want)
		}
	}
	s.Heal()
	if status, _ := u.do("GET", "/secrets/x", nil); status != 404 {
		t.Errorf("healed: %d", status)
	}
	if s.Count(ListProjects) != 4 || s.Logins() != 1 {
		t.Errorf("counts: %d, %d", s.Count(ListProjects), s.Logins())
	}
}
