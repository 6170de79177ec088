package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plan/engine"
	"plan/internal/kube"
	"plan/internal/kube/kubetest"
	"plan/internal/objectstore"
	"plan/steps"
)

// told are checks in lines: what, result, exit code.
func told(checks []check) (lines []string) {
	for _, c := range checks {
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s | %s %s", c.What, c.Result, strings.Join(c.For, ", "))))
	}
	return lines
}

func secretRights(n int) (list []right) {
	for i := range n {
		p := steps.Permission{Verb: "get", Resource: "secrets", Namespace: "work", Name: fmt.Sprintf("s%d", i)}
		list = append(list, right{Permission: p, For: []string{"step a"}})
	}
	return list
}

func TestRightsAreAskedForOnce(t *testing.T) {
	pods := func(verb string) right {
		return right{Permission: steps.Permission{Verb: verb, Resource: "pods", Namespace: "work"}, For: []string{"step " + verb}}
	}
	computed := right{Permission: steps.Permission{Verb: "list", Resource: steps.UnknownResource}, For: []string{"step x"}, Unknown: "resource"}
	for name, tc := range map[string]struct {
		rights []right
		allow  func(kube.Access) bool
		asked  int
		want   []string
		reason string
	}{
		"all of a kind": {secretRights(1000), nil, 1, []string{"get secrets in work, 1,000 names: s0, s1, s2 and 997 more | ok step a"},
			"who may read all may read each"},
		"some of a kind": {secretRights(1000), func(a kube.Access) bool { return a.Name != "" && a.Name != "s7" && a.Name != "s9" }, 1001, []string{
			"get secrets in work, 998 names: s0, s1, s2 and 995 more | ok step a", "get secrets in work, 2 names: s7, s9 | failed step a"},
			"rights by name"},
		"one": {secretRights(1), nil, 1, []string{"get secrets work/s0 | ok step a"}, "by its name at once"},
		"verbs": {[]right{pods("list"), pods("watch"), pods("delete")}, func(a kube.Access) bool { return a.Verb != "watch" }, 3, []string{
			"list, delete pods in work | ok step list, step delete", "watch pods in work | failed step watch"},
			"what is allowed stands together, what is denied by itself"},
		"computed": {[]right{computed}, nil, 0, []string{"list * | skipped step x"}, "a right to everything is nobody's"},
	} {
		t.Run(name, func(t *testing.T) {
			s := kubetest.New(t)
			s.Allow = tc.allow
			p := &preflight{session: &session{kube: s.Client(t)}}
			checks := p.rightChecks(t.Context(), tc.rights, &servedSet{})
			if diff := cmp.Diff(tc.want, told(checks)); diff != "" {
				t.Errorf("%s:\n%s", tc.reason, diff)
			}
			if n := len(s.Requests()); n != tc.asked {
				t.Errorf("%s: asked %d times, want %d", tc.reason, n, tc.asked)
			}
		})
	}
}

// TestOneQuestionWithoutAnswerIsOneFailure: the others are asked all the same.
func TestOneQuestionWithoutAnswerIsOneFailure(t *testing.T) {
	s := kubetest.New(t)
	s.Fail(kubetest.Fault{Path: "selfsubjectaccessreviews", Kth: 1, Status: http.StatusBadRequest})
	p := &preflight{session: &session{kube: s.Client(t)}}
	var rights []right
	for _, resource := range []string{"pods", "events", "jobs"} {
		rights = append(rights, right{Permission: steps.Permission{Verb: "list", Resource: resource, Namespace: "work"}})
	}
	results := map[string]int{}
	for _, c := range p.rightChecks(t.Context(), rights, &servedSet{}) {
		results[c.Result]++
	}
	if diff := cmp.Diff(map[string]int{wasOK: 2, wasFailed: 1}, results); diff != "" {
		t.Error(diff)
	}
}

