package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"plan/engine"
	"plan/internal/errclass"
	"plan/internal/secrets"
	"plan/internal/source/registry"
	"plan/steps"
)

// The words of the first column that are about what steps need besides the cluster.
const (
	checkStep   = "step" // which cannot be looked at
	checkStore  = "store"
	checkImage  = "image"
	checkPush   = "push"
	checkSource = "source"
)

// lookTimeout bounds a look at a source: to pack a large directory takes a while.
const lookTimeout = 2 * time.Minute

// needed is something with those who need it.
type needed[T any] struct {
	of     T
	askers []string
}

// needs are those of all steps that may run, each once.
type needs struct {
	places         []needed[steps.Place]
	images, pushes []needed[steps.Image]
	sources        []needed[steps.Source]

	unknown []check // what only a run can know
}

// allNeeds asks each instance of each step, with its fields as far as they are known before a run.
func (p *preflight) allNeeds() *needs {
	n := &needs{}
	for _, step := range p.mayRun() {
		instances := []*engine.Instance{nil}
		if step.Matrix != nil {
			instances = step.Matrix.Instances
		}
		for _, instance := range instances {
			one, err := p.previewed(step, instance)
			if err != nil {
				n.skip(checkStep, one.name(), err.Error(), nil)
				continue
			}
			n.add(one.action.Needs(one.scope(p.session)), step, p)
		}
	}
	return n
}

// skip notes what cannot be looked at.
func (n *needs) skip(kind, what, why string, askers []string) {
	c := check{Check: kind, What: what}.skipped("%s", why)
	for i := range n.unknown {
		if same := &n.unknown[i]; same.Check == c.Check && same.What == c.What && same.Detail == c.Detail {
			same.For = merged(same.For, askers...)
			return
		}
	}
	c.For = askers
	n.unknown = append(n.unknown, c)
}

// add takes the needs of a step in. What of them is known only to a run is said and left out.
func (n *needs) add(more steps.Needs, step *engine.Step, p *preflight) {
	asker := "step " + step.ID
	for _, place := range more.Places {
		place.Store = cmp.Or(place.Store, step.Store)
		_, known := p.specs[place.Store]
		if unknownIn(place.Store) || unknownIn(place.Prefix) || !known {
			n.skip(checkStore, p.storeName(place.Store)+" "+place.Prefix, onlyTheRun, []string{asker})
			continue
		}
		n.places = addNeed(n.places, place, asker, func(a, b *steps.Place) bool {
			same := a.Store == b.Store && a.Prefix == b.Prefix
			if same {
				a.Puts, a.Deletes = a.Puts || b.Puts, a.Deletes || b.Deletes
			}
			return same
		})
	}
	n.images = n.addImages(n.images, checkImage, more.Images, asker)
	n.pushes = n.addImages(n.pushes, checkPush, more.Pushes, asker)
	for _, source := range more.Sources {
		switch {
		case unknownIn(source.Name):
			n.skip(checkSource, source.Name, onlyTheRun, []string{asker})
		case source.Look == nil:
			n.skip(checkSource, source.Name, "only the pods come to it", []string{asker})
		case slices.ContainsFunc(n.sources, func(other needed[steps.Source]) bool { return other.of.Name == source.Name && other.askers[0] == asker }):
			// of another instance of the step
		default:
			n.sources = append(n.sources, needed[steps.Source]{source, []string{asker}})
		}
	}
}

const onlyTheRun = "only a run can know it"

func (n *needs) addImages(list []needed[steps.Image], kind string, more []steps.Image, asker string) []needed[steps.Image] {
	for _, image := range more {
		if unknownIn(image.Name) {
			n.skip(kind, image.Name, onlyTheRun, []string{asker})
			continue
		}
		list = addNeed(list, image, asker, func(a, b *steps.Image) bool {
			same := a.Name == b.Name
			if same {
				a.Here = a.Here || b.Here
			}
			return same
		})
	}
	return list
}

// addNeed adds a need, or who else has it.
func addNeed[T any](list []needed[T], one T, asker string, join func(a, b *T) bool) []needed[T] {
	for i := range list {
		if join(&list[i].of, &one) {
			list[i].askers = merged(list[i].askers, asker)
			return list
		}
	}
	return append(list, needed[T]{one, []string{asker}})
}

// imageProbes ask registries for manifests, with the logins of this machine.
func imageProbes(n *needs) (probes []probe) {
	for _, image := range n.images {
		c := check{Check: checkImage, What: image.of.Name, For: image.askers}
		probes = append(probes, func(ctx context.Context) check {
			var digest string
			err := bounded(ctx, openTimeout, func(ctx context.Context) (err error) {
				digest, err = registry.Find(ctx, image.of.Name, registry.Options{UserAgent: userAgent()})
				return err
			})
			var answer *registry.Error
			switch {
			case err == nil:
				return c.ok("%s", digest)
			case !errors.As(err, &answer) && !errors.As(err, new(exit)):
				return c.failed(usage(err)) // it is no name of an image
			case errclass.Classify(err).Kind == errclass.NotFound:
				return c.failed(exit{code: engine.ExitFailed, err: err})
			case image.of.Here:
				return c.failed(err)
			}
			return c.warning("%v. Nodes may have other logins and routes", err)
		})
	}
	return probes
}

// pushProbes ask registries whether images may be pushed. That takes an upload that is begun and taken back.
func pushProbes(n *needs, write bool) (probes []probe) {
	for _, push := range n.pushes {
		c := check{Check: checkPush, What: push.of.Name, For: push.askers}
		probes = append(probes, func(ctx context.Context) check {
			if !write {
				return c.skipped("pushing was not tried: --write tries it")
			}
			err := bounded(ctx, openTimeout, func(ctx context.Context) error {
				return registry.MayPush(ctx, push.of.Name, registry.Options{UserAgent: userAgent()})
			})
			switch {
			case err == nil:
				return c.ok("an upload was begun and taken back")
			case !push.of.Here && errclass.Classify(err).Kind == errclass.Unreachable:
				return c.warning("%v. The builder may have another route to it, and trust others", err)
			}
			return c.failed(err)
		})
	}
	return probes
}

// sourceProbes look at what work is made of.
func (p *preflight) sourceProbes(n *needs) (probes []probe) {
	for _, source := range n.sources {
		c := check{Check: checkSource, What: source.of.Name, For: source.askers}
		probes = append(probes, func(ctx context.Context) check {
			var found string
			err := bounded(ctx, lookTimeout, func(ctx context.Context) (err error) {
				found, err = source.of.Look(ctx, p.value)
				return err
			})
			switch {
			case errors.Is(err, errNotRead):
				return c.skipped("%v", err)
			case err != nil:
				return c.failed(sourceError(err))
			}
			return c.ok("%s", found)
		})
	}
	return probes
}

// errNotRead is that of a value which was not read, as is told elsewhere.
var errNotRead = errors.New("a value that it takes was not read")

// value is what a field has, from outside or by itself.
func (p *preflight) value(v secrets.Value) (string, error) {
	text, err := p.resolver.Value(v)
	if err != nil {
		return "", fmt.Errorf("%w: %s", errNotRead, v)
	}
	return text, nil
}

// sourceError makes a path that leads nowhere a fault of the plan.
func sourceError(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return usage(err)
	}
	return err
}
