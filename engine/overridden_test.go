package engine_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plan/engine"
)

func TestOverrides(t *testing.T) {
	spec := "  cluster: {context: home}\n  steps: [{id: a, uses: work, with: {prefix: old}}, {id: b, uses: work}]\n"
	apply := func(overrides ...engine.Override) (*engine.Plan, error) {
		return language(t).Load(engine.Source{File: "p.yaml", Data: []byte(header + spec)}, engine.LoadOptions{
			Overrides: func(file map[string]any) ([]engine.Override, error) {
				if file["kind"] != "Plan" {
					t.Error("the file's values are not handed over")
				}
				return overrides, nil
			}})
	}
	p, err := apply(
		engine.Override{Path: []string{"spec", "cluster", "context"}, Value: "lab", Origin: "--context", Shown: "lab"},
		engine.Override{Path: []string{"spec", "cluster", "namespace"}, Value: "ns", Origin: "NS", Shown: "ns", FillOnly: true},
		engine.Override{Path: []string{"spec", "cluster", "context"}, Value: "lab", Origin: "K8S_CONTEXT", Shown: "lab", FillOnly: true},
		engine.Override{Path: []string{"spec", "steps", "0", "with", "prefix"}, Value: "dflt", Origin: "D", Default: true},
		engine.Override{Path: []string{"spec", "steps", "1", "with", "count"}, Value: int64(4), Origin: "COUNT", Shown: "4"},
		engine.Override{Path: []string{"spec", "steps", "1", "with", "prefix"}, Value: "dflt", Origin: "D", Shown: "dflt", Default: true},
	)
	if err != nil {
		t.Fatal(err)
	}
	want := []engine.Applied{
		{Field: "cluster.context", Value: "lab", Origin: "--context", Over: "p.yaml:5"},
		{Field: "cluster.namespace", Value: "ns", Origin: "NS"},
		{Field: "steps.b.count", Value: "4", Origin: "COUNT"},
		{Field: "steps.b.prefix", Value: "dflt", Origin: "D"},
	}
	if diff := cmp.Diff(want, p.Overrides); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]any{"context": "lab", "namespace": "ns"}, p.Cluster); diff != "" {
		t.Error(diff)
	}
	in, _ := p.Steps[1].Inputs(&engine.Vars{})
	if diff := cmp.Diff(map[string]any{"count": int64(4), "prefix": "dflt"}, in.With); diff != "" {
		t.Error(diff)
	}
	refused := map[string]engine.Override{
		"the file says home and the variable K8S_CONTEXT says lab": {Path: []string{"spec", "cluster", "context"}, Value: "lab", Origin: "K8S_CONTEXT", Shown: "lab", FillOnly: true},
		"variable COUNT: spec.steps[1].with.count: expected an":    {Path: []string{"spec", "steps", "1", "with", "count"}, Value: "x", Origin: "COUNT", Shown: "x"},
		"flag --x: spec.steps[1].with.cuont: unknown field":        {Path: []string{"spec", "steps", "1", "with", "cuont"}, Value: "x", Origin: "--x", Shown: "x"},
		"variable COUNT: spec.steps[1].with.count: must be at":     {Path: []string{"spec", "steps", "1", "with", "count"}, Value: int64(0), Origin: "COUNT", Shown: "0"},
	}
	for want, override := range refused {
		if _, err := apply(override); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	boom := errors.New("boom")
	_, err = language(t).Load(engine.Source{Data: []byte(header + spec)}, engine.LoadOptions{Overrides: func(map[string]any) ([]engine.Override, error) { return nil, boom }})
	if !errors.Is(err, boom) {
		t.Error(err)
	}
}

func TestHash(t *testing.T) {
	spec := "  env: [A]\n  params: {keep: {type: integer, default: 3, env: KEEP}}\n  steps: [{id: a, uses: work}]\n"
	hash := func(spec string, set map[string]string, env map[string]string, overrides ...engine.Override) string {
		return load(t, spec, engine.LoadOptions{Set: set, Getenv: func(n string) (string, bool) { v, ok := env[n]; return v, ok },
			Overrides: func(map[string]any) ([]engine.Override, error) { return overrides, nil }}).Hash
	}
	context := func(origin, value string) engine.Override {
		return engine.Override{Path: []string{"spec", "cluster", "context"}, Value: value, Shown: value, Origin: origin}
	}
	base := hash(spec, nil, nil)
	same := map[string]string{
		"again":                     hash(spec, nil, nil),
		"the default given":         hash(spec, map[string]string{"keep": "3"}, nil),
		"the default in a variable": hash(spec, nil, map[string]string{"KEEP": "3"}),
		"another variable":          hash(spec, nil, map[string]string{"B": "3"}),
	}
	for name, got := range same {
		if got != base {
			t.Errorf("%s changes the hash", name)
		}
	}
	if hash(spec, nil, nil, context("--context", "a")) != hash(spec, nil, nil, context("PLAN_CONTEXT", "a")) {
		t.Error("the origin of a value changes the hash")
	}
	different := map[string]string{
		"a comment":         hash(spec+"# x\n", nil, nil),
		"a parameter":       hash(spec, map[string]string{"keep": "4"}, nil),
		"a variable":        hash(spec, nil, map[string]string{"A": "1"}),
		"another variable":  hash(spec, nil, map[string]string{"A": "2"}),
		"an override":       hash(spec, nil, nil, context("--context", "a")),
		"another override":  hash(spec, nil, nil, context("--context", "b")),
		"nothing":           base,
		"a variable for it": hash(spec, nil, map[string]string{"KEEP": "5"}),
	}
	seen := map[string]string{}
	for name, got := range different {
		if other, ok := seen[got]; ok || len(got) != 64 {
			t.Errorf("%s and %s have the hash %s", name, other, got)
		}
		seen[got] = name
	}
}
