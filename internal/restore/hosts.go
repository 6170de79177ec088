package restore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"plan/internal/kube"
	"plan/internal/objects"
)

const hostnameLabel = "kubernetes.io/hostname"

// hosts warns of new volumes that lie on hosts which this cluster does not have. The nodes are listed only if a volume names one.
func (s *survey) hosts(ctx context.Context) error {
	named := map[objects.ID][]string{}
	for _, item := range s.plan.Items {
		if item.ID.Kind != volumeKind || item.State != Missing {
			continue
		}
		if names, bound := hostsOf(item.Want); bound {
			named[item.ID] = names
		}
	}
	if len(named) == 0 {
		return nil
	}
	there := map[string]bool{}
	err := each(ctx, s.client, kube.Resource{Version: "v1", Resource: nodes.resource}, func(node json.RawMessage) error {
		there[label(node, hostnameLabel)] = true
		return nil
	})
	if err != nil {
		return err
	}
	var lines []string
	for _, item := range s.plan.Items {
		names, bound := named[item.ID]
		if bound && !slices.ContainsFunc(names, func(name string) bool { return there[name] }) {
			lines = append(lines, fmt.Sprintf("%s lies on host %s, and no node here has that name: pods that use it cannot start", item.ID, strings.Join(names, " or ")))
		}
	}
	s.plan.Warnings = append(s.plan.Warnings, bounded(lines, "volumes on hosts that are not here")...)
	return nil
}

// bounded is the beginning of a list of lines, with the number of the others, which are of what.
func bounded(lines []string, what string) []string {
	const shown = 20
	if more := len(lines) - shown; more > 0 {
		return append(lines[:shown], fmt.Sprintf("… and %d more %s", more, what))
	}
	return lines
}

// hostsOf are the hosts that a volume can be reached from, if every term of its node affinity names some.
func hostsOf(volume json.RawMessage) (names []string, bound bool) {
	terms := gjson.GetBytes(volume, "spec.nodeAffinity.required.nodeSelectorTerms").Array()
	for _, term := range terms {
		one := false
		for _, e := range term.Get("matchExpressions").Array() {
			if e.Get("key").String() != hostnameLabel || e.Get("operator").String() != "In" {
				continue
			}
			one = true
			for _, value := range e.Get("values").Array() {
				names = append(names, value.String())
			}
		}
		if !one {
			return nil, false
		}
	}
	return names, len(terms) > 0
}
