package longhorn

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"plan/internal/checks"
	"plan/internal/longhorn"
)

// inUse are the PersistentVolumes whose volumes are judged, by volume, and the volumes in the order in which they came.
type inUse struct {
	handles []string
	by      map[string][]longhorn.PV
}

// sort lists the PersistentVolumes that do not count, and gives those that do.
func (j *judge) sort() inUse {
	use := inUse{by: map[string][]longhorn.PV{}}
	slices.SortFunc(j.state.PVs, func(a, b longhorn.PV) int {
		return cmp.Or(cmp.Compare(a.String(), b.String()), cmp.Compare(a.Name, b.Name))
	})
	for _, pv := range j.state.PVs {
		handle, its := pv.Handle()
		why := j.leftOut(pv)
		switch {
		case !its:
			if why == "" && pv.Phase == longhorn.Bound {
				j.list(notLonghorn, pv.String(), "it is not Longhorn's and was not verified", pv.Name+" is of "+pv.Provider(), "verify it with the step that suits what backs it up")
			}
		case why != "":
			j.list(excluded, pv.String(), "it was not verified", why, "verify it in another way, if its data matters")
		case pv.Terminating():
			j.list(terminating, pv.String(), "its PersistentVolume is being deleted", "somebody deleted "+pv.Name, "if it stays so, see to its finalizers")
		case pv.Phase != longhorn.Bound:
			j.list(notBound, pv.String(), "no claim uses its PersistentVolume", fmt.Sprintf("%s is in phase %s", pv.Name, cmp.Or(pv.Phase, "none")), "delete it when its data is no longer needed")
		case handle == "":
			j.add(checks.Finding{Name: checks.Unreadable, Verdict: checks.Unknown, Object: pv.String(), Message: "it names no volume",
				Cause: pv.Name + " has no spec.csi.volumeHandle", Next: "look at who made the PersistentVolume"})
		default:
			if use.by[handle] == nil {
				use.handles = append(use.handles, handle)
			}
			use.by[handle] = append(use.by[handle], pv)
			j.pair(pv)
		}
	}
	return use
}

// leftOut tells why a PersistentVolume is not to be verified; empty if it is. The annotation of a claim counts for the
// PersistentVolume that the claim is bound to.
func (j *judge) leftOut(pv longhorn.PV) string {
	claim, ok := j.claim(pv)
	switch {
	case pv.Annotations[longhorn.Skip] == longhorn.SkipValue:
		return fmt.Sprintf("%s has the annotation %s: %s", pv.Name, longhorn.Skip, longhorn.SkipValue)
	case ok && claim.VolumeName == pv.Name && claim.Annotations[longhorn.Skip] == longhorn.SkipValue:
		return fmt.Sprintf("its claim has the annotation %s: %s", longhorn.Skip, longhorn.SkipValue)
	}
	matches := func(p Pattern) bool { return p.matches(pv) }
	if i := slices.IndexFunc(j.check.Exclude, matches); i >= 0 {
		return fmt.Sprintf("exclude[%d] matches it", i)
	}
	if len(j.check.Include) > 0 && !slices.ContainsFunc(j.check.Include, matches) {
		return "nothing in include matches it"
	}
	return ""
}

func (j *judge) claim(pv longhorn.PV) (longhorn.Claim, bool) {
	claim, ok := j.state.Claims[pv.Claim]
	return claim, ok
}

// pair says when a PersistentVolume that is bound and its claim do not name each other.
func (j *judge) pair(pv longhorn.PV) {
	claim, ok := j.claim(pv)
	cause := ""
	switch {
	case !ok:
		cause = "there is no such claim"
	case claim.VolumeName != pv.Name:
		cause = fmt.Sprintf("the claim is for the PersistentVolume %q", claim.VolumeName)
	default:
		return
	}
	j.list(brokenClaim, pv.String(), fmt.Sprintf("%s is bound to this claim, and not the other way round", pv.Name), cause,
		"see which of the two is right; a pod cannot use the volume through this claim")
}

// shares says when several PersistentVolumes are the same volume.
func (j *judge) shares() {
	by := map[string][]string{}
	for _, pv := range j.state.PVs {
		if handle, its := pv.Handle(); its && handle != "" && !pv.Terminating() {
			by[handle] = append(by[handle], pv.Name)
		}
	}
	for _, handle := range sorted(by) {
		if names := by[handle]; len(names) > 1 {
			j.list(shared, handle, fmt.Sprintf("%d PersistentVolumes are this one volume: %s", len(names), some(names)),
				"they have the same volumeHandle, as after a restore into the same cluster", "keep one; set the others to Retain before they are deleted, or the data goes with them")
		}
	}
}

// orphans lists volumes without a PersistentVolume, and how many volumes the targets have that are not here.
func (j *judge) orphans() {
	used := map[string]bool{}
	for _, pv := range j.state.PVs {
		handle, _ := pv.Handle()
		used[handle] = true
	}
	for _, name := range sorted(j.state.Volumes) {
		if !used[name] {
			j.list(orphan, name, "a Longhorn volume without a PersistentVolume; it was not verified", "it was made by hand or restored, or its PersistentVolume was deleted",
				"make a PersistentVolume for it, or delete it when its data is no longer needed")
		}
	}
	if names := j.state.Strangers(); len(names) > 0 {
		j.list(orphan, "", fmt.Sprintf("backups of %d volumes that are not here: %s", len(names), some(names)), "those were deleted, or belong to another cluster that shares the backup target",
			"delete what nobody needs any more")
	}
}

// some are the first of many names.
func some(names []string) string {
	const most = 5
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}
