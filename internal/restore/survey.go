package restore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"plan/internal/kube"
	"plan/internal/objects"
)

// Options say what is restored, and how.
type Options struct {
	Only      []string          // patterns; empty is everything
	Handles   map[string]string // volumeHandle of the backup → the one to use
	Overwrite bool              // change what is there and different, as far as the API server allows

	// Pause waits before a list is read again or a write is tried again, the try-th time from 1; nil waits up to 5 s.
	Pause func(ctx context.Context, try int) error
	// Log and Progress may be nil.
	Log      func(format string, args ...any)
	Progress func(what string, done, total int64, unit string)
}

// State is how an object of the backup compares with the cluster.
type State string

// The states.
const (
	Missing    State = "missing"
	Same       State = "same"
	Unfinished State = "unfinished" // a volume that this restore has made and not finished
	Different  State = "different"
	Held       State = "held" // a claim that is missing, and whose volume here is not the one of the backup
)

// Item is an object of the backup beside the cluster's.
type Item struct {
	Object
	State State
	Have  json.RawMessage // objects.Clean of the cluster's; nil if it is missing
	Paths []string        // where the two differ
	Pair  objects.ID      // of a volume, the claim that it will be bound to

	claimUID   string // of that claim, if it is there already
	claimBound bool   // that claim, if it is there already, is
	bound      bool   // the cluster's volume or claim is
	tiedUID    string // of the cluster's volume: the UID of the claim that it belongs to
	waits      bool   // of a claim: its volume is here, not restored, and will take it
}

// Plan is what a restore would do. It is made for one cluster and one moment; Execute looks again where it matters.
type Plan struct {
	Items    []*Item  // in the order in which they are restored
	Warnings []string // what a person should know before
	options  Options
	key      string
}

// Survey reads the cluster and decides. What must not be restored as it is, is refused as a whole: the error has all that is wrong.
// Nothing is written.
func Survey(ctx context.Context, client *kube.Client, b Backup, o Options) (*Plan, error) {
	o = o.complete()
	chosen, problems := choose(b.Objects, o.Only)
	s := &survey{plan: &Plan{options: o, key: b.Key.String()}, client: client, items: map[objects.ID]*Item{}, problems: problems}
	for _, object := range s.withoutReleased(chosen, b) {
		item := &Item{Object: object, State: Missing}
		s.items[object.ID] = item
		s.plan.Items = append(s.plan.Items, item)
	}
	s.mapHandles(o.Handles)
	if err := s.look(ctx); err != nil {
		return nil, err
	}
	s.pairs()
	s.handles()
	if err := s.hosts(ctx); err != nil {
		return nil, err
	}
	return s.plan, joined(s.problems)
}

func (o Options) complete() Options {
	if o.Pause == nil {
		o.Pause = wait
	}
	if o.Log == nil {
		o.Log = func(string, ...any) {}
	}
	if o.Progress == nil {
		o.Progress = func(string, int64, int64, string) {}
	}
	return o
}

// survey is a Plan in the making.
type survey struct {
	plan     *Plan
	client   *kube.Client
	items    map[objects.ID]*Item
	volumes  []neighbour                    // the cluster's CSI volumes
	live     map[objects.ID]json.RawMessage // volumes and claims of the cluster that the backup's are paired with
	uids     map[objects.ID]string          // of all the cluster's claims
	problems []error
}

// neighbour is a volume of the cluster, for its handle.
type neighbour struct{ name, handle string }

func (s *survey) problem(format string, args ...any) {
	s.problems = append(s.problems, fmt.Errorf(format, args...))
}

func (s *survey) warn(format string, args ...any) {
	s.plan.Warnings = append(s.plan.Warnings, fmt.Sprintf(format, args...))
}

// mapHandles gives volumes their new handles. An old one that no volume has is a mistake.
func (s *survey) mapHandles(handles map[string]string) {
	used := map[string]bool{}
	for _, item := range s.plan.Items {
		old := gjson.GetBytes(item.Want, "spec.csi.volumeHandle").String()
		if to, ok := handles[old]; ok && item.ID.Kind == volumeKind {
			used[old] = true
			item.Want = withHandle(item.Want, to)
		}
	}
	for _, old := range slices.Sorted(maps.Keys(handles)) {
		if !used[old] {
			s.problem("handles: no PersistentVolume to be restored has the handle %q", old)
		}
	}
}

