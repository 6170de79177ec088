package all_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"
	"pgregory.net/rapid"

	"plan/engine"
	"plan/schema"
)

// TestSchemaAndBinaryAgree makes plans with at most one structural slip: the binary refuses what the published schema refuses, and nothing else.
// PLAN_AGREE is the number of plans, 5,000 when it is not set: half of them the same each time, half from a seed that is printed.
func TestSchemaAndBinaryAgree(t *testing.T) {
	n, seed := int(number(t, "PLAN_AGREE", 5000)), number(t, "PLAN_AGREE_SEED", rand.Uint64())
	lang, editor := language(t), published(t)
	refused := 0
	property := func(t *rapid.T) {
		if agree(t, lang, editor) {
			refused++
		}
	}
	checkWith(t, (n+1)/2, 1, property)
	fmt.Printf("schema and binary: PLAN_AGREE_SEED=%d\n", seed)
	checkWith(t, n-(n+1)/2, seed, property)
	fmt.Printf("schema and binary: %d plans, %d refused by both\n", n, refused)
	if refused < n/10 {
		t.Errorf("only %d of %d plans were refused: the slips miss", refused, n)
	}
}

func number(t *testing.T, name string, fallback uint64) uint64 {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		return fallback
	}
	n, err := strconv.ParseUint(v, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// checkWith runs a property n times from a seed.
func checkWith(t *testing.T, n int, seed uint64, property func(*rapid.T)) {
	t.Helper()
	for name, value := range map[string]string{"rapid.checks": strconv.Itoa(n), "rapid.seed": strconv.FormatUint(seed, 10), "rapid.nofailfile": "true"} {
		if err := flag.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	rapid.Check(t, property)
}

// agree tells whether both refuse a plan.
func agree(t *rapid.T, lang *engine.Language, editor *jsonschema.Schema) bool {
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
	if refused == nil && onlyReferences(err) {
		return false
	}
	if (err != nil) != (refused != nil) {
		t.Fatalf("the binary says %v, the schema %v, of\n%s", err, refused, data)
	}
	return err != nil
}

// onlyReferences tells whether all that is wrong is a name that leads nowhere, which a schema cannot see: a slip may take away the axis that
// an exclude names.
func onlyReferences(err error) bool {
	problems, ok := engine.AsProblems(err)
	for _, p := range problems {
		ok = ok && strings.HasPrefix(p.Message, "the matrix has no axis ")
	}
	return ok
}

type object = map[string]any

func randomPlan(t *rapid.T) object {
	steps := []any{}
	for i := range rapid.IntRange(1, 4).Draw(t, "steps") {
		step := object{"id": "s" + string(rune('a'+i)), "uses": "list-pvs"}
		switch rapid.IntRange(0, 6).Draw(t, "kind") {
		case 0:
			step["uses"], step["with"] = "prune", object{"artefact": rapid.SampledFrom([]string{"pvs", "nodes"}).Draw(t, "artefact"),
				"keep": object{rapid.SampledFrom([]string{"last", "daily", "monthly"}).Draw(t, "rule"): rapid.IntRange(1, 50).Draw(t, "n")}}
		case 1:
			step["uses"], step["with"] = "notify", object{"url": object{"from": object{"env": "URL"}}, "status": "s"}
		case 2:
			step["uses"], step["with"] = "backup-pvs", object{"include": []any{"longhorn"}, "minAge": "1d", "prefix": "p/", "maxDelete": "${{ 5 }}"}
		case 3:
			step["uses"], step["with"] = "backup-nodes", object{"prefix": "n/", "keep": object{"last": 2}, "minAge": "1h"}
		case 4:
			step["uses"], step["with"] = "verify-store", object{"prefix": "p/", "maxAge": "1d", "minSize": "10Mi", "pattern": "a.*"}
		case 5:
			step["uses"], step["with"] = "verify-object", object{"resource": "velero.io/v1/backups", "namespace": "velero", "time": ".status.completionTimestamp", "maxAge": "1d"}
		}
		if rapid.Bool().Draw(t, "matrix") {
			step["matrix"] = object{"region": []any{"eu", "us", 3}, "hot": []any{true, false}, "include": []any{object{"region": "eu", "zone": "z"}}, "exclude": []any{object{"region": "us", "hot": true}}}
			step["maxParallel"], step["failFast"] = 2, true
		}
		if rapid.Bool().Draw(t, "more") {
			step["timeout"], step["retry"], step["needs"], step["name"] = "5m", object{"attempts": 2, "when": []any{"timeout"}}, []any{}, "a name"
		}
		if rapid.IntRange(0, 23).Draw(t, "coded") == 0 { // refused but for run-job
			step["retry"] = object{"exitCodes": []any{75, 3}}
		}
		steps = append(steps, step)
	}
	spec := object{"steps": steps, "maxParallel": 4, "stores": object{"main": object{"dir": object{"path": "./b"}}}, "cluster": object{"name": "home"},
		"params": object{"keep": object{"type": "integer", "default": 3}}, "defaults": object{"retry": object{"attempts": 1, "exitCodes": []any{1, 75}}}}
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
