package restore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"plan/internal/kube"
	"plan/internal/objects"
)

// writers is how many objects are written at once.
const writers = 8

// maxTries is how often a write without an answer is made.
const maxTries = 3

// Report is what a restore has come to.
type Report struct {
	Created   int64 // objects made, or finished, or with overwrite changed
	Unchanged int64 // objects that were there as in the backup
	Different int64 // objects that are there and different, and claims that were not made for that reason
}

// Execute makes what is missing, in order: of each kind all, and the next kind only when none has failed. Volumes keep their data
// (reclaim policy Retain) until their claims are bound, which it waits for. Run again after any end it goes on where it stopped.
// An error has everything that was left undone; the report counts what was done in any case.
func Execute(ctx context.Context, client *kube.Client, p *Plan) (Report, error) {
	e := &execution{plan: p, client: client, options: p.options}
	e.tally()
	err := e.make(ctx)
	if err == nil {
		err = e.settle(ctx)
	}
	return e.report, errors.Join(err, e.left())
}

// execution is a Plan being done.
type execution struct {
	plan    *Plan
	client  *kube.Client
	options Options
	items   map[objects.ID]*Item

	mu      sync.Mutex // for all below, and for the items' states
	report  Report
	made    map[objects.ID]bool
	refused []error // changes that the API server does not allow
	done    int64
}

// tally counts what is as it should be before anything is done.
func (e *execution) tally() {
	e.made, e.items = map[objects.ID]bool{}, map[objects.ID]*Item{}
	for _, item := range e.plan.Items {
		e.items[item.ID] = item
		if item.State == Same {
			e.report.Unchanged++
		}
	}
}

// make creates and overwrites, kind by kind.
func (e *execution) make(ctx context.Context) error {
	for from := 0; from < len(e.plan.Items); {
		to := from
		for to < len(e.plan.Items) && rank(e.plan.Items[to].ID) == rank(e.plan.Items[from].ID) {
			to++
		}
		if err := e.makeAll(ctx, e.plan.Items[from:to]); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// makeAll does the objects of one kind. One that fails does not hold up the others, unless the server cannot be reached or refuses all.
func (e *execution) makeAll(ctx context.Context, items []*Item) error {
	var group errgroup.Group
	group.SetLimit(writers)
	var problems []error
	for _, item := range items {
		if !e.due(item) {
			continue
		}
		e.mu.Lock()
		stop := len(problems) > 0 && hopeless(problems[len(problems)-1])
		e.mu.Unlock()
		if stop || ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			err := e.one(ctx, item)
			e.mu.Lock()
			defer e.mu.Unlock()
			if err != nil {
				problems = append(problems, err)
			}
			e.done++
			e.options.Progress("restoring", e.done, int64(len(e.plan.Items)), "objects")
			return nil
		})
	}
	_ = group.Wait() // the errors are in problems
	if len(problems) == 0 {
		return ctx.Err()
	}
	return joined(sorted(problems))
}

// sorted is a list of problems that were met at once, in an order that is the same every time.
func sorted(problems []error) []error {
	slices.SortFunc(problems, func(x, y error) int { return strings.Compare(x.Error(), y.Error()) })
	return problems
}

// hopeless tells whether the next object would fare the same.
func hopeless(err error) bool {
	_, answered := errors.AsType[*apierrors.StatusError](err)
	return !answered || apierrors.IsUnauthorized(err)
}

// due tells whether an object is to be written. A claim is not when its volume turned out to be another.
func (e *execution) due(item *Item) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if item.ID.Kind == claimKind && (item.State == Missing || item.State == Held) {
		item.State = Missing
		if volume := e.items[volumeID(item.Want)]; volume != nil && volume.State == Different {
			item.State = Held
		}
	}
	return item.State == Missing || item.State == Different && e.options.Overwrite
}

func (e *execution) one(ctx context.Context, item *Item) error {
	if item.State == Different {
		return e.overwrite(ctx, item)
	}
	return e.create(ctx, item)
}

// create makes an object. An answer that is lost is looked for.
func (e *execution) create(ctx context.Context, item *Item) error {
	payload := item.Want
	if item.ID.Kind == volumeKind {
		payload = tied(payload, item.claimUID)
		if item.Pair.Name != "" {
			payload = unfinished(payload, e.plan.key)
		}
	}
	unsure := false // an earlier try may have made it
	for try := 1; ; try++ {
		stored, err := e.client.Create(ctx, resourceOf(item.ID), item.ID.Name, payload, kube.WriteOptions{})
		switch {
		case err == nil:
			e.compare(payload, stored, item.ID)
			e.settled(item, Missing)
			return nil
		case apierrors.IsAlreadyExists(err):
		case errors.Is(err, kube.ErrUnanswered):
			unsure = true
		default:
			return err
		}
		live, missing := e.client.Get(ctx, resourceOf(item.ID), item.ID.Name)
		switch {
		case missing == nil:
			return e.adopt(item, live, unsure)
		case !apierrors.IsNotFound(missing):
			return errors.Join(err, missing)
		case try == maxTries || e.options.Pause(ctx, try) != nil:
			return err
		}
	}
}

// adopt judges what is there under the name of an object that was missing a moment ago.
func (e *execution) adopt(item *Item, live json.RawMessage, unsure bool) error {
	if err := dying(item.ID, live); err != nil {
		return err
	}
	e.mu.Lock()
	err := item.compare(live, e.plan.key)
	state := item.State
	e.mu.Unlock()
	if err != nil {
		return err
	}
	if state == Same && unsure {
		state = Missing // it is ours
	}
	e.settled(item, state)
	return nil
}

// settled counts an object by what it was.
func (e *execution) settled(item *Item, was State) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch was {
	case Missing:
		e.report.Created++
		e.made[item.ID] = true
		item.State = Same
		if item.ID.Kind == volumeKind && item.Pair.Name != "" {
			item.State = Unfinished
		}
	case Same:
		e.report.Unchanged++
	}
}

// compare tells when the server has stored something else than was sent, as an admission webhook may do: the next restore will find a
// difference.
func (e *execution) compare(sent, stored json.RawMessage, id objects.ID) {
	want, err := objects.Clean(sent)
	if err != nil {
		return
	}
	if have, err := objects.Clean(stored); err == nil {
		if paths := objects.Diff(have, want); len(paths) > 0 {
			e.options.Log("%s was stored otherwise than it was sent: %v", id, paths)
		}
	}
}

// left is everything that is not as in the backup although the work is done, as an error.
func (e *execution) left() error {
	problems := sorted(e.refused)
	for _, item := range e.plan.Items {
		switch item.State {
		case Different:
			e.report.Different++
			if len(problems) < 50 && !e.options.Overwrite {
				problems = append(problems, fmt.Errorf("%s is there and different, and was left as it is: %s", item.ID, first(item.Paths)))
			}
		case Held:
			e.report.Different++
			problems = append(problems, fmt.Errorf("%s was not made: its volume %s here is not the one of the backup", item.ID, volumeID(item.Want)))
		}
	}
	return joined(problems)
}

// first is the beginning of a list of paths, for a line.
func first(paths []string) string {
	const shown = 4
	text := ""
	for i, path := range paths {
		if i == shown {
			return text + ", …"
		}
		if i > 0 {
			text += ", "
		}
		text += path
	}
	return text
}
