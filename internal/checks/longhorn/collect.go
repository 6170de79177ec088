package longhorn

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"plan/internal/checks"
	"plan/internal/kube"
	"plan/internal/longhorn"
	"plan/steps"
)

// atOnce is how many lists are read at the same time: the server makes one while another is decoded.
const atOnce = 4

// missing are the lists that could not be had whole, in the order of the lists.
type missing []lack

type lack struct {
	resource kube.Resource
	err      error // nil: the list is complete
}

// collect reads all lists. One that fails does not end the others: what else is wrong is worth knowing at once.
func collect(ctx context.Context, env *steps.Env, namespace string) (*longhorn.State, missing) {
	state := longhorn.New()
	lists := state.Lists(namespace)
	lacks := make([]lack, len(lists))
	progress := counter{report: env.Progress}
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, l := range lists {
		group.Go(func() error {
			lacks[i] = lack{l.Resource, read(ctx, env.Kube, l, progress.add)}
			return nil
		})
	}
	_ = group.Wait() // each keeps its error
	var lacking missing
	for _, l := range lacks {
		if l.err != nil {
			lacking = append(lacking, l)
		}
	}
	return state, lacking
}

func read(ctx context.Context, client *kube.Client, l longhorn.List, count func(int)) error {
	for page, err := range client.List(ctx, l.Resource, 0) {
		if err != nil {
			return err
		}
		for _, item := range page.Items {
			if err := l.Take(item); err != nil {
				return fmt.Errorf("list %s: %w", l.Resource, err)
			}
		}
		count(len(page.Items))
	}
	return nil
}

// counter adds up the objects of all lists.
type counter struct {
	mu     sync.Mutex
	n      int64
	report func(what string, done, total int64, unit string)
}

func (c *counter) add(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n += int64(n)
	c.report("listing volumes and backups", c.n, 0, "objects")
}

// gone tells whether Longhorn as a whole is not there: none of its resources is served, all else could be read, and no volume is its.
func (m missing) gone(state *longhorn.State, namespace string) bool {
	served := 0
	for _, l := range state.Lists(namespace) {
		if l.Group == longhorn.Group {
			served++
		}
	}
	for _, l := range m {
		if l.resource.Group != longhorn.Group || !errors.Is(l.err, kube.ErrNotServed) {
			return false
		}
		served--
	}
	return served == 0 && !slices.ContainsFunc(state.PVs, func(pv longhorn.PV) bool { _, its := pv.Handle(); return its })
}

// findings are what is said of the lists: why each could not be had.
func (m missing) findings() []checks.Finding {
	var all []checks.Finding
	for _, l := range m {
		object := l.resource.String()
		if l.resource.Namespace != "" {
			object += " in " + l.resource.Namespace
		}
		f := checks.Broken(object, l.err)
		if f.Name == checks.NotInstalled {
			f.Next = "see that all of Longhorn's CRDs are installed, and serve " + l.resource.APIVersion()
		}
		all = append(all, f)
	}
	return all
}
