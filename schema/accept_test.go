package schema

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const richPlan = `apiVersion: plan/v1
kind: Plan
metadata: {name: rich, description: much of the language}
spec:
  cluster: {name: "${{ params.name }}", expectUID: 5f0c1c9e-3b0a-4b0e-9a53-0d8f6f2d7c11, namespace: backups}
  params: {name: {type: string, default: a, pattern: "[a-z]+"}, many: {type: integer, minimum: 1, maximum: 9.5, enum: [1, 2]}}
  env: [HOME, USER]
  stores: {main: {dir: {path: backups}}, far: {s3: {bucket: b, endpoint: "https://s3.example"}}}
  defaults: {store: main, timeout: 5m, retry: {attempts: 2, when: [transient, timeout]}}
  maxParallel: 4
  timeout: 1h
  steps:
    - {id: pvs, uses: backup-pvs, with: {prefix: "p/", include: [longhorn], keep: {last: 3, daily: 7}, maxDelete: 5}, retry: {attempts: 3, delay: 5s, backoff: 1.5}}
    - {id: tidy, uses: prune, needs: [pvs], if: true, with: {artefact: pvs, keep: {last: "${{ params.many }}"}}}
    - {id: each, uses: backup-nodes, needs: [], matrix: {size: [1, 2], place: [a, true]}, maxParallel: 2, failFast: true}
  finally:
    - {id: tell, uses: notify, if: failure(), with: {url: {from: {env: HOOK}}, method: POST, headers: {X-Kind: plan}}}
`

// TestRulesAgreeWithTheLibrary changes a plan here and there and asks both whether it is valid.
func TestRulesAgreeWithTheLibrary(t *testing.T) {
	doc, problems := Parse("rich", []byte(richPlan))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	v, err := NewValidator(Published, nil)
	if err != nil {
		t.Fatal(err)
	}
	if v.quick.foreign != "" {
		t.Fatalf("the rules leave %s to the library, and so everything", v.quick.foreign)
	}
	library, err := v.compile("")
	if err != nil {
		t.Fatal(err)
	}
	valid := 0
	rapid.Check(t, func(t *rapid.T) {
		plan := Value(doc.Root)
		for range rapid.IntRange(0, 3).Draw(t, "changes") {
			plan = changed(t, plan)
		}
		said := library.Validate(plan)
		if got := v.root.accepts(Node(plan)); got != (said == nil) {
			t.Fatalf("rules say %v, the library %v, of %v", got, said, plan)
		}
		if said == nil {
			valid++
		}
	})
	if valid == 0 {
		t.Error("no plan was valid, so nothing was shown")
	}
}

// TestRulesExplainAsTheLibraryDoes: of a plan that is wrong in places the same is said, whoever is asked.
func TestRulesExplainAsTheLibraryDoes(t *testing.T) {
	doc, problems := Parse("rich", []byte(richPlan))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	v, err := NewValidator(Published, []string{"spec.lock", "uses: helm"})
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	rapid.Check(t, func(t *rapid.T) {
		plan := Value(doc.Root)
		for range rapid.IntRange(1, 6).Draw(t, "changes") {
			plan = changed(t, plan)
		}
		root := Node(plan)
		if v.root.accepts(root) {
			return
		}
		wrong := &Document{File: "rich", Root: root}
		own := v.explain(v.root, wrong, root, "")
		faults, err := v.ask("", wrong, root, "")
		if err != nil {
			t.Fatal(err)
		}
		if !own.sure() {
			t.Fatalf("the rules have no words for what is wrong with %v", plan)
		}
		if diff := cmp.Diff(tell(wrong, faults, false), own.problems()); diff != "" {
			t.Fatalf("the library (-) and the rules (+) differ on %v\n%s", plan, diff)
		}
		compared++
	})
	if compared == 0 {
		t.Error("no plan was wrong, so nothing was compared")
	}
}

// strange are values for any place.
var strange = []any{
	nil, true, false, int64(0), int64(1), int64(-3), int64(100000), 0.5, 8.0, "", "a", "A b", "in", "true", "pvs", "notify", "5m", "0s", "00h", "400000d", "x${{ y }}", "${{ y }}", "${{",
	"POST", "longhorn", "transient", []any{}, []any{"a", "a"}, []any{int64(1), 1.0}, []any{nil}, map[string]any{}, map[string]any{"from": map[string]any{"env": "A"}},
	map[string]any{"from": map[string]any{"file": "a", "env": "A"}}, map[string]any{"a": "b"}, map[string]any{"last": int64(1)},
}

// anything is a copy, for it is changed further.
func anything(t *rapid.T) any { return Value(Node(rapid.SampledFrom(strange).Draw(t, "value"))) }

// keysAnywhere are names that mean something somewhere.
var keysAnywhere = []string{"a", "A", "id", "uses", "needs", "with", "matrix", "include", "maxParallel", "failFast", "keep", "store", "from", "url", "retry", "timeout", "type", "x-y", "${{ z }}"}

// changed is v with something below it replaced, removed or added.
func changed(t *rapid.T, v any) any {
	switch v := v.(type) {
	case map[string]any:
		names := slices.Sorted(maps.Keys(v))
		if what := rapid.IntRange(0, 9).Draw(t, "what"); what > 1 && len(names) > 0 {
			key := rapid.SampledFrom(names).Draw(t, "key")
			v[key] = changed(t, v[key])
			return v
		} else if what == 1 && len(names) > 0 {
			delete(v, rapid.SampledFrom(names).Draw(t, "removed"))
			return v
		}
		v[rapid.SampledFrom(keysAnywhere).Draw(t, "added")] = anything(t)
		return v
	case []any:
		if len(v) > 0 && rapid.IntRange(0, 9).Draw(t, "what") > 0 {
			i := rapid.IntRange(0, len(v)-1).Draw(t, "index")
			v[i] = changed(t, v[i])
			return v
		}
		return append(v, anything(t))
	}
	return anything(t)
}
