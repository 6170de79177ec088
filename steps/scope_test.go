package steps_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"
	"pgregory.net/rapid"

	"plan/steps"
)

// TestNamesOfAttemptsNeverMeet: names that were cut once collided. Plans and steps whose first 20 characters are the same have names of their own.
func TestNamesOfAttemptsNeverMeet(t *testing.T) {
	seen := map[string]steps.Scope{}
	id := rapid.StringMatching(`[a-z]([a-z0-9]|-[a-z0-9]){0,18}`)
	rapid.Check(t, func(t *rapid.T) {
		s := steps.Scope{
			Plan: "a-plan-with-a-very-lo" + id.Draw(t, "plan"), Step: "a-step-with-a-very-lo" + id.Draw(t, "step"), Run: id.Draw(t, "run"),
			Instance: rapid.SampledFrom([]string{"", `{"region":"eu"}`, `{"region":"us"}`}).Draw(t, "instance"), Attempt: rapid.IntRange(1, 100).Draw(t, "attempt"),
		}
		name := s.ObjectName()
		if bad := validation.IsDNS1123Label(name); len(bad) > 0 || len(name) > 52 {
			t.Fatalf("%q: %v", name, bad)
		}
		other, there := seen[name]
		other.Plan = s.Plan // no part of what tells runs apart: the run's id is
		if there && other != s {
			t.Fatalf("%+v and %+v are both %s", s, other, name)
		}
		seen[name] = s
	})
}
