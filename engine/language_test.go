package engine_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"plan/engine"
	"plan/schema"
)

var update = flag.Bool("update", false, "write the expected output of golden tests anew")

const workSchema = `{"type": "object", "additionalProperties": false, "properties": {
	"store": {"type": "string", "minLength": 1}, "prefix": {"type": "string"}, "count": {"type": "integer", "minimum": 1},
	"ratio": {"type": "number"}, "flag": {"type": "boolean"}, "minAge": {"$ref": "defs.json#/$defs/duration"},
	"keep": {"$ref": "defs.json#/$defs/keep"}, "mode": {"enum": ["fast", "safe"]}, "labels": {"type": "array", "items": {"type": "string"}},
	"any": {"description": "Anything."}, "ids": {"type": "array", "uniqueItems": true, "maxItems": 3, "items": {"type": "integer"}}}}`

const notifySchema = `{"type": "object", "additionalProperties": false, "required": ["url"], "properties": {
	"url": {"description": "The URL to call. It is secret.", "$ref": "defs.json#/$defs/secret"}, "status": {"type": "string"},
	"headers": {"type": "object", "additionalProperties": {"$ref": "defs.json#/$defs/value"}}}}`

// kinds are those of the tests' plans.
func kinds() []engine.Kind {
	return []engine.Kind{
		{Name: "work", Schema: []byte(workSchema), Outputs: []engine.Output{
			{Name: "key", Type: "string"}, {Name: "size", Type: "integer"}, {Name: "ok", Type: "boolean"}, {Name: "age", Type: "duration"}, {Name: "pruned", Type: "list"}}},
		{Name: "notify", Schema: []byte(notifySchema), Outputs: []engine.Output{{Name: "code", Type: "integer"}}, Attempts: 5},
		{Name: "quiet", Schema: []byte(`{"type": "object", "additionalProperties": false}`)},
		{Name: "job", Schema: []byte(jobSchema), Outputs: []engine.Output{{Name: "uid", Type: "string"}}, Attempts: 1, Timeout: time.Hour, Declares: declares, ExitCodes: true},
	}
}

const jobSchema = `{"type": "object", "additionalProperties": false, "properties": {
	"name": {"type": "string"}, "outputs": {"type": "object", "additionalProperties": {"enum": ["string", "integer", "number", "boolean", "list"]}}}}`

// declares are the outputs that a step of kind job names.
func declares(with map[string]any) (list []engine.Output) {
	outputs, _ := with["outputs"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(outputs)) {
		word, _ := outputs[name].(string)
		list = append(list, engine.Output{Name: name, Type: word})
	}
	return list
}

// language is that of the tests' plans, with some more kinds.
func language(t testing.TB, more ...engine.Kind) *engine.Language {
	t.Helper()
	var forSchema []schema.Kind
	list := append(kinds(), more...)
	for _, k := range list {
		forSchema = append(forSchema, schema.Kind{Name: k.Name, Schema: k.Schema, ExitCodes: k.ExitCodes})
	}
	bundle, err := schema.Bundle(forSchema)
	if err != nil {
		t.Fatal(err)
	}
	lang, err := engine.NewLanguage(list, bundle, []string{"uses: run-job"})
	if err != nil {
		t.Fatal(err)
	}
	return lang
}

// options reads the comments that a case begins with: `# --set NAME=VALUE`, `# env NAME=VALUE`, `# offline`.
func options(text string) engine.LoadOptions {
	env := map[string]string{}
	o := engine.LoadOptions{Set: map[string]string{}, Getenv: func(name string) (string, bool) { v, ok := env[name]; return v, ok }}
	for line := range strings.Lines(text) {
		word, rest, _ := strings.Cut(strings.TrimSpace(strings.TrimPrefix(line, "#")), " ")
		name, value, _ := strings.Cut(rest, "=")
		switch {
		case !strings.HasPrefix(line, "#"):
			return o
		case word == "--set":
			o.Set[name] = value
		case word == "env":
			env[name] = value
		case word == "offline":
			o.Offline = true
		}
	}
	return o
}

