package bundle_test

import (
	"fmt"
	"strings"
	"testing"

	"plan/internal/bundle"
)

func TestWhatIsRefused(t *testing.T) {
	collide := tree("a", 10)
	collide.Digest = tree("b", 20).Digest[:20] + strings.Repeat("0", 51)
	for name, c := range map[string]struct {
		change func(*bundle.Spec)
		want   string
		reason string
	}{
		"long name":        {func(s *bundle.Spec) { s.Name = strings.Repeat("n", 53) }, "at most 52", "a Job has eleven characters more, and its pods six"},
		"name":             {func(s *bundle.Spec) { s.Name = "Nightly" }, `name "Nightly"`, "the server refuses it"},
		"namespace":        {func(s *bundle.Spec) { s.Namespace = "" }, "namespace", "subjects of a binding have one"},
		"variable":         {func(s *bundle.Spec) { s.Env = []bundle.Variable{{Name: "a=b"}} }, "no name of a variable", "it would be another variable"},
		"twice":            {func(s *bundle.Spec) { s.Env = []bundle.Variable{{Name: "A"}, {Name: "A"}} }, "env A is there twice", "only one of them counts"},
		"own":              {func(s *bundle.Spec) { s.Env = []bundle.Variable{{Name: "PLAN_JOB_UID"}} }, "sets this variable itself", "two runs would be one"},
		"nul":              {func(s *bundle.Spec) { s.Env = []bundle.Variable{{Name: "A", Value: "a\x00b"}} }, "NUL", "the container would not start"},
		"reference":        {func(s *bundle.Spec) { s.EnvFrom = []bundle.Reference{{Name: "A_B"}} }, `env-from "A_B"`, "no object has this name"},
		"root of the node": {func(s *bundle.Spec) { s.HostFolders = []string{"/"} }, "cannot be mounted", "it would hide the program"},
		"tmp of the node":  {func(s *bundle.Spec) { s.HostFolders = []string{"/tmp/x"} }, "of its own", "it is the pod's"},
		"over tmp":         {func(s *bundle.Spec) { s.HostFolders = []string{"/var/run"} }, "of its own", "the account's token is below it"},
		"hashes":           {func(s *bundle.Spec) { s.Trees = []bundle.Tree{collide, tree("b", 20)} }, "begin alike", "one would be taken for the other"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := bundle.Build(spec(c.change)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("want an error with %q, since %s; got %v", c.want, c.reason, err)
			}
		})
	}
	_, err := bundle.Build(spec(func(s *bundle.Spec) { s.Name, s.Schedule, s.TimeZone = "", "x", "x" }))
	if n := len(strings.Split(fmt.Sprint(err), "\n")); n != 3 {
		t.Errorf("%d problems are told: %v", n, err)
	}
}
