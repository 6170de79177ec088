package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dustin/go-humanize/english"

	"plan/engine"
	"plan/internal/kube"
)

// rightChecks asks for every right as the call will be authorised. What is allowed is told by object, what is denied by right.
func (p *preflight) rightChecks(ctx context.Context, rights []right, lacks *servedSet) []check {
	if p.kube == nil {
		return p.notAsked(rights)
	}
	groups := groupRights(rights)
	askGroups(ctx, p.kube, slices.DeleteFunc(slices.Clone(groups), func(g *rightGroup) bool { return g.members[0].unknown() }))
	var granted, others []check
	for _, g := range groups {
		granted, others = g.tell(granted, others, lacks)
	}
	return append(joinVerbs(granted), others...)
}

// notAsked stands for all rights where there is nobody to ask.
func (p *preflight) notAsked(rights []right) []check {
	if len(rights) == 0 {
		return nil
	}
	return []check{check{Check: checkPermission, What: english.Plural(len(rights), "right", "")}.skipped("the cluster cannot be asked")}
}

// tell adds what came of the group's question: to granted, or to others.
func (g *rightGroup) tell(granted, others []check, lacks *servedSet) ([]check, []check) {
	c := rightCheck(g.all, g.members)
	switch {
	case g.members[0].unknown():
		c.What = strings.TrimSuffix(c.What, " in all namespaces")
		return granted, append(others, c.skipped("only the run knows the %s", g.members[0].Unknown))
	case unanswerable(g.err):
		return granted, append(others, c.warning("it cannot be asked whether the right is there: %v", g.err))
	case g.err != nil:
		return granted, append(others, c.failed(g.err))
	}
	var has, not []right
	reason := ""
	for _, a := range g.answers {
		if a.allowed {
			has = append(has, a.right)
		} else {
			not, reason = append(not, a.right), cmp.Or(a.reason, reason)
		}
	}
	if len(has) > 0 {
		granted = append(granted, rightCheck(g.all, has).ok(""))
	}
	if len(not) == 0 {
		return granted, others
	}
	c = rightCheck(g.all, not)
	text := "denied"
	if reason != "" {
		text += ": " + reason
	}
	switch {
	case g.optional() && g.all.Group == "": // such resources every API server has, so what wants it does without the right
		return granted, append(others, c.warning("%s; the run does without it", text))
	case g.optional() && lacks.without(g.all):
		return granted, append(others, c.warning("%s; the API server does not have the resource, and says so only to who may ask", text))
	}
	return granted, append(others, c.failed(exit{code: engine.ExitDenied, err: errors.New(text)}))
}

func (g *rightGroup) optional() bool {
	return !slices.ContainsFunc(g.members, func(r right) bool { return !r.Optional })
}

// rightCheck names rights that differ by name only.
func rightCheck(all kube.Access, rights []right) check {
	c := check{Check: checkPermission, What: all.String()}
	var names []string
	for _, r := range rights {
		c.For = merged(c.For, r.For...)
		if r.Name != "" {
			names = append(names, r.Name)
		}
	}
	switch {
	case len(names) < len(rights): // one is for all of them
	case len(names) == 1:
		all.Name = names[0]
		c.What = all.String()
	default:
		c.What += fmt.Sprintf(", %s: %s", english.Plural(len(names), "name", ""), someOf(names))
	}
	return c
}

// joinVerbs makes one line of rights to the same objects.
func joinVerbs(granted []check) (list []check) {
	at := map[string]int{}
	for _, c := range granted {
		verb, object, _ := strings.Cut(c.What, " ")
		i, known := at[object]
		if !known {
			at[object] = len(list)
			list = append(list, c)
			continue
		}
		list[i].What = strings.TrimSuffix(list[i].What, " "+object) + ", " + verb + " " + object
		list[i].For = merged(list[i].For, c.For...)
	}
	return list
}
