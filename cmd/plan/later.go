package main

import (
	"fmt"
	"slices"
	"strings"
)

// What the language and the command line have and this version has not. It is refused by name, never accepted and ignored.
var (
	laterVerbs  = []string{"diff", "render", "preflight", "rbac", "cronjob", "jobs", "secret"}
	laterFlags  = map[string][]string{"apply": {"--dry-run", "--follow"}, "run": {"--dry-run", "--follow"}}
	laterKinds  = []string{"run-job"}
	laterFields = []string{"spec.defaults.retry.exitCodes",
		"spec.steps[].retry.exitCodes", "spec.finally[].retry.exitCodes"}
)

// later is what schema.NewValidator refuses by name.
func later() []string {
	names := slices.Clone(laterFields)
	for _, kind := range laterKinds {
		names = append(names, "uses: "+kind)
	}
	return names
}

// refuseLater finds a verb or flag of a later version on the command line.
func refuseLater(args []string) error {
	if len(args) == 0 {
		return nil
	}
	if slices.Contains(laterVerbs, args[0]) {
		return usage(fmt.Errorf("the command %s is not in this version of plan", args[0]))
	}
	if args[0] == "run" && len(args) > 1 && (slices.Contains(laterKinds, args[1]) || args[1] == "job") {
		return usage(fmt.Errorf("the kind %s is not in this version of plan", args[1]))
	}
	for _, arg := range args[1:] {
		name, _, _ := strings.Cut(arg, "=")
		if arg == "--" {
			break
		}
		if slices.Contains(laterFlags[args[0]], name) {
			return usage(fmt.Errorf("the flag %s is not in this version of plan", name))
		}
	}
	return nil
}
