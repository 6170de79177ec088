package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dustin/go-humanize/english"
	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"plan/engine"
	"plan/internal/kube"
	"plan/internal/printable"
	"plan/steps"
)

// answer is what the API server says of a right.
type answer struct {
	right
	allowed bool
	reason  string // the authorizer's
}

// String says what is missing, and to whom.
func (a answer) String() string {
	line := fmt.Sprintf("may not %s (%s)", access(a.Permission), strings.Join(a.For, ", "))
	if a.reason != "" {
		line += ": " + a.reason
	}
	return line
}

// access is a permission as the authorizer is asked. The API server takes a namespace to be in itself, so that a role there suffices.
func access(p steps.Permission) kube.Access {
	if p.Group == "" && p.Resource == "namespaces" && p.Name != "" {
		p.Namespace = p.Name
	}
	return kube.Access{Verb: p.Verb, Group: p.Group, Resource: p.Resource, Subresource: p.Subresource, Namespace: p.Namespace, Name: p.Name}
}

// maxAsking is how many questions are on their way at once.
const maxAsking = 8

// rightGroup are rights that differ by name only.
type rightGroup struct {
	all     kube.Access // without a name
	members []right
	answers []answer
	err     error
}

// ask has the API server say of each right whether this client has it, of all of them within openTimeout. The error is that of a question that was
// not answered.
func ask(ctx context.Context, client *kube.Client, rights []right) (answers []answer, err error) {
	groups := groupRights(rights)
	err = bounded(ctx, openTimeout, func(ctx context.Context) error {
		askGroups(ctx, client, groups)
		for _, g := range groups {
			if g.err != nil {
				return g.err
			}
			answers = append(answers, g.answers...)
		}
		return nil
	})
	return answers, err
}

func groupRights(rights []right) (groups []*rightGroup) {
	type key struct {
		kube.Access
		unknown string
	}
	at := map[key]*rightGroup{}
	for _, r := range rights {
		k := key{access(r.Permission), r.Unknown}
		k.Name = ""
		if at[k] == nil {
			at[k] = &rightGroup{all: k.Access}
			groups = append(groups, at[k])
		}
		at[k].members = append(at[k].members, r)
	}
	return groups
}

// askGroups asks for each group's right to all names, and by name where there is none: a plan may have thousands.
func askGroups(ctx context.Context, client *kube.Client, groups []*rightGroup) {
	var questions []question
	for _, g := range groups {
		first := g.members[0]
		if len(g.members) > 1 {
			first.Name = ""
		}
		questions = append(questions, question{group: g, right: first})
	}
	askEach(ctx, client, questions)
	var byName []question
	for _, q := range questions {
		for _, m := range q.group.members {
			if q.err == nil && !q.allowed && m.Name != q.right.Name {
				byName = append(byName, question{group: q.group, right: m})
			} else {
				q.group.take(m, q)
			}
		}
	}
	askEach(ctx, client, byName)
	for _, q := range byName {
		q.group.take(q.right, q)
	}
}

// question is whether there is a right.
type question struct {
	group   *rightGroup
	right   right
	allowed bool
	reason  string // the authorizer's
	err     error
}

// take notes what came of a question for a right.
func (g *rightGroup) take(r right, q question) {
	if q.err != nil {
		g.err = q.err
		return
	}
	g.answers = append(g.answers, answer{r, q.allowed, q.reason})
}

// askEach asks a few at once, each bounded in time.
func askEach(ctx context.Context, client *kube.Client, questions []question) {
	var asking errgroup.Group
	asking.SetLimit(maxAsking)
	for i := range questions {
		q := &questions[i]
		asking.Go(func() error {
			q.err = bounded(ctx, openTimeout, func(ctx context.Context) (err error) {
				q.allowed, q.reason, err = client.Allowed(ctx, access(q.right.Permission))
				return err
			})
			return nil
		})
	}
	_ = asking.Wait() // failures are kept with their questions
}

// unanswerable tells whether a server does not let itself be asked about rights.
func unanswerable(err error) bool {
	return apierrors.IsForbidden(err) || apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err)
}

// checkRights asks for all rights of the run before anything is done. A check without its rights comes to the verdict unknown, and holds back
// no work.
func (e *execution) checkRights(ctx context.Context) error {
	if e.kube == nil {
		return nil
	}
	rights, err := e.rights(e.recordsInCluster)
	if err != nil {
		return err
	}
	answers, err := ask(ctx, e.kube, slices.DeleteFunc(rights, right.unknown))
	switch {
	case unanswerable(err):
		fmt.Fprintf(e.app.err, "plan: which rights there are cannot be asked, so a missing one shows at its step: %s\n", printable.String(err.Error()))
		return nil
	case err != nil:
		return err
	}
	answers = slices.DeleteFunc(answers, func(a answer) bool { return a.allowed || a.Optional })
	for _, a := range answers {
		if a.Check {
			fmt.Fprintln(e.app.err, "plan: "+printable.String(a.String()))
		}
	}
	return denied(slices.DeleteFunc(answers, func(a answer) bool { return a.Check }))
}

// denied is the error of rights that are missing; nil if none is.
func denied(missing []answer) error {
	if len(missing) == 0 {
		return nil
	}
	var lines []string
	for _, a := range missing {
		lines = append(lines, a.String())
	}
	return exit{code: engine.ExitDenied, err: errors.New(english.Plural(len(missing), "right", "") + " missing, nothing was done: " + strings.Join(lines, "; ") + ". `plan rbac FILE` prints what a plan needs")}
}
