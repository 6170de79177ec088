package checks_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"plan/internal/checks"
	"plan/internal/checks/checktest"
)

var now = time.Date(2026, 3, 2, 2, 0, 0, 0, time.UTC)

func faults() map[string]checktest.Fault {
	all := checktest.Cluster()
	maps.Copy(all, checktest.Store())
	maps.Copy(all, checktest.Anywhere())
	return all
}

// finding makes one of each verdict.
func finding(v checks.Verdict) checks.Finding {
	name := map[checks.Verdict]checks.Name{checks.Pass: checks.OK, checks.Fail: checks.Stale, checks.Unknown: "TARGET_UNAVAILABLE", checks.None: "NOT_BOUND"}[v]
	return checks.Finding{Name: name, Verdict: v, Object: "media/films", Message: "m", Cause: "c", Next: "n"}
}

func TestVerdictIsTheWorst(t *testing.T) {
	cases := map[string]struct {
		added  []checks.Verdict
		want   checks.Verdict
		reason string
	}{
		"nothing":              {nil, checks.Unknown, "nothing was checked"},
		"only listed":          {[]checks.Verdict{checks.None, checks.None}, checks.Unknown, "nothing that counts was checked: 2 NOT_BOUND"},
		"pass":                 {[]checks.Verdict{checks.Pass}, checks.Pass, "media/films: m: c"},
		"passes":               {[]checks.Verdict{checks.Pass, checks.Pass, checks.None}, checks.Pass, "2 OK, 1 NOT_BOUND"},
		"unknown beats pass":   {[]checks.Verdict{checks.Pass, checks.Unknown}, checks.Unknown, "1 TARGET_UNAVAILABLE, 1 OK: media/films: m: c"},
		"fail beats unknown":   {[]checks.Verdict{checks.Unknown, checks.Fail, checks.Pass}, checks.Fail, "1 STALE, 1 TARGET_UNAVAILABLE, 1 OK: media/films: m: c"},
		"one fail":             {[]checks.Verdict{checks.Fail}, checks.Fail, "STALE: media/films: m: c"},
		"no verdict known":     {[]checks.Verdict{"fine"}, checks.Unknown, ": media/films: m: c"},
		"listed beside a pass": {[]checks.Verdict{checks.None, checks.Pass}, checks.Pass, "1 OK, 1 NOT_BOUND: media/films: m: c"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var r checks.Report
			for _, v := range tc.added {
				r.Add(finding(v))
			}
			if r.Verdict() != tc.want || r.Reason() != tc.reason || r.Err() != nil {
				t.Errorf("%s, %q, %v", r.Verdict(), r.Reason(), r.Err())
			}
		})
	}
}

func TestReportFoldsInAnyOrder(t *testing.T) {
	order := []checks.Verdict{checks.Fail, checks.Unknown, checks.Pass}
	rapid.Check(t, func(t *rapid.T) {
		added := rapid.SliceOf(rapid.SampledFrom([]checks.Verdict{checks.Fail, checks.Unknown, checks.Pass, checks.None})).Draw(t, "added")
		want := checks.Unknown
		for _, v := range slices.Backward(order) {
			if slices.Contains(added, v) {
				want = v
			}
		}
		var r checks.Report
		for _, v := range added {
			r.Add(finding(v))
		}
		if r.Verdict() != want {
			t.Errorf("%v gives %s", added, r.Verdict())
		}
	})
}

// TestNoErrorReadsAsNoBackupsOrAsAPass is the truth table of every fault beside everything else that a report may hold, under
// every list of findings that fail.
func TestNoErrorReadsAsNoBackupsOrAsAPass(t *testing.T) {
	lists := map[string]checks.FailOn{"own verdicts": nil, "nothing fails": {}, "stale": {checks.Stale}}
	beside := map[string][]checks.Finding{
		"alone": nil, "pass": {finding(checks.Pass)}, "listed": {finding(checks.None)}, "unknown": {finding(checks.Unknown)}, "fail": {finding(checks.Fail)},
	}
	for fault, tc := range faults() {
		for company, others := range beside {
			for list, failOn := range lists {
				t.Run(fault+"/"+company+"/"+list, func(t *testing.T) {
					failOn := failOn
					if failOn != nil {
						failOn = append(slices.Clone(failOn), tc.Name) // asking for it does not make an error a fault
					}
					r := checks.Report{FailOn: failOn}
					r.Add(others...)
					r.Add(checks.Broken("velero/daily", tc.Err))
					want := checks.Unknown
					if company == "fail" && list != "nothing fails" {
						want = checks.Fail
					}
					if r.Verdict() != want || r.Count(tc.Name) != 1 || r.Count(checks.NoBackup)+r.Count(checks.NoTimestamp) != 0 {
						t.Errorf("verdict %s: %s", r.Verdict(), r.Reason())
					}
					if want == checks.Unknown && company != "unknown" && !strings.Contains(r.Reason(), strings.TrimSpace(tc.Err.Error())) {
						t.Errorf("the reason does not have the cause: %s", r.Reason())
					}
					checktest.Complete(t, r.Outputs())
					wantErr := tc.Ended || tc.Again && want == checks.Unknown
					if got := errors.Is(r.Err(), tc.Err); got != wantErr {
						t.Errorf("error %v", r.Err())
					}
				})
			}
		}
	}
}

