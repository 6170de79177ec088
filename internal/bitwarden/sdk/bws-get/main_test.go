package main

import (
	"errors"
	"strings"
	"testing"

	"plan/internal/bitwarden/bwtest"
	"plan/internal/bitwarden/sdk"
)

// fixed is an SDK with one secret.
type fixed struct {
	id, value string
	login     error
	closed    bool
}

func (f *fixed) AccessTokenLogin(string, *string) error { return f.login }
func (f *fixed) Secrets() sdk.Secrets                   { return getter{nil, f} }
func (f *fixed) Close()                                 { f.closed = true }

type getter struct {
	sdk.Secrets // nil: nothing else may be called
	of          *fixed
}

func (g getter) Get(id string) (*sdk.Secret, error) {
	if id != g.of.id {
		return nil, errors.New("404 Not Found")
	}
	return &sdk.Secret{ID: id, Value: g.of.value}, nil
}

func TestRun(t *testing.T) {
	token := bwtest.New().AddMachineAccount("a")
	tests := map[string]struct {
		args   []string
		env    map[string]string
		login  error
		code   int
		out    string
		errout string
	}{
		"prints":         {args: []string{"id"}, out: "the value\n"},
		"unknown":        {args: []string{"other"}, code: 1, errout: "read secret other: 404"},
		"refused":        {args: []string{"id"}, login: errors.New("invalid_client: " + token), code: 1, errout: "invalid_client: [hidden]"},
		"no id":          {code: 2, errout: "usage:"},
		"no token":       {args: []string{"id"}, env: map[string]string{"BWS_ACCESS_TOKEN": ""}, code: 2, errout: "usage:"},
		"a token not":    {args: []string{"id"}, env: map[string]string{"BWS_ACCESS_TOKEN": "abc"}, code: 1, errout: "access token"},
		"a server not":   {args: []string{"id"}, env: map[string]string{"BWS_SERVER_URL": "vault"}, code: 1, errout: "BWS_SERVER_URL"},
		"another server": {args: []string{"id"}, env: map[string]string{"BWS_SERVER_URL": "https://bw.home.arpa"}, out: "the value\n"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			f := &fixed{id: "id", value: "the value", login: tc.login}
			env := func(name string) string {
				if v, ok := tc.env[name]; ok || name != "BWS_ACCESS_TOKEN" {
					return v
				}
				return token
			}
			var out, errout strings.Builder
			opened := false
			code := run(t.Context(), tc.args, env, &out, &errout, func(api, _ *string) (sdk.SDK, error) {
				opened = true
				if (api != nil) != (tc.env["BWS_SERVER_URL"] != "") {
					t.Errorf("the SDK gets the server %v", api)
				}
				return f, nil
			})
			if code != tc.code || out.String() != tc.out || !strings.Contains(errout.String(), tc.errout) {
				t.Errorf("%d, %q, %q", code, out.String(), errout.String())
			}
			if opened != f.closed || len(bwtest.Leaks(errout.String(), token)) > 0 {
				t.Errorf("closed %v, opened %v; %q", f.closed, opened, errout.String())
			}
		})
	}
}
