package longhorn

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plan/internal/checks"
)

func skipped(o object) object {
	return merge(o, object{"metadata": object{"annotations": object{"plan/verify": "skip"}}})
}

// TestScope: what counts, what is only listed, and what is not of interest.
func TestScope(t *testing.T) {
	claim := func(name, volume string) object {
		return object{"metadata": object{"namespace": "media", "name": name}, "spec": object{"volumeName": volume}}
	}
	well := func(w world, volume string) { w.add("backupvolumes", backupVolume(volume, ago(hour), nil)) }
	const films = "OK=pass(media/films)"
	cases := map[string]struct {
		add   func(w world)
		check func(c *Check)
		want  string // besides media/films, which is well
	}{
		"a volume": {add: func(w world) {}},
		"NFS": {add: func(w world) {
			w.add("persistentvolumes", merge(pv("media/nas", "nas", ""), object{"spec": object{"csi": nil, "nfs": object{"server": "nas"}}}))
		}, want: "NOT_LONGHORN=none(media/nas)"},
		"another driver with Longhorn's class": {add: func(w world) {
			w.add("persistentvolumes", merge(pv("media/nas", "nas", "pvc-1"), object{"spec": object{"csi": object{"driver": "nfs.csi.k8s.io"}}}))
		}, want: "NOT_LONGHORN=none(media/nas)"},
		"another provider's, unbound": {add: func(w world) {
			w.add("persistentvolumes", merge(pv("media/nas", "nas", ""), object{"spec": object{"csi": nil}, "status": object{"phase": "Available"}}))
		}},
		"another name and class than the volume's, and the driver's old name": {add: func(w world) {
			w.use("media/songs", "songs-restored", nil)
			w["persistentvolumes"][1] = merge(pv("media/songs", "handmade", "songs-restored"), object{"spec": object{"storageClassName": "", "csi": object{"driver": "io.rancher.longhorn"}}})
			w["persistentvolumeclaims"][1] = claim("songs", "handmade")
			well(w, "songs-restored")
		}, want: "OK=pass(media/songs)"},
		"a PersistentVolume with the name of another's volume": {add: func(w world) {
			w.use("media/songs", "pvc-2", nil)
			w["persistentvolumes"][1] = pv("media/songs", "pvc-1", "pvc-2")
			w["persistentvolumeclaims"][1] = claim("songs", "pvc-1")
		}, want: "NO_BACKUP=fail(media/songs)"},
		"released, available, failed, of no phase": {add: func(w world) {
			for _, phase := range []any{"Released", "Available", "Failed", nil} {
				name := fmt.Sprintf("pv-%v", phase)
				w.add("persistentvolumes", merge(pv("", name, name), object{"spec": object{"claimRef": nil}, "status": object{"phase": phase}}))
			}
		}, want: "NOT_BOUND=none(pv-<nil>) NOT_BOUND=none(pv-Available) NOT_BOUND=none(pv-Failed) NOT_BOUND=none(pv-Released)"},
		"terminating, still bound": {add: func(w world) {
			w.use("media/songs", "pvc-2", nil)
			w["persistentvolumes"][1]["metadata"].(object)["deletionTimestamp"] = ago(hour)
		}, want: "TERMINATING=none(media/songs)"},
		"its Longhorn volume is terminating": {add: func(w world) {
			w.use("media/songs", "pvc-2", object{"metadata": object{"deletionTimestamp": ago(hour)}})
		}, want: "TERMINATING=none(media/songs)"},
		"standby":        {add: func(w world) { w.use("media/songs", "pvc-2", object{"spec": object{"Standby": true}}) }, want: "STANDBY=none(media/songs)"},
		"standby status": {add: func(w world) { w.use("media/songs", "pvc-2", object{"status": object{"isStandby": true}}) }, want: "STANDBY=none(media/songs)"},
		"no such volume": {add: func(w world) {
			w.add("persistentvolumes", pv("media/songs", "pvc-2", "pvc-2")).add("persistentvolumeclaims", claim("songs", "pvc-2"))
		}, want: "VOLUME_MISSING=fail(media/songs)"},
		"no handle": {add: func(w world) {
			w.add("persistentvolumes", pv("media/songs", "pvc-2", "")).add("persistentvolumeclaims", claim("songs", "pvc-2"))
		}, want: "UNREADABLE=unknown(media/songs)"},
		"two PersistentVolumes are one volume": {add: func(w world) {
			w.add("persistentvolumes", pv("other/films", "restored", "pvc-1"))
			w.add("persistentvolumeclaims", object{"metadata": object{"namespace": "other", "name": "films"}, "spec": object{"volumeName": "restored"}})
		}, want: "SHARED_VOLUME=none(pvc-1)"},
		"a volume without a PersistentVolume": {add: func(w world) { w.add("volumes", in("lost", nil)) }, want: "ORPHAN=none(lost)"},
		"backups of other clusters":           {add: func(w world) { well(w, "elsewhere-1"); well(w, "elsewhere-2") }, want: "ORPHAN=none()"},
		"no claim": {add: func(w world) {
			w.use("media/songs", "pvc-2", nil)
			well(w, "pvc-2")
			w["persistentvolumeclaims"] = w["persistentvolumeclaims"][:1]
		}, want: "BROKEN_CLAIM=none(media/songs) OK=pass(media/songs)"},
		"a claim that is for another": {add: func(w world) {
			w.use("media/songs", "pvc-2", nil)
			well(w, "pvc-2")
			w["persistentvolumeclaims"][1] = claim("songs", "pvc-9")
		}, want: "BROKEN_CLAIM=none(media/songs) OK=pass(media/songs)"},
		"annotated claim": {add: func(w world) {
			w.use("media/songs", "pvc-2", nil)
			w["persistentvolumeclaims"][1] = skipped(w["persistentvolumeclaims"][1])
		}, want: "EXCLUDED=none(media/songs)"},
		"annotated PersistentVolume": {add: func(w world) {
			w.use("media/songs", "pvc-2", nil)
			w["persistentvolumes"][1] = skipped(w["persistentvolumes"][1])
		}, want: "EXCLUDED=none(media/songs)"},
		"another value of the annotation": {add: func(w world) {
			w.use("media/songs", "pvc-2", nil)
			w["persistentvolumes"][1] = merge(w["persistentvolumes"][1], object{"metadata": object{"annotations": object{"plan/verify": "yes"}}})
		}, want: "NO_BACKUP=fail(media/songs)"},
		"the annotated claim is another PersistentVolume's": {add: func(w world) {
			w.use("media/songs", "pvc-2", nil)
			w["persistentvolumeclaims"][1] = skipped(claim("songs", "pvc-9"))
		}, want: "BROKEN_CLAIM=none(media/songs) NO_BACKUP=fail(media/songs)"},
		"excluded": {add: func(w world) { w.use("media/songs", "pvc-2", nil) },
			check: func(c *Check) { c.Exclude = []Pattern{{Namespace: "x"}, {Name: "so*"}} }, want: "EXCLUDED=none(media/songs)"},
		"not included": {add: func(w world) { w.use("media/songs", "pvc-2", nil) },
			check: func(c *Check) { c.Include = []Pattern{{Namespace: "x"}, {Namespace: "media", Name: "films"}} }, want: "EXCLUDED=none(media/songs)"},
		"another provider's, excluded": {add: func(w world) {
			w.add("persistentvolumes", merge(pv("media/nas", "nas", ""), object{"spec": object{"csi": nil}}))
		}, check: func(c *Check) { c.Exclude = []Pattern{{Name: "nas"}} }},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w, c := fresh(), New()
			tc.add(w)
			if tc.check != nil {
				tc.check(&c)
			}
			j := w.judge(t, c)
			var others []string
			for _, f := range strings.Split(names(j.found), " ") {
				if f != films && f != "" {
					others = append(others, f)
				}
			}
			if diff := cmp.Diff(tc.want, strings.Join(others, " ")); diff != "" || !strings.Contains(names(j.found), films) {
				t.Errorf("%s\n%s", names(j.found), diff)
			}
			if n := strings.Count(names(j.found), "=pass"); j.ok != int64(n) {
				t.Errorf("%d are said to be well, %d are", j.ok, n)
			}
		})
	}
}

