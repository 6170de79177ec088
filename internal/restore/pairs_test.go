package restore_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plan/internal/kube"
	"plan/internal/kube/kubetest"
	"plan/internal/restore"
)

// TestClaimMadeBeforeItsVolumeIsItsClaim: a repository or StatefulSet makes it again, without the volume's name.
func TestClaimMadeBeforeItsVolumeIsItsClaim(t *testing.T) {
	b := stored(t, pair(t, nil))
	for name, tt := range map[string]struct {
		only      []string
		overwrite bool
	}{"all": {nil, false}, "volumes": {[]string{"pv/*"}, false}, "all, with overwrite": {nil, true}, "volumes, with overwrite": {[]string{"pv/*"}, true}} {
		t.Run(name, func(t *testing.T) {
			s := kubetest.New(t)
			s.Add(claims, "PersistentVolumeClaim", newFilms)
			o := options()
			o.Only, o.Overwrite = tt.only, tt.overwrite
			var policies []string
			s.React = func(verb, kind string, object map[string]any) error {
				if kind == "PersistentVolume" {
					policies = append(policies, fmt.Sprint(verb, " ", object["spec"].(map[string]any)["persistentVolumeReclaimPolicy"]))
				}
				return nil
			}
			for range 2 {
				if report, err := restore.Execute(t.Context(), s.Client(t), survey(t, s, b, o)); err == nil || !strings.Contains(err.Error(), "waited long enough") {
					t.Errorf("nothing is bound: %+v, %v", report, err)
				}
			}
			s.BindVolumes()
			if report, err := restore.Execute(t.Context(), s.Client(t), survey(t, s, b, o)); err != nil || report.Different != 0 {
				t.Errorf("%+v, %v", report, err)
			}
			if diff := cmp.Diff([]string{"create Retain", "update Delete"}, policies); diff != "" {
				t.Error(diff)
			}
			if v := get(t, s, theVolume); v.Get("status.phase").String() != "Bound" || v.Get("spec.claimRef.uid").String() != "newer" {
				t.Errorf("%s", v)
			}
		})
	}
	for old, to := range map[string]string{`"2Gi"`: "persistentvolume data-0 has 2Gi, its persistentvolumeclaim media/films asks for 3Gi: they would not be bound", `"fast"`: `of class "3Gi"`} {
		s := kubetest.New(t)
		s.Add(claims, "PersistentVolumeClaim", strings.Replace(newFilms, old, `"3Gi"`, 1))
		if _, err := restore.Survey(t.Context(), s.Client(t), b, options()); err == nil || !strings.Contains(err.Error(), to) {
			t.Errorf("error %v lacks %q", err, to)
		}
	}
}

// TestClaimIsRecognisedWhenItIsBound: it lacked its volume's name, and nothing else.
func TestClaimIsRecognisedWhenItIsBound(t *testing.T) {
	b := stored(t, pair(t, nil))
	s := target(t)
	s.Add(claims, "PersistentVolumeClaim", newFilms)
	report, err := restore.Execute(t.Context(), s.Client(t), survey(t, s, b, options()))
	if err != nil || report != (restore.Report{Created: 2, Unchanged: 1}) {
		t.Errorf("%+v, %v", report, err)
	}
}

// TestPairThatWasNotBoundInTheBackupMayStaySo: the claim asks for more than the volume that is kept for it has.
func TestPairThatWasNotBoundInTheBackupMayStaySo(t *testing.T) {
	from := pair(t, func(v, c string) (string, string) {
		return v, strings.NewReplacer(`"volumeName":"data-0",`, "", `"2Gi"`, `"3Gi"`).Replace(c)
	})
	look(t, from)
	b := stored(t, from)
	s := target(t)
	for range 2 {
		if report, err := restore.Execute(t.Context(), s.Client(t), survey(t, s, b, options())); err != nil {
			t.Errorf("%+v, %v", report, err)
		}
	}
}

