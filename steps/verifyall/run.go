package verifyall

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"plan/internal/checks"
	"plan/internal/checks/nodetoken"
	"plan/internal/checks/verify"
	"plan/steps"
)

// done is what came of one check.
type done struct {
	outcome *verify.Outcome
	err     error
	said    []string // what the check logged
}

// run makes the checks at once and tells of each, in order.
func run(ctx context.Context, env *steps.Env, list []named) (steps.Result, error) {
	results := make([]done, len(list))
	var all sync.WaitGroup
	for i, c := range list {
		all.Go(func() { results[i] = one(ctx, env, c) })
	}
	all.Wait()
	s := summary{named: map[checks.Verdict][]string{}}
	for i, c := range list {
		if results[i].err != nil {
			return steps.Result{}, fmt.Errorf("%s: %w", c.name, results[i].err)
		}
		s.add(c.name, results[i])
	}
	for _, line := range s.lines {
		env.Log("%s", line)
	}
	return steps.Result{Outputs: map[string]any{"checks": s.outputs}, Verdict: steps.Verdict(s.verdict()), Reason: s.reason()}, errors.Join(s.errs...)
}

// one makes a check with an Env of its own: what it logs is told below its line.
func one(ctx context.Context, env *steps.Env, c named) (d done) {
	own := *env
	var turn sync.Mutex
	own.Log = func(format string, args ...any) {
		turn.Lock()
		defer turn.Unlock()
		d.said = append(d.said, fmt.Sprintf(format, args...))
	}
	own.Progress = func(what string, n, total int64, unit string) { env.Progress(c.name+": "+what, n, total, unit) }
	d.outcome, d.err = c.Check.Check(ctx, &own)
	if d.err == nil && c.absent != nil {
		d.outcome = c.absent(d.outcome)
	}
	return d
}

// summary gathers what all checks found.
type summary struct {
	verdicts []checks.Verdict
	lines    []string
	named    map[checks.Verdict][]string // names, those that fail or are unknown with the reason
	outputs  []any
	errs     []error
}

// signs are those of the outcomes of steps.
var signs = map[checks.Verdict]string{checks.Pass: "✓", checks.Fail: "✗", checks.Unknown: "?", checks.None: "-"}

func (s *summary) add(name string, d done) {
	o := d.outcome
	verdict, reason := o.Verdict(), o.Reason()
	if o.Absent != nil {
		verdict, reason = checks.None, "not applicable: "+o.Absent.Message
		o.Add(*o.Absent)
	}
	s.verdicts = append(s.verdicts, verdict)
	s.lines = append(s.lines, fmt.Sprintf("%s %-14s %-8s %s", signs[verdict], name, word(verdict), reason))
	for _, line := range append(d.said, o.Lines()...) {
		s.lines = append(s.lines, "    "+line)
	}
	s.outputs = append(s.outputs, map[string]any{
		"check": name, "verdict": string(verdict), "reason": reason, "findings": o.Report.Outputs(), "outputs": plain(o.Outputs),
	})
	if err := o.Err(); err != nil {
		s.errs = append(s.errs, fmt.Errorf("%s: %w", name, err))
	}
	if verdict == checks.Fail || verdict == checks.Unknown {
		name += " (" + reason + ")"
	}
	s.named[verdict] = append(s.named[verdict], name)
}

// reason says in one line what came of all, the worst first.
func (s *summary) reason() string {
	var parts []string
	for _, v := range []struct {
		verdict checks.Verdict
		word    string
	}{{checks.Fail, "fail"}, {checks.Unknown, "unknown"}, {checks.Pass, "pass"}, {checks.None, "not applicable"}} {
		if names := s.named[v.verdict]; len(names) > 0 {
			parts = append(parts, v.word+": "+strings.Join(names, ", "))
		}
	}
	if len(parts) == 0 {
		return "every check is off"
	}
	return strings.TrimPrefix(strings.Join(parts, "; "), "pass: ") // where nothing is worse, the verdict says so
}

// word is a verdict for people.
func word(v checks.Verdict) string {
	if v == checks.None {
		return "-"
	}
	return string(v)
}

// plain makes outputs of a check fit for a list: JSON-like values only.
func plain(outputs map[string]any) map[string]any {
	out := make(map[string]any, len(outputs))
	for name, value := range outputs {
		if s, ok := value.(fmt.Stringer); ok {
			value = s.String()
		}
		out[name] = value
	}
	return out
}

// verdict is the worst of the checks that apply; unknown if none does.
func (s *summary) verdict() checks.Verdict {
	for _, v := range []checks.Verdict{checks.Fail, checks.Unknown, checks.Pass} {
		for _, is := range s.verdicts {
			if is == v {
				return v
			}
		}
	}
	return checks.Unknown
}

// noneYet says that a sort of backup that the plan says nothing of, and that was never made, does not apply. One that was made and is gone
// stale is judged.
func noneYet(o *verify.Outcome) *verify.Outcome {
	if o.Verdict() != checks.Fail || o.Count(checks.NoBackup) == 0 {
		return o
	}
	return verify.NotHere("", "there is none in the store", "no backup of this sort was ever made below this prefix, or it is another prefix or store",
		"name backups in the plan if there must be one (backups: {maxAge: 36h}), and make it with backup-pvs or backup-nodes")
}

// ifConfigured is the check of the node's token where a place is named; without one it does not apply.
type ifConfigured struct{ check *nodetoken.Check }

func (c ifConfigured) configured() bool { return c.check.In.Count() > 0 }

// Validate wants a place only where something is said that is of use with one. A store alone says nothing: each part has one by default.
func (c ifConfigured) Validate() error {
	if !c.configured() && (c.check.Path != "" || c.check.Prefix != "") {
		return errors.Join(errors.New("with.in: path and prefix are compared with the token that is kept: name the place where it is kept, or leave them out"), c.check.Validate())
	}
	return c.check.Validate()
}

// Needs is what the place needs.
func (c ifConfigured) Needs(scope steps.Scope) steps.Needs {
	if !c.configured() {
		return steps.Needs{}
	}
	return c.check.Needs(scope)
}

// Permissions are those of the place.
func (c ifConfigured) Permissions(scope steps.Scope) []steps.Permission {
	if !c.configured() {
		return nil
	}
	return c.check.Permissions(scope)
}

// Check checks, or says what is missing.
func (c ifConfigured) Check(ctx context.Context, env *steps.Env) (*verify.Outcome, error) {
	if !c.configured() {
		return verify.NotHere("", "no place is named where the token is kept", "nodeToken.in is not set",
			"set nodeToken.in: without the token no snapshot of etcd can be restored"), nil
	}
	return c.check.Check(ctx, env)
}