// look lists what the backup has from the cluster. Volumes and claims are listed in any case, because they may be the other half of one.
func (s *survey) look(ctx context.Context) error {
	s.live, s.uids = map[objects.ID]json.RawMessage{}, map[objects.ID]string{}
	counterparts := s.counterparts()
	versions := map[string]string{volumeKind: "v1", claimKind: "v1"}
	for _, item := range s.plan.Items {
		versions[item.ID.Kind] = item.ID.APIVersion
	}
	for _, k := range kinds {
		version, wanted := versions[k.name]
		if !wanted {
			continue
		}
		r := resourceOf(objects.ID{APIVersion: version, Kind: k.name})
		err := each(ctx, s.client, r, func(raw json.RawMessage) error { return s.meet(raw, counterparts) })
		switch {
		case errors.Is(err, kube.ErrNotServed):
			s.problem("the backup has objects of %s, which this cluster does not have: install what defines them, or leave them out with only", r)
		case err != nil:
			return err
		}
	}
	return nil
}

// each goes through a list. The objects have apiVersion and kind, and are the callee's to keep.
func each(ctx context.Context, client *kube.Client, r kube.Resource, f func(json.RawMessage) error) error {
	for page, err := range client.List(ctx, r, 0) {
		if err != nil {
			return err
		}
		for _, item := range page.Items {
			if err := f(objects.Typed(bytes.Clone(item), page.APIVersion, page.Kind)); err != nil {
				return err
			}
		}
	}
	return nil
}

// counterparts are the volumes that chosen claims name, and the claims that chosen volumes name.
func (s *survey) counterparts() map[objects.ID]bool {
	all := map[objects.ID]bool{}
	for _, item := range s.plan.Items {
		switch item.ID.Kind {
		case volumeKind:
			all[claimID(item.Want)] = true
		case claimKind:
			all[volumeID(item.Want)] = true
		}
	}
	return all
}

// meet takes in an object of the cluster.
func (s *survey) meet(raw json.RawMessage, counterparts map[objects.ID]bool) error {
	id := objects.IDOf(raw)
	if h := handle(raw); h != "" && id.Kind == volumeKind {
		s.volumes = append(s.volumes, neighbour{id.Name, h})
	}
	if id.Kind == claimKind {
		s.uids[id] = gjson.GetBytes(raw, "metadata.uid").String()
	}
	if counterparts[id] {
		s.live[id] = raw
	}
	item := s.items[id]
	if item == nil {
		return nil
	}
	s.alive(id, raw)
	return item.compare(raw, s.plan.key)
}

// compare says how the object that is there relates to the one that is wanted. A namespace that is there is as good as any.
func (i *Item) compare(live json.RawMessage, key string) error {
	have, err := objects.Clean(live)
	if err != nil {
		return fmt.Errorf("read %s: %w", i.ID, err)
	}
	i.Have, i.Paths, i.bound = have, nil, phaseOf(live) == "Bound"
	if i.ID.Kind == volumeKind {
		i.tiedUID = tiedUID(live)
	}
	switch {
	case i.ID.Kind == namespaceKind || bytes.Equal(have, i.Want):
		i.State = Same
	case annotation(have, restoreAnnotation) == key && bytes.Equal(finished(have), i.Want):
		i.State = Unfinished
	default:
		i.State, i.Paths = Different, objects.Diff(have, i.Want)
	}
	return nil
}

// claimID is the claim that a volume names.
func claimID(volume json.RawMessage) objects.ID {
	ref := gjson.GetBytes(volume, "spec.claimRef")
	return objects.ID{APIVersion: "v1", Kind: claimKind, Namespace: ref.Get("namespace").String(), Name: ref.Get("name").String()}
}

// volumeID is the volume that a claim names.
func volumeID(claim json.RawMessage) objects.ID {
	return objects.ID{APIVersion: "v1", Kind: volumeKind, Name: gjson.GetBytes(claim, "spec.volumeName").String()}
}

// joined is all that is wrong as one error, a bounded one.
func joined(problems []error) error {
	const most = 50
	if more := len(problems) - most; more > 0 {
		problems = append(slices.Clone(problems[:most]), fmt.Errorf("… and %d more", more))
	}
	return errors.Join(problems...)
}

// Detail says in a line what is particular about an object that is created or finished.
func (i *Item) Detail() string {
	if i.ID.Kind != volumeKind {
		return ""
	}
	parts := []string{}
	if h := handle(i.Want); h != "" {
		parts = append(parts, "csi "+h)
	}
	if i.Pair.Name != "" {
		parts = append(parts, "for claim "+i.Pair.Namespace+"/"+i.Pair.Name)
		if policy := reclaimPolicy(i.Want); policy != retain && policy != "" {
			parts = append(parts, "reclaim policy Retain until it is bound, then "+policy)
		}
	}
	return strings.Join(parts, ", ")
}
