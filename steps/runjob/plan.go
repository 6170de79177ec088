package runjob

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"plan/internal/jobs"
	"plan/internal/kube"
	"plan/internal/workload"
	"plan/steps"
)

// Plan tells what would be made, and of what. A workload that would be replaced is told beside the one that is there: its template cannot be
// changed.
func (a *Action) Plan(ctx context.Context, env *steps.Env) ([]steps.Change, error) {
	objects, work, err := a.rendered(ctx, env.Scope, env.Noted)
	if err != nil {
		return nil, err
	}
	objects.Redact()
	p := planning{runner: a.runner(env), op: steps.Create}
	there, err := p.runner.Look(ctx)
	switch {
	case err != nil:
		return nil, err
	case there == nil:
	case p.runner.Mine(there, objects):
		return nil, nil
	case a.Replace && there.Ours():
		p.op = steps.Replace
	default:
		return nil, fmt.Errorf("%s %s/%s is there already: %w", a.Workload, p.runner.Namespace, p.runner.Name, jobs.ErrForeign)
	}
	return p.changes(ctx, objects, a.Workload, a.about(work))
}

// about says in a line what the workload is made of.
func (a *Action) about(work *carried) string {
	about := append([]string{"image " + cmp.Or(work.image, a.Image)}, work.about...)
	if a.Security != workload.Restricted {
		about = append(about, "security "+a.Security)
	}
	return strings.Join(about, "; ")
}

// planning tells of the objects of one workload.
type planning struct {
	runner *jobs.Runner
	op     steps.Op
}

func (p planning) changes(ctx context.Context, objects *workload.Objects, kind, about string) ([]steps.Change, error) {
	first := steps.Change{Op: p.op, Target: p.target(kind, p.runner.Name), Detail: about}
	var err error
	if first.After, err = atWork(objects); err != nil {
		return nil, err
	}
	if p.op == steps.Replace {
		if first.Before, err = p.live(ctx, first.After); err != nil {
			return nil, err
		}
	}
	changes := []steps.Change{first}
	add := func(kind, resource, name, detail string) error {
		op, err := p.partOp(ctx, resource, name)
		changes = append(changes, steps.Change{Op: op, Target: p.target(kind, name), Detail: detail})
		return err
	}
	for _, m := range objects.ConfigMaps {
		size := 0
		for _, part := range m.BinaryData {
			size += len(part)
		}
		detail := fmt.Sprintf("%d bytes of the source", size)
		if len(m.Data) > 0 {
			detail = "the source, which only the run can bring"
		}
		if err := add("configmap", "configmaps", m.Name, detail); err != nil {
			return nil, err
		}
	}
	for _, s := range objects.Secrets {
		if err := add("secret", "secrets", s.Name, "keys "+s.Annotations[workload.AnnotationRedacted]); err != nil {
			return nil, err
		}
	}
	return changes, nil
}

func (p planning) target(kind, name string) string {
	return kind + " " + p.runner.Namespace + "/" + name
}

// live is the workload that is there, as far as it can be compared.
func (p planning) live(ctx context.Context, after json.RawMessage) (json.RawMessage, error) {
	data, err := p.runner.Kube.Get(ctx, p.runner.Resource(), p.runner.Name)
	if apierrors.IsNotFound(err) {
		return nil, nil // since it was looked at
	}
	if err != nil {
		return nil, err
	}
	return asSent(data, after)
}

// partOp tells whether one of the name goes with the workload that is replaced.
func (p planning) partOp(ctx context.Context, resource, name string) (steps.Op, error) {
	if p.op != steps.Replace {
		return p.op, nil
	}
	_, err := p.runner.Kube.Get(ctx, kube.Resource{Version: "v1", Resource: resource, Namespace: p.runner.Namespace}, name)
	if apierrors.IsNotFound(err) {
		return steps.Create, nil
	}
	return steps.Replace, err
}
