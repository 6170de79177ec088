// Package verifyobject checks objects of any resource of the cluster: how old a timestamp in them is, and whether they meet a condition.
package verifyobject

import (
	"context"
	_ "embed"
	"errors"
	"fmt"

	"plan/internal/checks"
	"plan/internal/checks/verify"
	"plan/internal/kube"
	"plan/steps"
)

//go:embed schema.json
var schema []byte

//go:embed README.md
var doc string

// Kind describes the kind.
func Kind() steps.Kind {
	return steps.Kind{
		Name:   "verify-object",
		Check:  true,
		Schema: schema,
		Doc:    doc,
		Outputs: []steps.Output{
			{Name: "objects", Type: steps.Integer, Doc: "objects that were selected"},
			{Name: "findings", Type: steps.List, Doc: "finding, verdict, object, message, cause, next and data of each finding"},
		},
		New: func() steps.Action { return &Action{Per: perObject} },
	}
}

// Action is the step's with.
type Action struct {
	verify.Reads
	Resource  string    `yaml:"resource"`
	Namespace string    `yaml:"namespace"`
	Selector  string    `yaml:"selector"`
	Time      string    `yaml:"time"`
	MaxAge    steps.Dur `yaml:"maxAge"`
	Condition string    `yaml:"condition"`
	Per       string    `yaml:"per"`
}

// Validate reads every field that has a text of its own grammar.
func (a *Action) Validate() error {
	_, err := a.wanted()
	return err
}

// Needs is empty: no store is used.
func (a *Action) Needs(steps.Scope) steps.Needs { return steps.Needs{} }

// Permissions is a list of the resource, which is unknown while it is computed.
func (a *Action) Permissions(steps.Scope) []steps.Permission {
	r, err := parseResource(a.Resource)
	if err != nil {
		return []steps.Permission{{Verb: "list", Resource: steps.UnknownResource}}
	}
	return []steps.Permission{{Verb: "list", Group: r.Group, Version: r.Version, Resource: r.Resource, Namespace: a.Namespace}}
}

// Run lists the objects and judges them.
func (a *Action) Run(ctx context.Context, env *steps.Env) (steps.Result, error) {
	want, err := a.wanted()
	if err == nil {
		err = want.complete()
	}
	if err != nil {
		return steps.Result{}, err
	}
	o := verify.NewOutcome()
	limit := checks.Limit{Now: env.Now(), MaxAge: a.MaxAge.Duration()}
	if found, objects, err := survey(ctx, env, want, limit); err != nil {
		o.Add(want.broken(err)) // a part of a list says nothing
	} else {
		o.Add(found...)
		o.Outputs["objects"] = objects
	}
	return o.Result(env)
}

// judge is what becomes of the objects of a list: one after the other, then the end.
type judge interface {
	look(entry)
	end() []checks.Finding
}

// survey lists to the end. After an error nothing of what was found counts.
func survey(ctx context.Context, env *steps.Env, want wanted, limit checks.Limit) ([]checks.Finding, int64, error) {
	var j judge = &eachObject{want: want, limit: limit}
	if want.per != perObject {
		j = &histories{want: want, limit: limit, of: map[string]*history{}}
	}
	objects := int64(0)
	for page, err := range env.Kube.List(ctx, want.resource, 0) {
		if err != nil {
			return nil, 0, err
		}
		for _, item := range page.Items {
			j.look(want.read(item))
		}
		objects += int64(len(page.Items))
		env.Progress("listing "+want.resource.String(), objects, objects+page.Remaining, "objects")
	}
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	if objects == 0 {
		return []checks.Finding{want.none()}, 0, nil
	}
	return j.end(), objects, nil
}

// broken is the finding for a list that could not be had.
func (w wanted) broken(err error) checks.Finding {
	f := checks.Broken(w.String(), err)
	if f.Name == checks.NotInstalled && w.resource.Namespace != "" {
		f.Next += "; leave namespace out if it is of the whole cluster"
	}
	return f
}

// none is the finding for a complete list without an object.
func (w wanted) none() checks.Finding {
	f := checks.Finding{Name: noObject, Verdict: checks.Fail, Object: w.String(), Message: "there is none", Cause: "the list is complete and empty",
		Next: "see that something makes them"}
	switch {
	case w.resource.Selector != "" && w.resource.Namespace != "":
		f.Next += ", and that namespace and selector are right"
	case w.resource.Selector != "":
		f.Next += ", and that the selector is right"
	case w.resource.Namespace != "":
		f.Next += ", and that the namespace is right"
	}
	return f
}

// wanted is what the fields ask for.
type wanted struct {
	resource  kube.Resource
	time      *path // nil: no age is judged
	condition *condition
	per       string // perObject, perSelection or byPath
	group     *path  // with byPath
}

// String names what is selected.
func (w wanted) String() string {
	text := w.resource.String()
	if w.resource.Namespace != "" {
		text += " in " + w.resource.Namespace
	}
	if w.resource.Selector != "" {
		text += " with " + w.resource.Selector
	}
	return text
}

// complete finds what is missing. The schema finds it too, but for fields that are computed.
func (w wanted) complete() error {
	switch {
	case w.resource.Resource == "":
		return errors.New("with.resource: which resource? Write one such as velero.io/v1/backups")
	case w.time == nil && w.condition == nil:
		return errors.New("with: neither time nor condition says what to look at")
	case w.time == nil && w.per != perObject:
		return fmt.Errorf("with.per: %q needs time, which tells which object is the newest", w.per)
	}
	return nil
}
