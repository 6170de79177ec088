// Package verifybackup checks that the newest backup of the cluster is sound and young enough, and could be restored.
package verifybackup

import (
	"context"
	_ "embed"

	"plan/internal/checks/backups"
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
		Name:   "verify-backup",
		Check:  true,
		Schema: schema,
		Doc:    doc,
		Outputs: []steps.Output{
			{Name: "key", Type: steps.String, Doc: "the key of the newest sound backup"},
			{Name: "objects", Type: steps.Integer, Doc: "objects in it"},
			{Name: "findings", Type: steps.List, Doc: "finding, verdict, object, message, cause, next and data of each finding"},
		},
		New: func() steps.Action { return &Action{Check: backups.New()} },
	}
}

// Action is the step's with.
type Action struct {
	verify.Reads
	backups.Check `yaml:",inline"`
}

// Run reads the backup and judges it.
func (a *Action) Run(ctx context.Context, env *steps.Env) (steps.Result, error) {
	return verify.Run(ctx, env, &a.Check)
}