// TestPatterns: each part that is given must match whole, as package path matches.
func TestPatterns(t *testing.T) {
	cases := map[string]struct {
		pattern Pattern
		want    bool
	}{
		"namespace":              {Pattern{Namespace: "media"}, true},
		"a part of it":           {Pattern{Namespace: "medi"}, false},
		"star":                   {Pattern{Namespace: "m*a"}, true},
		"question mark":          {Pattern{Namespace: "medi?"}, true},
		"range":                  {Pattern{Namespace: "[l-n]edia"}, true},
		"not in range":           {Pattern{Namespace: "[^m]edia"}, false},
		"case counts":            {Pattern{Namespace: "Media"}, false},
		"escaped":                {Pattern{Namespace: `medi\a`}, true},
		"claim's name":           {Pattern{Name: "films-*"}, true},
		"PersistentVolume's":     {Pattern{Name: "pvc-1"}, true},
		"class":                  {Pattern{StorageClass: "longhorn*"}, true},
		"all parts":              {Pattern{"media", "films-0", "longhorn"}, true},
		"all parts but one":      {Pattern{"media", "films-0", "local"}, false},
		"a dot is only a dot":    {Pattern{Name: "films.0"}, false},
		"namespace in the name?": {Pattern{Name: "media/films-0"}, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := world{}.add("persistentvolumes", pv("media/films-0", "pvc-1", "pvc-1")).state(t)
			if err := tc.pattern.check("p"); err != nil || tc.pattern.matches(s.PVs[0]) != tc.want {
				t.Errorf("%v, %v", !tc.want, err)
			}
		})
	}
}

func TestValidateTellsAllProblemsAtOnce(t *testing.T) {
	c := New()
	c.Namespace, c.Target = "", "both"
	c.Include = []Pattern{{}, {Name: "[a"}}
	c.Exclude = []Pattern{{Namespace: "ok"}, {StorageClass: `\`}}
	c.FailOn = checks.FailOn{"STALE", "STALLED", "OK"}
	err := c.Validate()
	for _, want := range []string{"with.namespace", `with.target: "both"`, "with.include[0]: give at least one", `with.include[1].name: "[a"`, "with.exclude[1].storageClass", `with.failOn: "STALLED"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
	if err := (&Check{Namespace: "x", Target: "own", FailOn: Findings()[1:]}).Validate(); err != nil {
		t.Error(err)
	}
	for _, name := range []checks.Name{checks.OK, checks.NotAllowed, checks.NotInstalled, checks.Unreachable, checks.Unfinished} {
		if err := (&Check{Namespace: "x", Target: "own", FailOn: checks.FailOn{name}}).Validate(); err == nil {
			t.Errorf("%s can be asked for, and can never fail", name)
		}
	}
}
