package all_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"plan/engine"
	"plan/schema"
	"plan/steps"
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
		known := engine.Kind{Name: k.Name, Schema: k.Schema, Outputs: outputs(k.Outputs), ExitCodes: k.ExitCodes}
		if k.Declares != nil {
			known.Declares = func(with map[string]any) []engine.Output { return outputs(k.Declares(with)) }
		}
		kinds = append(kinds, known)
	}
	lang, err := engine.NewLanguage(kinds, bundle(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	return lang
}

func outputs(all []steps.Output) (list []engine.Output) {
	for _, o := range all {
		list = append(list, engine.Output{Name: o.Name, Type: string(o.Type)})
	}
	return list
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
