// Package verifystore checks that the newest object under a prefix of a store is young enough, and large enough.
package verifystore

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"regexp"
	"time"

	"plan/internal/backup"
	"plan/internal/checks"
	"plan/internal/checks/verify"
	"plan/steps"
)

//go:embed schema.json
var schema []byte

//go:embed README.md
var doc string

// Kind describes the kind.
func Kind() steps.Kind {
	return steps.Kind{
		Name:   "verify-store",
		Check:  true,
		Schema: schema,
		Doc:    doc,
		Outputs: []steps.Output{
			{Name: "newest", Type: steps.String, Doc: "the key of the newest object"},
			{Name: "age", Type: steps.Duration, Doc: "how old it is"},
			{Name: "objects", Type: steps.Integer, Doc: "objects that count: matching, not empty"},
			{Name: "findings", Type: steps.List, Doc: "finding, verdict, object, message, cause, next and data of each finding"},
		},
		New: func() steps.Action { return &Action{} },
	}
}

// Action is the step's with.
type Action struct {
	verify.Reads
	Store   string    `yaml:"store"`
	Prefix  string    `yaml:"prefix"`
	MaxAge  steps.Dur `yaml:"maxAge"`
	MinSize any       `yaml:"minSize"` // a number of bytes or a quantity; nil is 0
	Pattern string    `yaml:"pattern"`
}

// Validate wants a usable prefix, size and pattern.
func (a *Action) Validate() error {
	_, err := a.wanted()
	return err
}

// wanted is what the fields ask for.
type wanted struct {
	folder  string
	pattern *regexp.Regexp // nil: every key
	minSize int64          // bytes
}

func (a *Action) wanted() (w wanted, err error) {
	var errs []error
	if w.folder, err = backup.CleanPrefix(a.Prefix); err != nil {
		errs = append(errs, fmt.Errorf("with.prefix: %w", err))
	}
	if w.minSize, err = bytes(a.MinSize); err != nil {
		errs = append(errs, fmt.Errorf("with.minSize: %w", err))
	}
	if w.pattern, err = whole(a.Pattern); err != nil {
		errs = append(errs, fmt.Errorf("with.pattern: %w", err))
	}
	return w, errors.Join(errs...)
}

// whole compiles a pattern so that it matches whole keys; nil for the empty one. It is compiled as it stands first, so that it cannot
// end the group that it is put into.
func whole(pattern string) (*regexp.Regexp, error) {
	if pattern == "" {
		return nil, nil
	}
	if _, err := regexp.Compile(pattern); err != nil {
		return nil, err
	}
	return regexp.Compile(`^(?:` + pattern + `)$`)
}

// Needs is what the step lists.
func (a *Action) Needs(steps.Scope) steps.Needs {
	folder, _ := backup.CleanPrefix(a.Prefix) // Validate has refused a bad one
	return steps.Needs{Places: []steps.Place{{Store: a.Store, Prefix: folder}}}
}

// Permissions is empty: no cluster is asked.
func (a *Action) Permissions(steps.Scope) []steps.Permission { return nil }

// Run lists everything under the prefix and judges the newest object.
func (a *Action) Run(ctx context.Context, env *steps.Env) (steps.Result, error) {
	want, err := a.wanted()
	if err != nil {
		return steps.Result{}, err
	}
	store, err := env.Store(a.Store)
	if err != nil {
		return steps.Result{}, err
	}
	now := env.Now()
	o := verify.NewOutcome()
	if seen, err := survey(ctx, store, want, now, env.Progress); err != nil {
		o.Add(checks.Broken(want.folder, err)) // a part of a listing says nothing
	} else {
		o.Add(want.judge(seen, checks.Limit{Now: now, MaxAge: a.MaxAge.Duration()})...)
		o.Outputs["objects"] = seen.objects
		if seen.newest.Key != "" {
			o.Outputs["newest"], o.Outputs["age"] = seen.newest.Key, checks.Age(now, seen.newest.LastModified).Truncate(time.Second)
		}
	}
	return o.Result(env)
}
