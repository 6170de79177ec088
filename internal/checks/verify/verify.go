// Package verify is the shape of the checks that a kind of their own and verify-all are made of. A check is a struct whose fields are the
// kind's `with:`; the kind embeds it, verify-all has one of each.
package verify

import (
	"context"

	"k8s.io/apimachinery/pkg/runtime"

	"plan/internal/checks"
	"plan/steps"
)

// NotApplicable is the finding for a check that has nothing to look at here: no embedded etcd, no Longhorn.
const NotApplicable checks.Name = "NOT_APPLICABLE"

// Check looks and judges; it changes nothing.
type Check interface {
	Validate() error
	Needs(steps.Scope) steps.Needs
	Permissions(steps.Scope) []steps.Permission

	// Check looks. An error is for what is wrong with the step itself, such as a store that the plan does not have; what keeps the check
	// from looking is a finding.
	Check(context.Context, *steps.Env) (*Outcome, error)
}

// Outcome is what a check found.
type Outcome struct {
	checks.Report
	Outputs map[string]any // besides findings

	// Absent says that there is nothing to look at here, and why; nil if there is. Then nothing was added to the report.
	Absent *checks.Finding
}

// NewOutcome is an outcome without findings.
func NewOutcome() *Outcome { return &Outcome{Outputs: map[string]any{}} }

// NotHere makes an outcome of a check that has nothing to look at: what is the case, why, and what to do instead.
func NotHere(object, message, cause, next string) *Outcome {
	o := NewOutcome()
	o.Absent = &checks.Finding{Name: NotApplicable, Verdict: checks.None, Object: object, Message: message, Cause: cause, Next: next}
	return o
}

// Run makes a step's result of a check that runs alone. One that has nothing to look at is unknown: somebody asked for it.
func Run(ctx context.Context, env *steps.Env, c Check) (steps.Result, error) {
	o, err := c.Check(ctx, env)
	if err != nil {
		return steps.Result{}, err
	}
	if o.Absent != nil {
		absent := *o.Absent
		absent.Verdict = checks.Unknown
		o.Add(absent)
	}
	return o.Result(env)
}

// Result logs what is not OK and makes a step's result, with the findings as an output.
func (o *Outcome) Result(env *steps.Env) (steps.Result, error) {
	for _, line := range o.Lines() {
		env.Log("%s", line)
	}
	o.Outputs["findings"] = o.Report.Outputs()
	return steps.Result{Outputs: o.Outputs, Verdict: steps.Verdict(o.Verdict()), Reason: o.Reason()}, o.Err()
}

// Reads is embedded by actions that change nothing.
type Reads struct{}

// Render gives nothing: no object is made.
func (Reads) Render(steps.Scope) ([]runtime.Object, error) { return nil, nil }

// Plan gives nothing: a check changes nothing.
func (Reads) Plan(context.Context, *steps.Env) ([]steps.Change, error) { return nil, nil }