// TestMessages holds what is said about every kind of slip against the golden archives. Run with -update to write them anew.
func TestMessages(t *testing.T) {
	archives, err := filepath.Glob("testdata/messages/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatal("no archives", err)
	}
	lang := language(t)
	for _, name := range archives {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i+1 < len(archive.Files); i += 2 {
			in, out := archive.Files[i], &archive.Files[i+1]
			t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar")+"/"+strings.TrimSuffix(in.Name, ".yaml"), func(t *testing.T) {
				if strings.TrimSuffix(in.Name, ".yaml") != strings.TrimSuffix(out.Name, ".txt") {
					t.Fatalf("%s is followed by %s", in.Name, out.Name)
				}
				got := "valid\n"
				if _, err := lang.Load(engine.Source{File: "plan.yaml", Data: in.Data}, options(string(in.Data))); err != nil {
					got = err.Error() + "\n"
				}
				if *update {
					out.Data = []byte(got)
				} else if diff := cmp.Diff(string(out.Data), got); diff != "" {
					t.Errorf("the message is another one (-want +got):\n%s", diff)
				}
			})
		}
		if *update {
			if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestTooManySteps(t *testing.T) {
	_, err := language(t).Load(engine.Source{File: "p", Data: []byte(header + "  steps:\n" + strings.Repeat("    - {id: a, uses: quiet}\n", 10001))}, engine.LoadOptions{})
	if err == nil || !strings.Contains(err.Error(), "more than 10000 entries") {
		t.Errorf("%.300v", err)
	}
	var b strings.Builder
	b.WriteString(header + "  steps:\n")
	for i := range 10001 {
		if i == 6000 {
			b.WriteString("  finally:\n")
		}
		fmt.Fprintf(&b, "    - {id: s%d, uses: quiet}\n", i)
	}
	_, err = language(t).Load(engine.Source{File: "p", Data: []byte(b.String())}, engine.LoadOptions{})
	if err == nil || !strings.HasPrefix(err.Error(), "p:10007:7: spec.finally[4000]: the plan has 10001 steps; at most 10000 are allowed") {
		t.Errorf("%.300v", err)
	}
}

// FuzzExpression: whatever stands in an expression, loading and evaluating it neither panics nor takes over the cost limit, and problems stand
// in the file.
func FuzzExpression(f *testing.F) {
	for _, s := range []string{"1", "params.keep > 1", "steps.pvs.outputs.key", "steps.a-b.x", "[1,2].map(x, x * 2)", "success() && !cancelled()", "'}}'", "{'a': 1}.a",
		"steps['pvs'].outputs.?key.orValue('')", "params[params.keep]", "steps.?pvs.?outputs", "has(steps.pvs)", "a.b.c(d)[e]", "b'abc'", "timestamp('x')", "[[[[1]]]]",
		"params.list.all(x, params.list.exists(y, x == y))", "dyn(1) + 'a'", "r'\\'", "'''a'''", "type(1)", "1u", "0x1F", "-9223372036854775808", "// x", "string(b'\\xff')", "optional.of(1)"} {
		f.Add(s)
	}
	lang := language(f)
	f.Fuzz(func(t *testing.T, expr string) {
		quoted, err := json.Marshal(expr)
		whole, err2 := json.Marshal("${{" + expr + "}}")
		if err != nil || err2 != nil || len(expr) > 5000 {
			t.Skip("not a case: no text, or longer than any expression may be")
		}
		text := header + "  params: {keep: {type: integer, default: 3}, list: {type: list, default: [1, a]}}\n  steps:\n    - {id: pvs, uses: work}\n" +
			"    - {id: b, uses: work, if: " + string(quoted) + "}\n    - {id: c, uses: work, with: {any: " + string(whole) + "}}\n"
		p, err := lang.Load(engine.Source{File: "p", Data: []byte(text)}, engine.LoadOptions{})
		if problems, ok := engine.AsProblems(err); err != nil && !ok {
			t.Fatal(err)
		} else if err != nil {
			for _, problem := range problems {
				if problem.Line < 0 || problem.Line > 9 {
					t.Fatalf("%+v", problem)
				}
			}
			return
		}
		vars := &engine.Vars{Success: true, Steps: map[string]engine.StepVars{"pvs": {Outcome: engine.Failed}, "b": {}}}
		if p.Steps[1].If != nil {
			_, _ = p.Steps[1].If(vars)
		}
		if in, err := p.Steps[2].Inputs(vars); err == nil {
			schema.Node(in.With) // panics on what is not JSON-like
		}
	})
}
