package main

import (
	"fmt"
	"slices"
)

// laterVerbs are commands that this version has not. They are refused by name.
var laterVerbs = []string{"diff", "render", "preflight", "cronjob"}

// later is what schema.NewValidator refuses by name: nothing at present.
func later() []string { return nil }

// refuseLater finds a verb of a later version on the command line.
func refuseLater(args []string) error {
	if len(args) > 0 && slices.Contains(laterVerbs, args[0]) {
		return usage(fmt.Errorf("the command %s is not in this version of plan", args[0]))
	}
	return nil
}