func TestTheExitCodeSaysWhatToDoFirst(t *testing.T) {
	for name, tc := range map[string]struct {
		codes  []int
		want   int
		reason string
	}{
		"nothing":         {nil, engine.ExitOK, "warnings and what was skipped count for nothing"},
		"does not answer": {[]int{engine.ExitUnreachable}, engine.ExitUnreachable, "try later"},
		"not there":       {[]int{engine.ExitUnreachable, engine.ExitFailed}, engine.ExitFailed, "trying later will not do"},
		"denied":          {[]int{engine.ExitFailed, engine.ExitUnreachable, engine.ExitDenied}, engine.ExitDenied, "somebody has to grant it"},
		"wrong":           {[]int{engine.ExitDenied, engine.ExitInvalid, engine.ExitUnreachable}, engine.ExitInvalid, "what is wrong in the plan comes first, as of apply"},
	} {
		t.Run(name, func(t *testing.T) {
			checks := []check{check{}.ok(""), check{}.warning(""), check{}.skipped("")}
			for _, code := range tc.codes {
				checks = append(checks, check{}.failed(exit{code: code, err: errors.New("x")}))
			}
			if got := verdict(checks); got != tc.want {
				t.Errorf("%d, want %d: %s", got, tc.want, tc.reason)
			}
		})
	}
}

// TestAProbeIsJudgedByWhatThePlanDoesThere: keys that may do no more than the plan needs are good keys.
func TestAProbeIsJudgedByWhatThePlanDoesThere(t *testing.T) {
	denied, broken := objectstore.ErrDenied, &objectstore.Error{Status: http.StatusServiceUnavailable, Err: errors.New("busy")}
	puts, deletes, both := steps.Place{Puts: true}, steps.Place{Deletes: true}, steps.Place{Puts: true, Deletes: true}
	for name, tc := range map[string]struct {
		place  steps.Place
		tried  objectstore.Probe
		result string
		code   int
		says   string
	}{
		"well":                       {both, objectstore.Probe{}, wasOK, 0, "put, read back and deleted"},
		"may not put":                {puts, objectstore.Probe{Put: denied}, wasFailed, engine.ExitDenied, "must be allowed to put"},
		"may not put nor needs to":   {deletes, objectstore.Probe{Put: denied}, wasWarning, 0, "was not tried"},
		"cannot put":                 {deletes, objectstore.Probe{Put: broken}, wasFailed, engine.ExitUnreachable, "busy"},
		"may not delete":             {both, objectstore.Probe{Key: "k", Delete: denied}, wasFailed, engine.ExitDenied, `the probe "k" stays`},
		"append only":                {puts, objectstore.Probe{Key: "k", Delete: denied}, wasWarning, 0, `the probe "k" stays`},
		"not read back and not gone": {puts, objectstore.Probe{Key: "k", Put: broken, Delete: denied}, wasFailed, engine.ExitUnreachable, `the probe "k" stays`},
	} {
		t.Run(name, func(t *testing.T) {
			c := tellProbe(check{}, tc.place, tc.tried, "here")
			if c.Result != tc.result || c.ExitCode != tc.code || !strings.Contains(c.Detail, tc.says) {
				t.Errorf("%+v, want %s, %d and %q", c, tc.result, tc.code, tc.says)
			}
		})
	}
}

// TestTheTableIsColouredInColumns: escape sequences have one length, and there are none where nobody sees colours.
func TestTheTableIsColouredInColumns(t *testing.T) {
	checks := []check{check{Check: "store", What: "main"}.ok("x"), check{Check: "image", What: "a\x1b[2J"}.failed(errors.New("two\nlines"))}
	for _, color := range []bool{true, false} {
		var out strings.Builder
		a := newApp(nil, &out, &out)
		a.color = color
		if err := a.printChecks(checks); err != nil {
			t.Fatal(err)
		}
		a.flush()
		plain := strings.NewReplacer("\x1b[39m", "", "\x1b[32m", "", "\x1b[31m", "", "\x1b[0m", "").Replace(out.String())
		want := "CHECK  WHAT      RESULT  DETAIL\nstore  main      ok      x\nimage  a\\x1b[2J  failed  two; lines\n"
		if color == (plain == out.String()) || plain != want {
			t.Errorf("with colours %t:\n%q\n%q", color, out.String(), plain)
		}
	}
}
