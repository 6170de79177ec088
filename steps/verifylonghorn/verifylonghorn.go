// Package verifylonghorn checks that every Longhorn volume in use has a fresh backup.
package verifylonghorn

import (
	"context"
	_ "embed"

	"plan/internal/checks/longhorn"
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
		Name:   "verify-longhorn",
		Check:  true,
		Schema: schema,
		Doc:    doc,
		Outputs: []steps.Output{
			{Name: "volumes", Type: steps.Integer, Doc: "Longhorn volumes that were verified"},
			{Name: "ok", Type: steps.Integer, Doc: "those of them that have a fresh backup"},
			{Name: "findings", Type: steps.List, Doc: "finding, verdict, object, message, cause, next and data of each finding"},
		},
		New: func() steps.Action { return &Action{Check: longhorn.New()} },
	}
}

// Action is the step's with.
type Action struct {
	verify.Reads
	longhorn.Check `yaml:",inline"`
}

// Run lists what the cluster knows of volumes and backups, and judges each volume.
func (a *Action) Run(ctx context.Context, env *steps.Env) (steps.Result, error) {
	return verify.Run(ctx, env, &a.Check)
}
