// Package verifynodetoken checks that a server's token is kept, and that it opens the newest snapshot.
package verifynodetoken

import (
	"context"
	_ "embed"

	"plan/internal/checks/nodetoken"
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
		Name:   "verify-node-token",
		Check:  true,
		Schema: schema,
		Doc:    doc,
		Outputs: append(nodetoken.Outputs(),
			steps.Output{Name: "findings", Type: steps.List, Doc: "finding, verdict, object, message, cause, next and data of each finding"}),
		New: func() steps.Action { return &Action{Check: nodetoken.New()} },
	}
}

// Action is the step's with.
type Action struct {
	verify.Reads
	nodetoken.Check `yaml:",inline"`
}

// Run looks and judges.
func (a *Action) Run(ctx context.Context, env *steps.Env) (steps.Result, error) {
	return verify.Run(ctx, env, &a.Check)
}
