// Package restorenodes gives nodes the labels and taints back that people had set.
package restorenodes

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"github.com/dustin/go-humanize/english"
	"k8s.io/apimachinery/pkg/runtime"

	"plan/internal/backup"
	"plan/internal/restore"
	"plan/steps"
)

//go:embed schema.json
var schema []byte

//go:embed README.md
var doc string

// Kind describes the kind.
func Kind() steps.Kind {
	return steps.Kind{
		Name:   "restore-nodes",
		Schema: schema,
		Doc:    doc,
		Outputs: []steps.Output{
			{Name: "created", Type: steps.Integer, Doc: "nodes that something was put back on"},
			{Name: "unchanged", Type: steps.Integer, Doc: "nodes that have everything"},
			{Name: "different", Type: steps.Integer, Doc: "nodes on which something has another value, which was left"},
		},
		New: func() steps.Action { return &Action{} },
	}
}

// Action is the step's with.
type Action struct {
	Store       string   `yaml:"store"`
	Key         string   `yaml:"key"`
	Only        []string `yaml:"only"`
	Annotations []string `yaml:"annotations"`
	Overwrite   bool     `yaml:"overwrite"`

	pause func(ctx context.Context, try int) error // nil but in tests
}

// Validate wants the key of a backup of nodes, and patterns that can be read. The key may be known only at run time.
func (a *Action) Validate() error {
	problems := restore.CheckChoice(a.Key, backup.Nodes, a.Only)
	for i, pattern := range a.Annotations {
		if err := restore.CheckAnnotation(pattern); err != nil {
			problems = append(problems, fmt.Errorf("with.annotations[%d]: %w", i, err))
		}
	}
	return errors.Join(problems...)
}

// Needs is the folder that the backup is in; the key may be known only at run time.
func (a *Action) Needs(steps.Scope) steps.Needs {
	return steps.Needs{Places: []steps.Place{{Store: a.Store, Prefix: restore.Folder(a.Key)}}}
}

// Permissions are those of comparing and changing nodes.
func (a *Action) Permissions(steps.Scope) []steps.Permission {
	return []steps.Permission{{Verb: "list", Resource: "nodes"}, {Verb: "get", Resource: "nodes"}, {Verb: "patch", Resource: "nodes"}}
}

// Render gives nothing: no object is made.
func (a *Action) Render(steps.Scope) ([]runtime.Object, error) { return nil, nil }

// Plan names the nodes that would be changed, and how.
func (a *Action) Plan(ctx context.Context, env *steps.Env) ([]steps.Change, error) {
	plan, err := a.survey(ctx, env)
	if err != nil {
		return nil, err
	}
	var changes []steps.Change
	for _, n := range plan.Nodes {
		if n.Missing {
			env.Log("node %s has not joined this cluster", n.Name)
		}
		if len(n.Different) > 0 {
			env.Log("node %s has other values, which would be left as they are: %s", n.Name, strings.Join(n.Different, ", "))
		}
		if n.After != nil {
			changes = append(changes, steps.Change{Op: steps.Update, Target: "node " + n.Name, Detail: strings.Join(n.Add, ", "), Before: n.Before, After: n.After})
		}
	}
	return changes, nil
}

// Run changes them. Run again, it finds nothing to do.
func (a *Action) Run(ctx context.Context, env *steps.Env) (steps.Result, error) {
	plan, err := a.survey(ctx, env)
	if err != nil {
		return steps.Result{}, err
	}
	report, err := restore.ExecuteNodes(ctx, env.Kube, plan)
	reason := fmt.Sprintf("%s changed, %d unchanged, %d different", english.Plural(int(report.Changed), "node", ""), report.Unchanged, report.Different)
	if report.Missing > 0 {
		reason += fmt.Sprintf(", %d not joined", report.Missing)
	}
	return steps.Result{
		Outputs: map[string]any{"created": report.Changed, "unchanged": report.Unchanged, "different": report.Different},
		Reason:  reason,
	}, err
}

// survey is the computation that Plan and Run share. It tells where the backup comes from.
func (a *Action) survey(ctx context.Context, env *steps.Env) (*restore.NodePlan, error) {
	store, err := env.Store(a.Store)
	if err != nil {
		return nil, err
	}
	b, err := restore.Read(ctx, store, a.Key, backup.Nodes)
	if err != nil {
		return nil, err
	}
	env.Log("%s", b.Origin())
	plan, err := restore.SurveyNodes(ctx, env.Kube, b, restore.NodeOptions{
		Only: a.Only, Annotations: a.Annotations, Overwrite: a.Overwrite, Pause: a.pause, Progress: env.Progress,
	})
	if err != nil {
		return nil, fmt.Errorf("restore %s: nothing was changed: %w", a.Key, err)
	}
	return plan, nil
}
