package restore

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"plan/internal/kube"
	"plan/internal/objects"
)

// Trial is an object that a restore could not make.
type Trial struct {
	ID  objects.ID
	Err error
}

// Rehearse sends everything that a restore into an empty cluster would create to the API server, as a dry run: it validates and admits
// the objects and stores none. It gives how many passed and those that did not, in the order of a restore. One that is there already has
// passed, because that is noticed last. After an error that the next object would meet too it stops.
//
// Claims of a namespace that is not here are tried in the namespace default: the API server admits nothing into a namespace that it
// does not have. A node is tried with its name, labels and taints.
func Rehearse(ctx context.Context, client *kube.Client, b Backup, progress func(what string, done, total int64, unit string)) (int64, []Trial) {
	r := rehearsal{client: client, total: int64(len(b.Objects)), progress: progress, absent: map[string]bool{}}
	for from := 0; from < len(b.Objects) && !r.over; {
		to := from
		for to < len(b.Objects) && rank(b.Objects[to].ID) == rank(b.Objects[from].ID) {
			to++
		}
		r.kind(ctx, b.Objects[from:to])
		from = to
	}
	slices.SortFunc(r.failed, func(x, y Trial) int {
		return cmp.Or(rank(x.ID)-rank(y.ID), strings.Compare(x.ID.String(), y.ID.String()))
	})
	return r.passed, r.failed
}

type rehearsal struct {
	client   *kube.Client
	total    int64
	progress func(what string, done, total int64, unit string)

	mu     sync.Mutex
	passed int64
	failed []Trial
	absent map[string]bool // namespaces that are not here
	over   bool            // the next object would fare the same
}

// kind tries the objects of one kind. When one of them is not allowed to be created, none is.
func (r *rehearsal) kind(ctx context.Context, list []Object) {
	var group errgroup.Group
	group.SetLimit(writers)
	denied := false
	for _, o := range list {
		r.mu.Lock()
		stop := r.over || denied
		r.mu.Unlock()
		if stop {
			break
		}
		group.Go(func() error {
			err := r.one(ctx, o)
			r.mu.Lock()
			defer r.mu.Unlock()
			if err == nil {
				r.passed++
				r.progress("rehearsing", r.passed, r.total, "objects")
				return nil
			}
			r.over = r.over || hopeless(err)
			if NotPermitted(err) && denied { // once is enough
				return nil
			}
			denied = denied || NotPermitted(err)
			r.failed = append(r.failed, Trial{o.ID, err})
			return nil
		})
	}
	_ = group.Wait() // the errors are in failed
}

func (r *rehearsal) one(ctx context.Context, o Object) error {
	where, payload := resourceOf(o.ID), o.Want
	switch o.ID.Kind {
	case volumeKind:
		payload = unfinished(payload, "rehearsal")
	case claimKind:
		r.mu.Lock()
		elsewhere := r.absent[o.ID.Namespace]
		r.mu.Unlock()
		if elsewhere {
			where.Namespace, payload = "default", inNamespace(payload, "default")
		}
	case nodeKind:
		payload = bare(payload)
	}
	_, err := r.client.Create(ctx, where, o.ID.Name, payload, kube.WriteOptions{DryRun: true})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	if err == nil && o.ID.Kind == namespaceKind {
		r.mu.Lock()
		r.absent[o.ID.Name] = true
		r.mu.Unlock()
	}
	return err
}

// inNamespace is an object in another namespace.
func inNamespace(object json.RawMessage, namespace string) json.RawMessage {
	return edit(object, func(meta, _ map[string]any) { meta["namespace"] = namespace })
}

// bare is a node with what is restored of it.
func bare(node json.RawMessage) json.RawMessage {
	var p NodePlan
	s, err := p.settingsOf(node)
	if err != nil {
		return node
	}
	meta := map[string]any{"name": objects.IDOf(node).Name}
	labels := map[string]any{}
	for name, value := range s.labels {
		labels[name] = value
	}
	if len(labels) > 0 {
		meta["labels"] = labels
	}
	var taints []any
	for _, t := range s.taints {
		taints = append(taints, map[string]any{"key": t.key, "effect": t.effect, "value": t.value})
	}
	out := map[string]any{"apiVersion": "v1", "kind": nodeKind, "metadata": meta}
	if taints != nil {
		out["spec"] = map[string]any{"taints": taints}
	}
	return objects.Encode(out)
}

// Quota tells whether an object was refused because the namespace has used up what it may have: the object itself is sound.
func Quota(err error) bool {
	return apierrors.IsForbidden(err) && contains(err, "exceeded quota")
}

// NotPermitted tells whether the caller has no right to create objects of that kind: the authorizer's words, not a plugin's.
func NotPermitted(err error) bool {
	return apierrors.IsUnauthorized(err) || apierrors.IsForbidden(err) && contains(err, "cannot create resource")
}

// Refused tells whether the API server itself said no to the object, and not something in between.
func Refused(err error) bool {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	return ok && !apierrors.IsUnexpectedServerError(err) && status.ErrStatus.Code >= 400 && status.ErrStatus.Code < 500 && status.ErrStatus.Code != 429 && !apierrors.IsUnauthorized(err)
}

func contains(err error, words string) bool { return strings.Contains(err.Error(), words) }
