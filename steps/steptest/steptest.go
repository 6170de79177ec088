// Package steptest holds a kind's parts together: Go code, schema, README, example and behaviour.
package steptest

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"plan/schema"
	"plan/steps"
)

// Fixture is what Conforms needs besides the kind.
type Fixture struct {
	// With is a valid step's with. It should use many fields.
	With map[string]any

	// World makes a fresh world in which that step has something to do; NewWorld is a start.
	World func(t *testing.T) *World

	// Prepare may be nil. It completes an action as only the kind's own package can.
	Prepare func(t *testing.T, w *World, a steps.Action)

	// Repeats says that a second Run does its work again.
	Repeats bool
}

// Conforms checks a kind, in the folder of the kind's package. What it checks is what package steps says of every kind.
func Conforms(t *testing.T, kind steps.Kind, f Fixture) {
	t.Helper()
	t.Run("files", func(t *testing.T) { checkFiles(t, kind) })
	t.Run("schema", func(t *testing.T) { checkSchema(t, kind) })
	t.Run("example", func(t *testing.T) { checkExample(t, kind) })
	t.Run("behaviour", func(t *testing.T) {
		c := conformance{kind: kind, fixture: f}
		t.Run("plan writes nothing", c.planWritesNothing)
		t.Run("run does what plan says", c.runDoesWhatPlanSays)
		t.Run("run twice", c.runTwice)
		t.Run("cancelled", c.cancelled)
		t.Run("secrets", c.secrets)
		t.Run("render", c.render)
	})
}

func checkFiles(t *testing.T, kind steps.Kind) {
	for name, want := range map[string][]byte{"README.md": []byte(kind.Doc), "schema.json": kind.Schema} {
		got, err := os.ReadFile(name)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the kind has embedded (%v)", name, err)
		}
	}
	for _, f := range steps.Fields(actionType(kind)) {
		mentions(t, kind, "field", f.Name)
	}
	for _, o := range kind.Outputs {
		mentions(t, kind, "output", o.Name)
		if o.Doc == "" {
			t.Errorf("output %s has no description", o.Name)
		}
	}
	if !strings.HasPrefix(kind.Doc, "# "+kind.Name+"\n") {
		t.Errorf("README.md does not begin with # %s", kind.Name)
	}
}

func mentions(t *testing.T, kind steps.Kind, what, name string) {
	if !strings.Contains(kind.Doc, "`"+name+"`") {
		t.Errorf("README.md does not mention the %s `%s`", what, name)
	}
}

func checkExample(t *testing.T, kind steps.Kind) {
	data, err := os.ReadFile("example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	list, err := steps.ExampleSteps(data)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, s := range list {
		if s.Uses == kind.Name {
			found = true
			checkWith(t, kind, withoutExpressions(s.With).(map[string]any))
		}
	}
	if !found {
		t.Errorf("example.yaml has no step that uses %s", kind.Name)
	}
}

// checkWith wants a with that schema, decoder and action accept.
func checkWith(t *testing.T, kind steps.Kind, with map[string]any) steps.Action {
	t.Helper()
	compiled, err := schema.CompileKind(kind.Name, kind.Schema)
	if err != nil {
		t.Fatal(err)
	}
	if err := compiled.Validate(throughJSON(t, with)); err != nil {
		t.Errorf("the schema refuses it: %#v", err)
	}
	action := kind.New()
	if err := steps.Decode(with, action); err != nil {
		t.Fatalf("decode: %v", err)
	}
	if err := action.Validate(); err != nil {
		t.Errorf("validate: %v", err)
	}
	return action
}

func throughJSON(t *testing.T, with map[string]any) any {
	t.Helper()
	if with == nil {
		with = map[string]any{}
	}
	data, err := json.Marshal(with)
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// withoutExpressions leaves out what only a run knows.
func withoutExpressions(v any) any {
	hidden := func(v any) bool { s, ok := v.(string); return ok && strings.Contains(s, "${{") }
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, value := range v {
			if !hidden(value) {
				out[key] = withoutExpressions(value)
			}
		}
		return out
	case []any:
		out := []any{}
		for _, value := range v {
			if !hidden(value) {
				out = append(out, withoutExpressions(value))
			}
		}
		return out
	}
	return v
}

func actionType(kind steps.Kind) reflect.Type { return reflect.TypeOf(kind.New()).Elem() }
