package restore

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
	"k8s.io/apimachinery/pkg/api/resource"

	"plan/internal/objects"
)

// pairs joins volumes and claims, and finds those that must not meet: a volume and a claim that name each other are bound whatever their
// sizes and classes are, and nobody would notice.
func (s *survey) pairs() {
	for _, item := range s.plan.Items {
		if item.ID.Kind != volumeKind {
			continue
		}
		claim, missing := s.find(claimID(item.Want))
		if claim == nil || volumeID(claim) != item.ID {
			continue // nobody waits for it
		}
		item.Pair = claimID(item.Want)
		item.claimUID = gjson.GetBytes(s.live[item.Pair], "metadata.uid").String()
		if missing || item.State == Missing {
			s.mismatch(item.ID, item.Pair, item.Want, claim)
		}
	}
	for _, item := range s.plan.Items {
		if item.ID.Kind == claimKind && item.State == Missing {
			s.claim(item)
		}
	}
}

// find gives the object that will be there, from the backup or else from the cluster, and whether it is missing so far.
func (s *survey) find(id objects.ID) (object json.RawMessage, missing bool) {
	if item := s.items[id]; item != nil && item.State != Different {
		return item.Want, item.State == Missing
	}
	return s.live[id], false
}

// claim looks at a claim that would be made: the volume that it names must be the one that the backup means.
func (s *survey) claim(item *Item) {
	id := volumeID(item.Want)
	if id.Name == "" {
		return
	}
	if wanted := s.items[id]; wanted != nil && wanted.State == Different {
		item.State = Held
		return
	}
	volume, missing := s.find(id)
	switch {
	case volume == nil:
		s.warn("%s names %s, which is neither restored nor in this cluster: it will be pending until it is", item.ID, id)
	case claimID(volume) != item.ID:
		s.warn("%s names %s, which is kept for %q: it will be pending", item.ID, id, claimOf(volume))
	case missing || s.live[id] == nil:
	case gjson.GetBytes(s.live[id], "spec.claimRef.uid").String() != "":
		s.problem("%s is still tied to an earlier claim %s/%s, so the new one would be lost: take spec.claimRef.uid out of it, or delete it if its data is elsewhere (its reclaim policy is %s)",
			id, item.ID.Namespace, item.ID.Name, reclaimPolicy(s.live[id]))
	case s.items[id] == nil:
		s.mismatch(id, item.ID, volume, item.Want)
	}
}

// mismatch refuses a claim that asks for more than its volume has, or for another class.
func (s *survey) mismatch(volume, claim objects.ID, v, c json.RawMessage) {
	for _, problem := range mismatches(volume, claim, v, c) {
		s.problem("%s", problem)
	}
}

func mismatches(volume, claim objects.ID, v, c json.RawMessage) (list []string) {
	has, asks := gjson.GetBytes(v, "spec.capacity.storage").String(), gjson.GetBytes(c, "spec.resources.requests.storage").String()
	hasQuantity, errHas := resource.ParseQuantity(has)
	asksQuantity, errAsks := resource.ParseQuantity(asks)
	if errHas != nil || errAsks != nil || asksQuantity.Cmp(hasQuantity) > 0 {
		list = append(list, fmt.Sprintf("%s has %s, its %s asks for %s: they would be bound all the same", volume, has, claim, asks))
	}
	if x, y := class(v), class(c); x != y {
		list = append(list, fmt.Sprintf("%s is of class %q, its %s of class %q: they would be bound all the same", volume, x, claim, y))
	}
	return list
}

// Mismatches are the pairs within a backup that Survey would refuse to make.
func (b Backup) Mismatches() map[objects.ID][]string {
	found := map[objects.ID][]string{}
	claims := map[objects.ID]json.RawMessage{}
	for _, o := range b.Objects {
		if o.ID.Kind == claimKind {
			claims[o.ID] = o.Want
		}
	}
	for _, o := range b.Objects {
		claim := claims[claimID(o.Want)]
		if o.ID.Kind != volumeKind || claim == nil || volumeID(claim) != o.ID {
			continue
		}
		if list := mismatches(o.ID, claimID(o.Want), o.Want, claim); len(list) > 0 {
			found[o.ID] = list
		}
	}
	return found
}

// handles refuses a new volume on storage that another one uses already. Volumes that shared a handle before may share it again.
func (s *survey) handles() {
	users := map[string][]string{} // of the volumes that are restored
	mapped := map[string]bool{}
	for _, item := range s.plan.Items {
		if item.ID.Kind == volumeKind && handle(item.Want) != "" {
			users[handle(item.Want)] = append(users[handle(item.Want)], item.ID.Name)
		}
	}
	for _, to := range s.plan.options.Handles {
		mapped[to] = true
	}
	shared := map[string]bool{}
	for _, item := range s.plan.Items {
		h := handle(item.Want)
		if item.ID.Kind != volumeKind || h == "" || item.State != Missing {
			continue
		}
		names := users[h]
		for _, n := range s.volumes {
			if n.handle == h && n.name != item.ID.Name && !slices.Contains(names, n.name) {
				s.problem("%s: its storage %s is in use already by persistentvolume %s: give another handle with handles, or leave it out with only", item.ID, h, n.name)
			}
		}
		if len(names) < 2 || shared[h] {
			continue
		}
		shared[h] = true
		if _, name, _ := strings.Cut(h, " "); mapped[name] {
			s.problem("handles: the persistentvolumes %s would share the storage %s", strings.Join(names, ", "), h)
		} else {
			s.warn("the persistentvolumes %s share the storage %s, in the backup too", strings.Join(names, ", "), h)
		}
	}
}
