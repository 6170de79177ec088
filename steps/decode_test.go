package steps_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plan/internal/secrets"
	"plan/steps"
)

type inner struct {
	Last  int `yaml:"last"`
	Daily int `yaml:"daily"`
}

type shared struct {
	Prefix string `yaml:"prefix"`
}

type action struct {
	private int
	Shared  shared                 `yaml:",inline"`
	Name    string                 `yaml:"name"`
	Count   int                    `yaml:"count"`
	On      bool                   `yaml:"on"`
	Age     steps.Dur              `yaml:"age"`
	Keep    *inner                 `yaml:"keep"`
	List    []string               `yaml:"list"`
	URL     steps.Secret           `yaml:"url"`
	Text    steps.Value            `yaml:"text"`
	Headers map[string]steps.Value `yaml:"headers"`
	Many    []steps.Secret         `yaml:"many"`
	Any     any                    `yaml:"any"`
	Hidden  string
}

func fromEnv(name string) map[string]any {
	return map[string]any{"from": map[string]any{"env": name}}
}

func TestDecode(t *testing.T) {
	got := action{Name: "default", Count: 7, Shared: shared{Prefix: "p/"}, Keep: &inner{Daily: 3}, List: []string{"a", "b"}}
	err := steps.Decode(map[string]any{
		"prefix": "x", "count": float64(5), "on": true, "age": "1d12h", "keep": map[string]any{"last": int64(2)},
		"list": []any{"c"}, "url": fromEnv("URL"), "text": "yes", "any": []any{int64(1)},
		"headers": map[string]any{"A": "1", "B": fromEnv("B")}, "many": []any{fromEnv("M")},
	}, &got)
	if err != nil {
		t.Fatal(err)
	}
	source := func(name string) *secrets.Source { return &secrets.Source{Env: name} }
	want := action{
		Shared: shared{Prefix: "x"}, Name: "default", Count: 5, On: true, Age: steps.Dur(36 * time.Hour), Keep: &inner{Last: 2, Daily: 3},
		List: []string{"c"}, URL: steps.Secret{From: source("URL")}, Text: steps.Value{Literal: "yes"}, Any: []any{int64(1)},
		Headers: map[string]steps.Value{"A": {Literal: "1"}, "B": {From: source("B")}}, Many: []steps.Secret{{From: source("M")}},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(action{})); diff != "" {
		t.Errorf("decoded (-want +got):\n%s", diff)
	}
	wantSources := []steps.FieldSource{
		{Path: "with.headers.B", Source: secrets.Source{Env: "B"}},
		{Path: "with.many[0]", Source: secrets.Source{Env: "M"}, Secret: true},
		{Path: "with.url", Source: secrets.Source{Env: "URL"}, Secret: true},
	}
	if diff := cmp.Diff(wantSources, steps.Sources(&got)); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
}

// TestTextsArriveAsTheyAre, also those that are hard to write as YAML.
func TestTextsArriveAsTheyAre(t *testing.T) {
	for _, text := range []string{"\t ---\n", "\n\t", " a\n", "\n", "\n\n", "- a", "!!str x", "null", "a\r\nb", "ü\u2028", "#", "'", "---\n"} {
		var got action
		if err := steps.Decode(map[string]any{"text": text}, &got); err != nil || got.Text.Literal != text {
			t.Errorf("%q arrives as %q: %v", text, got.Text.Literal, err)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	const canary = "canary-7Qw"
	cases := map[string]struct {
		with   map[string]any
		want   string
		reason string
	}{
		"unknown":        {map[string]any{"nmae": "x"}, "with.nmae: no such field", "strict"},
		"go name":        {map[string]any{"Name": "x"}, "with.Name: no such field", "the yaml name is the only one"},
		"untagged":       {map[string]any{"hidden": "x"}, "with.hidden: no such field", "a field without a tag is the kind's own"},
		"deep unknown":   {map[string]any{"keep": map[string]any{"lats": 1}}, "with.keep.lats: no such field", "paths are whole"},
		"null":           {map[string]any{"keep": nil}, "with.keep: has no value", "null has two readings"},
		"number as name": {map[string]any{"name": int64(5)}, "with.name: want a string, got a number", "no conversion"},
		"text as number": {map[string]any{"count": "5"}, "with.count: want an integer, got a string", "no conversion"},
		"fraction":       {map[string]any{"count": 2.5}, "with.count: want an integer", "never cut off"},
		"huge float":     {map[string]any{"count": 1e300}, "with.count: want an integer", "not exact"},
		"huge":           {map[string]any{"count": uint64(1 << 63)}, "with.count: want an integer", "over 64 bits"},
		"text as bool":   {map[string]any{"on": "true"}, "with.on: want true or false", "no conversion"},
		"bad duration":   {map[string]any{"age": "1.5h"}, "with.age: \"1.5h\" is not a duration", "the grammar"},
		"number of time": {map[string]any{"age": int64(5)}, "with.age: want a string, got a number", "a unit is missing"},
		"literal secret": {map[string]any{"url": canary}, "with.url: a secret is never written", "and is not repeated"},
		"number secret":  {map[string]any{"url": int64(77123)}, "with.url: ", "a literal too"},
		"two sources":    {map[string]any{"url": map[string]any{"from": map[string]any{"env": "A", "file": "b"}}}, "with.url: ", "exactly one"},
		"exec":           {map[string]any{"text": map[string]any{"from": map[string]any{"exec": map[string]any{}}}}, "with.text: from.exec: command is missing", "a command has a name"},
		"beside from":    {map[string]any{"text": map[string]any{"from": map[string]any{"env": "A"}, "x": 1}}, "with.text: ", "nothing beside it"},
		"list for map":   {map[string]any{"headers": []any{}}, "with.headers: want an object, got a list", "types"},
		"map for list":   {map[string]any{"list": map[string]any{}}, "with.list: want a list, got an object", "types"},
		"in a list":      {map[string]any{"list": []any{"a", int64(1)}}, "with.list[1]: want a string", "elements have paths"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var a action
			err := steps.Decode(tc.with, &a)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("error %v, want %q (%s)", err, tc.want, tc.reason)
			}
			if strings.Contains(err.Error(), canary) || strings.Contains(err.Error(), "77123") || strings.Contains(err.Error(), "line 0") {
				t.Errorf("error %q shows what it must not", err)
			}
		})
	}
}

func TestDecodeReportsAllProblems(t *testing.T) {
	var a action
	err := steps.Decode(map[string]any{"x": 1, "count": "a", "keep": map[string]any{"y": 1}}, &a)
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("want three problems, got: %v", err)
	}
	if err := steps.Decode(nil, a); err == nil {
		t.Error("a struct that is no pointer was decoded into")
	}
	_ = a.private
}
