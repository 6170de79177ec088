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
		if item.ID.Kind == volumeKind && !s.orphaned(item) {
			s.volume(item)
		}
	}
	for _, item := range s.plan.Items {
		if item.ID.Kind == claimKind {
			s.claim(item)
		}
	}
}

// volume looks for the claim that a volume will be bound to.
func (s *survey) volume(item *Item) {
	id := claimID(item.Want)
	claim, missing := s.find(id)
	if claim == nil || !waitsFor(claim, missing, item) {
		return
	}
	live := s.live[id]
	if live != nil && s.items[id] == nil {
		s.alive(id, live)
	}
	item.Pair, item.claimUID, item.claimBound = id, s.uids[id], phaseOf(live) == "Bound"
	if missing || !item.bound && (item.State != Different || s.plan.options.Overwrite) {
		s.mismatch(item.ID, id, item.Want, claim)
	}
}

// waitsFor tells whether a claim that a volume is kept for will be bound to it: one that names it, and one that is here and names none yet,
// as when it was made anew before its volume. If they were so when they were backed up and are still, they may stay so.
func waitsFor(claim json.RawMessage, missing bool, volume *Item) bool {
	named := volumeID(claim)
	return named == volume.ID || named.Name == "" && !missing && (volume.State != Same || volume.phase == "Bound")
}

// orphaned refuses a volume that is here and belongs to a claim that is gone. Its data hangs by its reclaim policy alone, and no other claim
// gets it. One that was like that when it was backed up, and has not changed, may stay so if no claim is to be made for it.
func (s *survey) orphaned(item *Item) bool {
	if item.State == Missing || item.tiedUID == "" || s.uids[claimID(item.Have)] == item.tiedUID {
		return false
	}
	if item.State != Same || !item.released() || s.items[claimID(item.Want)] != nil {
		s.earlier(item.ID, item.Have)
	}
	return true
}

func (s *survey) earlier(id objects.ID, volume json.RawMessage) {
	s.problem("%s is still tied to an earlier claim %s that is gone, so that a new one would stay pending: if its data is wanted, make its "+
		"reclaim policy Retain and take spec.claimRef.uid out of it; if not, delete it (its reclaim policy is %s)", id, claimOf(volume), reclaimPolicy(volume))
}

// alive refuses an object that is being deleted: it is as good as gone, and cannot be made while it is there.
func (s *survey) alive(id objects.ID, live json.RawMessage) {
	if err := dying(id, live); err != nil {
		s.problems = append(s.problems, err)
	}
}

// find gives the object that will be there, from the backup or else from the cluster, and whether it is missing so far.
func (s *survey) find(id objects.ID) (object json.RawMessage, missing bool) {
	if item := s.items[id]; item != nil && item.State != Different {
		return item.Want, item.State == Missing
	}
	return s.live[id], false
}

// claim looks at a claim that would be made, or is not bound yet: the volume that it names must be the one that the backup means.
func (s *survey) claim(item *Item) {
	id := volumeID(item.Want)
	wanted := s.items[id]
	volume, _ := s.find(id)
	switch {
	case id.Name == "":
	case item.State != Missing:
		unbound := !item.bound && (item.State == Same || s.plan.options.Overwrite)
		item.waits = unbound && wanted == nil && volume != nil && claimID(volume) == item.ID
	case wanted != nil && wanted.State == Different:
		item.State = Held
	case volume == nil:
		s.warn("%s names %s, which is neither restored nor in this cluster: it will be pending until it is", item.ID, id)
	case claimOf(volume) == "":
		s.unclaimed(item, id, volume)
	case claimID(volume) != item.ID:
		s.warn("%s names %s, which is kept for claim %s: it will be pending", item.ID, id, claimOf(volume))
	case wanted != nil: // see volume
	case tiedUID(volume) != "":
		s.earlier(id, volume)
	default:
		s.alive(id, volume)
		s.mismatch(id, item.ID, volume, item.Want)
		item.waits = true
	}
}

// unclaimed looks at a claim that would be made and names a volume that is kept for nobody: the two are bound if they fit.
func (s *survey) unclaimed(item *Item, id objects.ID, volume json.RawMessage) {
	if list := mismatches(id, item.ID, volume, item.Want); len(list) > 0 {
		s.warn("%s names %s, which is kept for no claim and does not fit: it will be pending", item.ID, id)
		return
	}
	if wanted := s.items[id]; wanted != nil {
		wanted.Pair = item.ID
		return
	}
	s.alive(id, volume)
	item.waits = true
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
		outcome := "they would be bound all the same"
		if volumeID(c).Name == "" {
			outcome = "they would not be bound" // FindMatchingVolume of Kubernetes' pkg/volume/util leaves it out
		}
		list = append(list, fmt.Sprintf("%s has %s, its %s asks for %s: %s", volume, has, claim, asks, outcome))
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
