// Package verifyetcd checks that k3s or RKE2 keeps making etcd snapshots, and that they can be restored.
package verifyetcd

import (
	"context"
	_ "embed"

	"plan/internal/checks/etcd"
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
		Name:   "verify-etcd",
		Check:  true,
		Schema: schema,
		Doc:    doc,
		Outputs: []steps.Output{
			{Name: "newest", Type: steps.String, Doc: "the key of the newest snapshot"},
			{Name: "age", Type: steps.Duration, Doc: "how old it is"},
			{Name: "snapshots", Type: steps.Integer, Doc: "snapshots that count"},
			{Name: "findings", Type: steps.List, Doc: "finding, verdict, object, message, cause, next and data of each finding"},
		},
		New: func() steps.Action { return &Action{Check: etcd.New()} },
	}
}

// Action is the step's with.
type Action struct {
	verify.Reads
	etcd.Check `yaml:",inline"`
}

// Run looks and judges.
func (a *Action) Run(ctx context.Context, env *steps.Env) (steps.Result, error) {
	return verify.Run(ctx, env, &a.Check)
}
