package secrets

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"
)

const id = "11111111-1111-4111-8111-111111111111"

func TestDecodeValue(t *testing.T) {
	from := func(s Source) Value { return Value{From: &s} }
	tests := map[string]struct {
		text string
		want Value
	}{
		"literal":              {`home`, Value{Literal: "home"}},
		"quoted number":        {`"7"`, Value{Literal: "7"}},
		"expression":           {`"${{ params.bucket }}"`, Value{Literal: "${{ params.bucket }}"}},
		"env":                  {`{from: {env: A_B}}`, from(Source{Env: "A_B"})},
		"file":                 {`{from: {file: ./t}}`, from(Source{File: "./t"})},
		"kubernetes":           {`{from: {kubernetes: {namespace: n, name: s, key: k}}}`, from(Source{Kubernetes: Kubernetes{"n", "s", "k"}})},
		"kubernetes, plan's":   {`{from: {kubernetes: {name: s, key: k.txt}}}`, from(Source{Kubernetes: Kubernetes{Name: "s", Key: "k.txt"}})},
		"bitwarden id":         {`{from: {bitwarden: {id: AAAAAAAA-1111-4111-8111-111111111111}}}`, from(Source{Bitwarden: Bitwarden{ID: "aaaaaaaa-1111-4111-8111-111111111111"}})},
		"bitwarden by key":     {`{from: {bitwarden: {project: My Project, key: k}}}`, from(Source{Bitwarden: Bitwarden{Project: "My Project", Key: "k"}})},
		"bitwarden by project": {`{from: {bitwarden: {project: AAAAAAAA-1111-4111-8111-111111111111, key: k}}}`, from(Source{Bitwarden: Bitwarden{Project: "aaaaaaaa-1111-4111-8111-111111111111", Key: "k"}})},
		"exec":                 {`{from: {exec: {command: [bws, "", "a b\n"]}}}`, from(Source{Exec: Exec{JoinWords("bws", "", "a b\n"), 30 * time.Second}})},
		"exec with a timeout":  {`{from: {exec: {command: [./get], timeout: 1m30s}}}`, from(Source{Exec: Exec{"./get", 90 * time.Second}})},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var got Value
			if err := yaml.Unmarshal([]byte(tc.text), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"number":            {`7`, "put it in quotes"},
		"list":              {`[a]`, "want a string or {from: …}"},
		"empty mapping":     {`{}`, "want from:"},
		"beside from":       {`{from: {env: A}, default: x}`, `unknown field "default"`},
		"no source":         {`{from: {}}`, "exactly one of env, file, kubernetes, bitwarden, exec"},
		"two sources":       {`{from: {env: A, file: b}}`, "exactly one of"},
		"from a string":     {`{from: env}`, "exactly one of"},
		"unknown source":    {`{from: {vault: x}}`, `unknown source "vault"`},
		"exec, no command":  {`{from: {exec: {}}}`, "from.exec: command is missing"},
		"exec, a string":    {`{from: {exec: {command: pass show x}}}`, "from.exec.command: want a list"},
		"exec, empty":       {`{from: {exec: {command: []}}}`, "from.exec.command: want a list"},
		"exec, no name":     {`{from: {exec: {command: [""]}}}`, "name is empty"},
		"exec, number":      {`{from: {exec: {command: [a, 5]}}}`, "every word is a string"},
		"exec, NUL":         {`{from: {exec: {command: [a, "b\0c"]}}}`, "NUL"},
		"exec, expression":  {`{from: {exec: {command: [a, "${{ params.x }}"]}}}`, "not evaluated"},
		"exec, shell":       {`{from: {exec: {command: [a], shell: true}}}`, `unknown field "shell"`},
		"exec, no duration": {`{from: {exec: {command: [a], timeout: 1.5s}}}`, "is not a duration"},
		"exec, number time": {`{from: {exec: {command: [a], timeout: 30}}}`, "want a duration"},
		"exec, no time":     {`{from: {exec: {command: [a], timeout: 0s}}}`, "more than 0s"},
		"empty env":         {`{from: {env: ""}}`, "from.env: is empty"},
		"null env":          {`{from: {env: }}`, "from.env: want a string"},
		"escape in a name":  {`{from: {env: "A\u001b[2J"}}`, "control"},
		"bidi in a name":    {`{from: {file: "a\u202eb"}}`, "invisible"},
		"expression inside": {`{from: {env: "${{ params.x }}"}}`, "not evaluated"},
		"no key":            {`{from: {kubernetes: {name: s}}}`, "key is missing"},
		"unknown field":     {`{from: {kubernetes: {name: s, key: k, optional: true}}}`, `unknown field "optional"`},
		"twice":             {`{from: {kubernetes: {name: s, key: k, key: l}}}`, `field "key" twice`},
		"no uuid":           {`{from: {bitwarden: {id: abc}}}`, "not a UUID"},
		"id and key":        {`{from: {bitwarden: {id: ` + id + `, key: k}}}`, "not both"},
		"project only":      {`{from: {bitwarden: {project: p}}}`, "key is missing"},
		"bitwarden empty":   {`{from: {bitwarden: {}}}`, "want id, or project and key"},
		"several at once":   {`{from: {kubernetes: {nam: s}}}`, "key is missing"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var v Value
			err := yaml.Unmarshal([]byte(tc.text), &v)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q in it", err, tc.want)
			}
			if err != nil && !strings.Contains(err.Error(), "line 1: column ") {
				t.Errorf("no place in %v", err)
			}
		})
	}
}

func TestSecretRefusesLiteralWithoutRepeatingIt(t *testing.T) {
	for _, text := range []string{"hunter2hunter2", `["hunter2hunter2"]`} {
		var s Secret
		err := yaml.Unmarshal([]byte(text), &s)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("error %v", err)
		}
	}
	var s Secret
	if err := yaml.Unmarshal([]byte("{from: {env: A}}"), &s); err != nil || s.From == nil || s.From.Env != "A" {
		t.Errorf("%v, %v", s, err)
	}
}

func TestSourceString(t *testing.T) {
	tests := map[string]Source{
		"env S3_SECRET_KEY":               {Env: "S3_SECRET_KEY"},
		"file ./token":                    {File: "./token"},
		"kubernetes ns/name key token":    {Kubernetes: Kubernetes{"ns", "name", "token"}},
		"kubernetes name key token":       {Kubernetes: Kubernetes{"", "name", "token"}},
		"bitwarden " + id:                 {Bitwarden: Bitwarden{ID: id}},
		"bitwarden project home key node": {Bitwarden: Bitwarden{Project: "home", Key: "node"}},
		`file a\x1b[2J`:                   {File: "a\x1b[2J"},
		"exec bws":                        {Exec: Exec{Command: JoinWords("bws", canary)}},
		"no source":                       {},
	}
	for want, s := range tests {
		if got := s.String(); got != want {
			t.Errorf("%#v: %q, want %q", s, got, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("{from: {env: A}}")
	f.Add("{from: {bitwarden: {id: " + id + "}}}")
	f.Add("{from: {exec: {command: [a, b], timeout: 5s}}}")
	f.Add("a: &b [*b]")
	f.Fuzz(func(t *testing.T, text string) {
		var v Value
		if yaml.Unmarshal([]byte(text), &v) == nil && v.From != nil && v.From.String() == "no source" {
			t.Errorf("%q: a source that is none", text)
		}
	})
}
