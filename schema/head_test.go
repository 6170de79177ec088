package schema

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
	"pgregory.net/rapid"
)

// TestHeadSaysWhatTheFileSays cuts plans that are wrong in places after each line: every problem of the first lines is one of the plan.
func TestHeadSaysWhatTheFileSays(t *testing.T) {
	doc, problems := Parse("rich", []byte(richPlan))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	v, err := NewValidator(Published, nil)
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	rapid.Check(t, func(t *rapid.T) {
		plan := Value(doc.Root)
		for range rapid.IntRange(1, 6).Draw(t, "changes") {
			plan = changed(t, plan)
		}
		data, err := yaml.Marshal(plan)
		if err != nil {
			t.Fatal(err)
		}
		whole, strict := Parse("p", data)
		if len(strict) > 0 {
			return
		}
		known := map[string]bool{}
		for _, p := range v.Document(whole) {
			known[p.Headline()] = true
		}
		lines := bytes.SplitAfter(data, []byte("\n"))
		for end := range lines {
			head, _ := parseHead("p", bytes.Join(lines[:end], nil))
			if head == nil {
				continue
			}
			for _, p := range v.Document(head) {
				if told++; !known[p.Headline()] {
					t.Fatalf("the first %d lines say %s, all of the file does not:\n%s", end, p.Headline(), data)
				}
			}
		}
	})
	if told == 0 {
		t.Error("the first lines never told anything, so nothing was compared")
	}
}

// wrongSteps is a plan of n steps, each with something that goes wrong.
func wrongSteps(n int, step string) []byte {
	var b strings.Builder
	b.WriteString("apiVersion: plan/v1\nkind: Plan\nmetadata: {name: x}\nspec:\n  steps:\n")
	for i := range n {
		fmt.Fprintf(&b, "    - {id: s%d, %s}\n", i, step)
	}
	return []byte(b.String())
}

func TestTheSearchEndsWhereProblemsAreMany(t *testing.T) {
	v, err := NewValidator(Published, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{10, 300, 9000} {
		doc, problems := Parse("p", wrongSteps(n, "uses: list-pvs, neds: []"))
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		problems = v.Document(doc)
		if got, want := len(problems), min(n, MaxProblems+1); got != want || problems.Stopped() != (n > MaxProblems) {
			t.Errorf("%d steps: %d problems, stopped %v", n, got, problems.Stopped())
		}
		if text := problems.Error(); strings.Contains(text, "… and at least 150 more") != (n > MaxProblems) {
			t.Errorf("%d steps: %s", n, text)
		}
	}
	large, problems := Scan("p", wrongSteps(9000, "uses: list-pvs, neds: []"))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if doc, _ := large.Head(); doc == nil || !v.Document(doc).Stopped() {
		t.Error("the first lines of a large plan do not end the search")
	}
}

// A secret that nobody has looked for yet must not be shown beside a problem of its line.
func TestWhatWasNotLookedAtIsNotShown(t *testing.T) {
	v, err := NewValidator(Published, nil)
	if err != nil {
		t.Fatal(err)
	}
	data := "apiVersion: plan/v1\nkind: Plan\nmetadata: {name: x}\nspec: {zz: 1, steps: [{id: a, uses: notify, needs: [" + strings.Repeat("1,", 1200) + "], with: {url: hunter2}}]}\n"
	doc, problems := Parse("p", []byte(data))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for _, p := range v.Document(doc) {
		if p.Source != "" {
			t.Fatalf("the line is shown: %s", p.Headline())
		}
	}
}
