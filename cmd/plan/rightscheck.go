package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"plan/engine"
	"plan/internal/kube"
	"plan/internal/printable"
	"plan/internal/report"
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

// ask has the API server say of each right whether this client has it. Rights that differ by name only are asked for one by one where there is
// no right for all names: a plan may have thousands.
func ask(ctx context.Context, client *kube.Client, rights []right) ([]answer, error) {
	groups := map[kube.Access][]int{}
	var order []kube.Access
	for i, r := range rights {
		a := access(r.Permission)
		a.Name = ""
		if groups[a] == nil {
			order = append(order, a)
		}
		groups[a] = append(groups[a], i)
	}
	answers := make([]answer, len(rights))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(maxAsking)
	var mu sync.Mutex
	for _, all := range order {
		members := groups[all]
		group.Go(func() error {
			allowed, reason, err := false, "", error(nil)
			if len(members) > 1 || rights[members[0]].Name == "" {
				if allowed, reason, err = client.Allowed(ctx, all); err != nil {
					return err
				}
			}
			for _, i := range members {
				own, why := allowed, reason
				if !allowed && rights[i].Name != "" {
					if own, why, err = client.Allowed(ctx, access(rights[i].Permission)); err != nil {
						return err
					}
				}
				mu.Lock()
				answers[i] = answer{rights[i], own, why}
				mu.Unlock()
			}
			return nil
		})
	}
	return answers, group.Wait()
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
	var answers []answer
	err = bounded(ctx, openTimeout, func(ctx context.Context) (err error) {
		answers, err = ask(ctx, e.kube, rights)
		return err
	})
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
	return exit{code: engine.ExitDenied, err: errors.New(report.Plural(len(missing), "right") + " missing, nothing was done: " + strings.Join(lines, "; ") + ". `plan rbac FILE` prints what a plan needs")}
}