func TestBrokenWithoutAnErrorIsUnknown(t *testing.T) {
	f := checks.Broken("x", nil)
	if f.Verdict != checks.Unknown || f.Name != checks.Unreadable || f.Cause == "" {
		t.Errorf("%+v", f)
	}
}

func TestAFindingWithAnErrorNeverPasses(t *testing.T) {
	f := finding(checks.Pass)
	f.Err = errors.New("half a listing")
	var r checks.Report
	r.Add(f)
	if r.Verdict() != checks.Unknown {
		t.Error(r.Verdict())
	}
}

func TestFailOn(t *testing.T) {
	all := []checks.Finding{finding(checks.Pass), finding(checks.Fail), finding(checks.Unknown), finding(checks.None)}
	cases := map[string]struct {
		list checks.FailOn
		want string // verdicts of the four
	}{
		"absent":             {nil, "pass fail unknown none"},
		"empty":              {checks.FailOn{}, "pass none unknown none"},
		"another":            {checks.FailOn{checks.NoBackup}, "pass none unknown none"},
		"that one":           {checks.FailOn{checks.Stale}, "pass fail unknown none"},
		"a listed one":       {checks.FailOn{checks.Stale, "NOT_BOUND"}, "pass fail unknown fail"},
		"an unknown one":     {checks.FailOn{"TARGET_UNAVAILABLE"}, "pass none fail none"},
		"OK never does fail": {checks.FailOn{checks.OK}, "pass none unknown none"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, f := range all {
				r := checks.Report{FailOn: tc.list}
				r.Add(f)
				got = append(got, r.Outputs()[0].(map[string]any)["verdict"].(string))
			}
			if diff := cmp.Diff(tc.want, strings.Join(got, " ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFailOnKnowsItsNames(t *testing.T) {
	known := []checks.Name{checks.OK, checks.Stale, checks.NoBackup}
	if err := (checks.FailOn{checks.Stale}).Check(known...); err != nil {
		t.Error(err)
	}
	for _, bad := range []checks.Name{"STALLED", checks.OK, "stale", ""} {
		err := (checks.FailOn{checks.Stale, bad}).Check(known...)
		if want := fmt.Sprintf("%q is not one of STALE, NO_BACKUP", string(bad)); err == nil || err.Error() != want {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestAReportIsBounded(t *testing.T) {
	var r checks.Report
	for i := range 5000 {
		f := finding([]checks.Verdict{checks.Pass, checks.Fail, checks.Unknown, checks.None}[i%4])
		f.Message = strings.Repeat("é", 5000)
		r.Add(f)
	}
	out := r.Outputs()
	last := out[len(out)-1].(map[string]any)
	if len(out) != 1001 || last["finding"] != "MORE" || r.Count(checks.OK) != 1250 {
		t.Errorf("%d findings, the last is %v", len(out), last)
	}
	if diff := cmp.Diff(map[string]any{"pass": int64(1000), "fail": int64(1000), "unknown": int64(1000), "none": int64(1000)}, last["data"]); diff != "" {
		t.Error(diff)
	}
	if n := len(out[0].(map[string]any)["message"].(string)); n > 1300 {
		t.Errorf("a message of %d bytes", n)
	}
	if n := len(r.Lines()); n != 51 {
		t.Errorf("%d lines", n)
	}
	checktest.Complete(t, out)
}

func TestTextFromOutsideIsInert(t *testing.T) {
	var r checks.Report
	r.Add(checks.Finding{Name: checks.Stale, Verdict: checks.Fail, Object: "a\x1b[2J\r\n::error::b", Message: "x\u202ey", Cause: "one\ntwo\x00", Next: "n"})
	for _, text := range append(r.Lines(), r.Reason()) {
		if strings.ContainsAny(text, "\x1b\r\n\x00\u202e") {
			t.Errorf("%q", text)
		}
	}
}
