// Package backupnodetoken keeps a copy of a server's token where it survives the server.
package backupnodetoken

import (
	"context"
	_ "embed"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"

	"plan/internal/nodetoken"
	"plan/steps"
)

//go:embed schema.json
var schema []byte

//go:embed README.md
var doc string

// Kind describes the kind.
func Kind() steps.Kind {
	return steps.Kind{
		Name:   "backup-node-token",
		Schema: schema,
		Doc:    doc,
		Outputs: []steps.Output{
			{Name: "action", Type: steps.String, Doc: "what became of the copy: created, updated or unchanged"},
			{Name: "tokenHash", Type: steps.String, Doc: "the token's hash as snapshots carry it: the first 12 hex digits of SHA-256 of its password"},
		},
		New: func() steps.Action { return &Action{Path: nodetoken.K3sFile} },
	}
}

// Action is the step's with.
type Action struct {
	Path string       `yaml:"path"`
	To   nodetoken.To `yaml:"to"`
}

// Validate wants exactly one place.
func (a *Action) Validate() error {
	if n := a.To.Count(); n != 1 {
		return fmt.Errorf("with.to: it names %d places: name exactly one of bitwarden, kubernetes and file", n)
	}
	return nil
}

// Needs is a session of Bitwarden when the token is kept there.
func (a *Action) Needs(steps.Scope) steps.Needs {
	return steps.Needs{Bitwarden: a.To.Bitwarden != nil}
}

// Permissions is about the one Secret, when the token is kept in one.
func (a *Action) Permissions(scope steps.Scope) []steps.Permission {
	k := a.To.Kubernetes
	if k == nil {
		return nil
	}
	namespace := k.In(scope.Namespace)
	return []steps.Permission{
		{Verb: "get", Resource: "secrets", Namespace: namespace, Name: k.Name},
		{Verb: "create", Resource: "secrets", Namespace: namespace},
		{Verb: "update", Resource: "secrets", Namespace: namespace, Name: k.Name},
	}
}

// Render gives nothing: the one object that may be made holds a secret, and only the server's file has it.
func (a *Action) Render(steps.Scope) ([]runtime.Object, error) { return nil, nil }

// work is what Plan and Run share.
type work struct {
	place  nodetoken.Place
	token  nodetoken.Token
	action string
	writes []nodetoken.Write
}

// look reads the token and what is kept of it.
func (a *Action) look(ctx context.Context, env *steps.Env) (w work, err error) {
	if err := ctx.Err(); err != nil {
		return w, err
	}
	var source string
	if w.token, source, err = nodetoken.Read(nodetoken.Absolute(env.Dir, a.Path), env.Hide); err != nil {
		return w, err
	}
	w.place, err = a.To.Open(nodetoken.Options{
		Cluster: env.Cluster.Name, Namespace: env.Scope.Namespace, Dir: env.Dir, Source: source,
		Kube: env.Kube, Bitwarden: env.Bitwarden, Hide: env.Hide,
	})
	if err != nil {
		return w, fmt.Errorf("with.to: %w", err)
	}
	w.action, w.writes, err = nodetoken.Plan(ctx, w.place, w.token)
	return w, err
}

// Plan names what would be written, with the hashes of the tokens.
func (a *Action) Plan(ctx context.Context, env *steps.Env) ([]steps.Change, error) {
	w, err := a.look(ctx, env)
	if err != nil {
		return nil, err
	}
	var changes []steps.Change
	for _, write := range w.writes {
		change := steps.Change{Op: steps.Create, Target: write.Target, Detail: "the server's token, hash " + write.Token.Hash()}
		if write.Into {
			change.Op = steps.Update
		}
		if write.Slot != "" {
			change.Detail = "a copy of the token that is kept now, hash " + write.Token.Hash() + ": older snapshots need it"
		}
		changes = append(changes, change)
	}
	return changes, nil
}

// Run makes the writes, each read back before the next: the copy of the token kept so far comes first.
func (a *Action) Run(ctx context.Context, env *steps.Env) (steps.Result, error) {
	w, err := a.look(ctx, env)
	if err != nil {
		return steps.Result{}, err
	}
	reason := fmt.Sprintf("token with hash %s → %s", w.token.Hash(), w.place.Target(""))
	for _, write := range w.writes {
		if err := nodetoken.Do(ctx, w.place, write); err != nil {
			return steps.Result{}, err
		}
		if write.Slot != "" {
			reason += "; the earlier one is kept in " + write.Target
		}
	}
	if w.action == nodetoken.Unchanged {
		reason = fmt.Sprintf("%s has the token with hash %s already", w.place.Target(""), w.token.Hash())
	}
	return steps.Result{Outputs: map[string]any{"action": w.action, "tokenHash": w.token.Hash()}, Reason: reason}, nil
}
