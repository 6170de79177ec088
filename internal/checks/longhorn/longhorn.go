// Package longhorn checks that every Longhorn volume in use has a fresh backup, by what Longhorn keeps in the cluster. It says why
// where there is none.
package longhorn

import (
	"context"
	"errors"
	"fmt"
	"time"

	"plan/internal/checks"
	"plan/internal/checks/verify"
	"plan/internal/longhorn"
	"plan/steps"
)

// What counts as a volume's backup.
const (
	own   = "own" // one at the volume's own backup target
	anyOf = "any" // one at any target
)

// Check is what verify-longhorn is told.
type Check struct {
	Namespace string        `yaml:"namespace"`
	MaxAge    steps.Dur     `yaml:"maxAge"`
	Target    string        `yaml:"target"`
	Include   []Pattern     `yaml:"include"`
	Exclude   []Pattern     `yaml:"exclude"`
	FailOn    checks.FailOn `yaml:"failOn"`
}

// New is a check with the defaults.
func New() Check {
	return Check{Namespace: "longhorn-system", MaxAge: steps.Dur(48 * time.Hour), Target: own}
}

// Validate wants patterns that can be matched, a target's word, and findings that there are.
func (c *Check) Validate() error {
	var problems []error
	if c.Target != own && c.Target != anyOf {
		problems = append(problems, fmt.Errorf("with.target: %q is neither %s nor %s", c.Target, own, anyOf))
	}
	if c.Namespace == "" {
		problems = append(problems, errors.New("with.namespace: which namespace is Longhorn in?"))
	}
	for i, p := range c.Include {
		problems = append(problems, p.check(fmt.Sprintf("with.include[%d]", i)))
	}
	for i, p := range c.Exclude {
		problems = append(problems, p.check(fmt.Sprintf("with.exclude[%d]", i)))
	}
	if err := c.FailOn.Check(Findings()...); err != nil {
		problems = append(problems, fmt.Errorf("with.failOn: %w", err))
	}
	return errors.Join(problems...)
}

// Needs is empty: no store is used.
func (c *Check) Needs(steps.Scope) steps.Needs { return steps.Needs{} }

// Permissions is a list of each resource: volumes and claims over all namespaces, Longhorn's own in its namespace.
func (c *Check) Permissions(steps.Scope) []steps.Permission {
	var all []steps.Permission
	for _, l := range longhorn.New().Lists(c.Namespace) {
		all = append(all, steps.Permission{Verb: "list", Group: l.Group, Version: l.Version, Resource: l.Resource.Resource, Namespace: l.Namespace})
	}
	return all
}

// Check lists everything and judges each volume. Unless every list is complete nothing is judged.
func (c *Check) Check(ctx context.Context, env *steps.Env) (*verify.Outcome, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	o := verify.NewOutcome()
	o.FailOn = c.FailOn
	state, missing := collect(ctx, env, c.Namespace)
	switch {
	case missing.gone(state, c.Namespace):
		return verify.NotHere("longhorn", "Longhorn is not installed", "the server has no resource of longhorn.io/v1beta2, and no PersistentVolume is Longhorn's",
			"leave the check out here; Longhorn older than 1.3 cannot be verified"), nil
	case len(missing) > 0:
		o.Add(missing.findings()...)
		return o, nil
	}
	j := judge{check: *c, state: state, limit: checks.Limit{Now: env.Now(), MaxAge: c.MaxAge.Duration()}}
	j.all()
	o.Add(j.found...)
	o.Outputs["volumes"], o.Outputs["ok"] = j.volumes, j.ok
	return o, nil
}