// TestClaimsAreWaitedForWithoutTheirVolumes: those are in the cluster, and not chosen.
func TestClaimsAreWaitedForWithoutTheirVolumes(t *testing.T) {
	b := stored(t, pair(t, nil))
	for name, volume := range map[string]string{
		"kept for it":  `"claimRef":{"namespace":"media","name":"films"}`,
		"kept for all": `"x":"y"`,
	} {
		t.Run(name, func(t *testing.T) {
			s := kubetest.New(t)
			s.Add(volumes, "PersistentVolume", `{"metadata":{"name":"data-0"},"spec":{"storageClassName":"fast","capacity":{"storage":"2Gi"},`+volume+`}}`)
			o := options()
			o.Only = []string{"pvc/*"}
			p := survey(t, s, b, o)
			if len(p.Warnings) != 0 {
				t.Errorf("warnings %q", p.Warnings)
			}
			if report, err := restore.Execute(t.Context(), s.Client(t), p); err == nil || report.Created != 2 {
				t.Errorf("%+v, %v", report, err)
			}
			if name == "kept for all" { // as the controller does when it binds the two
				if _, err := s.Client(t).Patch(t.Context(), volumes, "data-0", []byte(`{"spec":{"claimRef":{"namespace":"media","name":"films"}}}`), kube.WriteOptions{}); err != nil {
					t.Fatal(err)
				}
			}
			if report, err := restore.Execute(t.Context(), s.Client(t), survey(t, s, b, o)); err == nil {
				t.Errorf("again: %+v", report)
			}
			s.BindVolumes()
			if report, err := restore.Execute(t.Context(), s.Client(t), survey(t, s, b, o)); err != nil || report.Unchanged != 2 {
				t.Errorf("%+v, %v", report, err)
			}
		})
	}
}

func TestWarningsOfClaimsThatWillBePending(t *testing.T) {
	b := stored(t, pair(t, nil))
	for ref, want := range map[string]string{
		`"claimRef":{"namespace":"media","name":"other"},"capacity":{"storage":"2Gi"}`: "which is kept for claim media/other: it will be pending",
		`"capacity":{"storage":"1Gi"}`: "which is kept for no claim and does not fit: it will be pending",
	} {
		s := target(t)
		s.Add(volumes, "PersistentVolume", `{"metadata":{"name":"data-0"},"spec":{"storageClassName":"fast",`+ref+`}}`)
		o := options()
		o.Only = []string{"pvc/*"}
		p := survey(t, s, b, o)
		if len(p.Warnings) != 1 || !strings.HasSuffix(p.Warnings[0], want) {
			t.Errorf("warnings %q, want %q", p.Warnings, want)
		}
		if report, err := restore.Execute(t.Context(), s.Client(t), p); err != nil || report.Created != 2 { // nobody waits
			t.Errorf("%+v, %v", report, err)
		}
	}
}

// TestErrorsHaveAnOrder: that of the names, not of a map or of who was first.
func TestErrorsHaveAnOrder(t *testing.T) {
	from := kubetest.New(t)
	from.Add(spaces, "Namespace", `{"metadata":{"name":"media"}}`)
	handles := map[string]string{}
	var volumesWanted, handlesWanted []string
	for i := range 12 {
		name := fmt.Sprintf("v-%02d", i)
		handles[name] = "x"
		handlesWanted = append(handlesWanted, fmt.Sprintf("handles: no PersistentVolume to be restored has the handle %q", name))
		volumesWanted = append(volumesWanted, "persistentvolume "+name)
		from.Add(volumes, "PersistentVolume", fmt.Sprintf(`{"metadata":{"name":%q},"spec":{"capacity":{"storage":"1Gi"},"claimRef":{"namespace":"media","name":%q}}}`, name, name))
		from.Add(claims, "PersistentVolumeClaim", fmt.Sprintf(`{"metadata":{"name":%q,"namespace":"media"},"spec":{"volumeName":%q,"resources":{"requests":{"storage":"1Gi"}}}}`, name, name))
	}
	b := stored(t, from)
	o := options()
	o.Handles = handles
	if _, err := restore.Survey(t.Context(), target(t).Client(t), b, o); err == nil || err.Error() != strings.Join(handlesWanted, "\n") {
		t.Errorf("error %v", err)
	}
	s := kubetest.New(t)
	o = options()
	o.Pause = func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() }
	p := survey(t, s, b, o)
	_, err := restore.Execute(soon(t), s.Client(t), p)
	if got := beginnings(err, " is not bound"); cmp.Diff(volumesWanted, got) != "" {
		t.Errorf("in the order %v: %v", got, err)
	}
	s = kubetest.New(t)
	p = survey(t, s, b, options())
	s.React = func(_, kind string, object map[string]any) error {
		if kind == "PersistentVolume" {
			return fmt.Errorf("persistentvolume %s is not to my taste", object["metadata"].(map[string]any)["name"])
		}
		return nil
	}
	if _, err = restore.Execute(t.Context(), s.Client(t), p); err == nil {
		t.Fatal("no error")
	}
	if got := beginnings(err, ":"); len(got) != 12 || !slices.IsSorted(got) {
		t.Errorf("in the order %v", got)
	}
}

// soon ends soon, for a wait that would not.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// beginnings are those of an error's lines.
func beginnings(err error, end string) (list []string) {
	for line := range strings.SplitSeq(fmt.Sprint(err), "\n") {
		begin, _, _ := strings.Cut(line, end)
		list = append(list, begin)
	}
	return list
}
