package all_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"
	"pgregory.net/rapid"

	"plan/engine"
	"plan/schema"
	"plan/steps/all"
)

// TestPublishedSchemaIsFresh holds the embedded schema against the kinds it was made from.
func TestPublishedSchemaIsFresh(t *testing.T) {
	want, err := all.Bundle()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(bytes.TrimSpace(want), bytes.TrimSpace(schema.Published)) {
		t.Error("schema/plan.schema.json is stale: run make generate")
	}
}

func bundle(t testing.TB) []byte {
	t.Helper()
	data, err := all.Bundle()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func language(t testing.TB) *engine.Language {
	t.Helper()
	var kinds []engine.Kind
	for _, k := range all.Kinds() {
		known := engine.Kind{Name: k.Name, Schema: k.Schema}
		for _, o := range k.Outputs {
			known.Outputs = append(known.Outputs, engine.Output{Name: o.Name, Type: string(o.Type)})
		}
		kinds = append(kinds, known)
	}
	lang, err := engine.NewLanguage(kinds, bundle(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	return lang
}

// published is the schema as an editor has it, without what the binary adds.
func published(t testing.TB) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.Draft = jsonschema.Draft2020
	if err := c.AddResource(schema.ID, bytes.NewReader(bundle(t))); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile(schema.ID)
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// TestExamplesAreValid loads the example of every kind.
func TestExamplesAreValid(t *testing.T) {
	lang, editor := language(t), published(t)
	for _, k := range all.Kinds() {
		name := filepath.Join("..", strings.ReplaceAll(k.Name, "-", ""), "example.yaml")
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := lang.Load(engine.Source{File: name, Data: data}, engine.LoadOptions{Offline: true}); err != nil {
			t.Error(err)
		}
		doc, problems := schema.Parse(name, data)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		if err := editor.Validate(schema.Value(doc.Root)); err != nil {
			t.Errorf("the published schema refuses what the binary takes: %v", err)
		}
	}
}

func document(t testing.TB, text string) any {
	t.Helper()
	doc, problems := schema.Parse("p", []byte("apiVersion: plan/v1\nkind: Plan\nmetadata: {name: x}\nspec:\n"+text))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return schema.Value(doc.Root)
}

// TestWhereExpressionsMayStand holds the published schema against single fields.
func TestWhereExpressionsMayStand(t *testing.T) {
	editor := published(t)
	cases := map[string]bool{
		`uses: prune, with: {artefact: pvs, keep: {last: 1}}`:                             true,
		`uses: prune, with: {artefact: pvs, keep: {last: "${{ params.n }}"}}`:             true,
		`uses: prune, with: {artefact: pvs, keep: {last: "n${{ params.n }}"}}`:            false,
		`uses: prune, with: {artefact: pvs, keep: "${{ params.n }}"}`:                     true,
		`uses: prune, with: {artefact: "${{ params.a }}", keep: {last: 1}}`:               true,
		`uses: prune, with: {artefact: pods, keep: {last: 1}}`:                            false,
		`uses: prune, with: {artefact: pvs, keep: {last: x}}`:                             false,
		`uses: prune, with: {artefact: pvs, keep: {last: 1}, minAge: "${{ params.n }}d"}`: true,
		`uses: prune, with: {artefact: pvs, keep: {last: 1}, minAge: tomorrow}`:           false,
		`uses: prune, with: {artefact: pvs, keep: {last: 1}, maxDelete: "${{ 1 }}"}`:      true,
		`uses: prune`: false,
		`uses: notify, with: {url: {from: {env: A}}, status: "${{ run.outcome }}"}`:                   true,
		`uses: notify, with: {url: "${{ params.url }}"}`:                                              false,
		`uses: notify, with: {url: "https://x"}`:                                                      false,
		`uses: notify, with: {url: {from: "${{ params.url }}"}}`:                                      false,
		`uses: notify, with: {url: {from: {env: A}}, headers: {X: "a${{ 1 }}", Z: {from: {env: B}}}}`: true,
		`uses: notify, with: {url: {from: {env: A}}, method: "${{ params.m }}"}`:                      true,
		`uses: notify, with: {url: {from: {env: A}}, method: DELETE}`:                                 false,
		`uses: backup-pvs, with: {include: ["${{ params.i }}", longhorn]}`:                            true,
		`uses: backup-pvs, with: {include: "${{ params.l }}"}`:                                        true,
		`uses: backup-pvs, with: {include: [velero]}`:                                                 false,
		`uses: backup-pvs, timeout: "${{ params.t }}"`:                                                true,
		`uses: backup-pvs, continueOnError: "${{ params.t }}"`:                                        false,
		`uses: backup-pvs, retry: {attempts: "${{ params.t }}"}`:                                      false,
		`uses: list-pvs`:               true,
		`uses: list-pvs, with: {a: 1}`: false,
		`uses: no-such-kind`:           false,
		`uses: list-pvs, id2: b`:       false,
	}
	for step, valid := range cases {
		err := editor.Validate(document(t, "  steps:\n    - {id: a, "+step+"}\n"))
		if (err == nil) != valid {
			t.Errorf("%s: %v", step, err)
		}
	}
}

// TestSchemaAndBinaryAgree makes plans with at most one structural slip: the binary refuses what the published schema refuses, and nothing else.
func TestSchemaAndBinaryAgree(t *testing.T) {
	lang, editor := language(t), published(t)
	rapid.Check(t, func(t *rapid.T) {
		plan := randomPlan(t)
		if rapid.Bool().Draw(t, "slip") {
			slip(t, plan)
		}
		data, err := json.Marshal(plan) // which is YAML too
		if err != nil {
			t.Fatal(err)
		}
		doc, problems := schema.Parse("p", data)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		refused := editor.Validate(schema.Value(doc.Root))
		_, err = lang.Load(engine.Source{File: "p", Data: data}, engine.LoadOptions{})
		if (err != nil) != (refused != nil) {
			t.Fatalf("the binary says %v, the schema %v, of\n%s", err, refused, data)
		}
	})
}

type object = map[string]any

func randomPlan(t *rapid.T) object {
	steps := []any{}
	for i := range rapid.IntRange(1, 4).Draw(t, "steps") {
		step := object{"id": "s" + string(rune('a'+i)), "uses": "list-pvs"}
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			step["uses"], step["with"] = "prune", object{"artefact": rapid.SampledFrom([]string{"pvs", "nodes"}).Draw(t, "artefact"),
				"keep": object{rapid.SampledFrom([]string{"last", "daily", "monthly"}).Draw(t, "rule"): rapid.IntRange(1, 50).Draw(t, "n")}}
		case 1:
			step["uses"], step["with"] = "notify", object{"url": object{"from": object{"env": "URL"}}, "status": "s"}
		case 2:
			step["uses"], step["with"] = "backup-pvs", object{"include": []any{"longhorn"}, "minAge": "1d", "prefix": "p/", "maxDelete": "${{ 5 }}"}
		}
		if rapid.Bool().Draw(t, "more") {
			step["timeout"], step["retry"], step["needs"], step["name"] = "5m", object{"attempts": 2, "when": []any{"timeout"}}, []any{}, "a name"
		}
		steps = append(steps, step)
	}
	spec := object{"steps": steps, "maxParallel": 4, "stores": object{"main": object{"dir": object{"path": "./b"}}}, "cluster": object{"name": "home"},
		"params": object{"keep": object{"type": "integer", "default": 3}}, "defaults": object{"retry": object{"attempts": 1}}}
	return object{"apiVersion": "plan/v1", "kind": "Plan", "metadata": object{"name": "x"}, "spec": spec}
}

// slip changes one place at random: a field too many, one too few, or a value of another kind. What is left may still be sound.
func slip(t *rapid.T, v any) {
	switch v := v.(type) {
	case object:
		if len(v) == 0 {
			return
		}
		key := rapid.SampledFrom(slices.Sorted(maps.Keys(v))).Draw(t, "field")
		switch below, _ := json.Marshal(v[key]); rapid.IntRange(0, 3).Draw(t, "slip") {
		case 0:
			v["zzz"] = "z"
		case 1:
			delete(v, key)
		case 2:
			v[key] = rapid.SampledFrom([]any{nil, 0, -1, "", "X y!", true, []any{}, []any{"q", "q"}, object{}, 1.5, "5x"}).Draw(t, "value")
		default:
			if below[0] == '{' || below[0] == '[' {
				slip(t, v[key])
			} else {
				v[key+"x"] = v[key]
			}
		}
	case []any:
		if len(v) > 0 {
			slip(t, v[rapid.IntRange(0, len(v)-1).Draw(t, "entry")])
		}
	}
}
