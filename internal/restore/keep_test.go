package restore_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"

	"plan/internal/kube"
	"plan/internal/kube/kubetest"
	"plan/internal/restore"
)

const policyPath = "spec.persistentVolumeReclaimPolicy"

// newFilms is the claim as a StatefulSet or a repository makes it: it names no volume.
const newFilms = `{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"films","namespace":"media","uid":"newer"},"spec":{"storageClassName":"fast","resources":{"requests":{"storage":"2Gi"}}},"status":{"phase":"Pending"}}`

func claimsIn(namespace string) kube.Resource {
	return kube.Resource{Version: "v1", Resource: "persistentvolumeclaims", Namespace: namespace}
}

func deleteClaim(t testing.TB, s *kubetest.Server) {
	t.Helper()
	if err := s.Client(t).Delete(t.Context(), claimsIn("media"), "films", "", ""); err != nil {
		t.Fatal(err)
	}
}

// look reads, so that volumes are bound and released.
func look(t testing.TB, s *kubetest.Server) {
	t.Helper()
	if _, err := s.Client(t).Count(t.Context(), volumes); err != nil {
		t.Fatal(err)
	}
}

// TestVolumeWhoseClaimIsGoneKeepsItsData: a restore ends before the policy is put back, the claim goes, and the same step runs again.
func TestVolumeWhoseClaimIsGoneKeepsItsData(t *testing.T) {
	b := stored(t, pair(t, nil))
	for name, tt := range map[string]struct {
		remade bool
		change func(o *restore.Options)
	}{
		"made anew":                {remade: true},
		"gone":                     {},
		"gone, volumes only":       {change: func(o *restore.Options) { o.Only = []string{"pv/*"} }},
		"gone, with overwrite":     {change: func(o *restore.Options) { o.Overwrite = true }},
		"anew, with overwrite":     {remade: true, change: func(o *restore.Options) { o.Overwrite = true }},
		"anew, volumes, overwrite": {remade: true, change: func(o *restore.Options) { o.Overwrite, o.Only = true, []string{"pv/*"} }},
	} {
		t.Run(name, func(t *testing.T) {
			s := kubetest.New(t)
			if _, err := restore.Execute(t.Context(), s.Client(t), survey(t, s, b, options())); err == nil {
				t.Fatal("nothing binds here")
			}
			s.BindVolumes()
			look(t, s)
			deleteClaim(t, s)
			if tt.remade {
				s.Add(claims, "PersistentVolumeClaim", newFilms)
			}
			look(t, s)
			before := s.Objects()
			if phase := gjson.Get(before[theVolume], "status.phase").String(); phase != "Released" {
				t.Fatalf("the volume is %s", phase)
			}
			o := options()
			if tt.change != nil {
				tt.change(&o)
			}
			_, err := restore.Survey(t.Context(), s.Client(t), b, o)
			if err == nil || strings.Count(err.Error(), "persistentvolume data-0 is still tied to an earlier claim media/films that is gone") != 1 {
				t.Errorf("error %v", err)
			}
			if diff := cmp.Diff(before, s.Objects()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestVolumeThatSomebodyTakesMeanwhileKeepsItsData: nobody was there at the survey.
func TestVolumeThatSomebodyTakesMeanwhileKeepsItsData(t *testing.T) {
	b := stored(t, pair(t, nil))
	for name, change := range map[string]func(volume string) string{
		"and is gone":     inPhase("Released", `"uid":"stale"`),
		"and has it":      inPhase("Bound", `"uid":"new"`),
		"not yet told so": inPhase("Available", `"uid":"new"`),
		"and failed":      inPhase("Failed", `"x":"y"`),
	} {
		t.Run(name, func(t *testing.T) {
			s := kubetest.New(t)
			if _, err := restore.Execute(t.Context(), s.Client(t), survey(t, s, b, options())); err == nil {
				t.Fatal("nothing binds here")
			}
			deleteClaim(t, s)
			o := options()
			o.Only = []string{"pv/*"}
			p := survey(t, s, b, o)
			live := change(s.Objects()[theVolume])
			if err := s.Client(t).Delete(t.Context(), volumes, "data-0", "", ""); err != nil {
				t.Fatal(err)
			}
			s.Add(volumes, "PersistentVolume", live)
			_, err := restore.Execute(t.Context(), s.Client(t), p)
			if err == nil || !strings.Contains(err.Error(), "belongs to a claim media/films that was not here") {
				t.Errorf("error %v", err)
			}
			if got := get(t, s, theVolume).Get(policyPath).String(); got != "Retain" {
				t.Errorf("policy %s", got)
			}
		})
	}
}

func inPhase(phase, uid string) func(string) string {
	return func(volume string) string {
		volume = strings.Replace(volume, `"claimRef":{`, `"claimRef":{`+uid+`,`, 1)
		return strings.TrimSuffix(volume, "}") + `,"status":{"phase":"` + phase + `"}}`
	}
}

// TestAvailableVolumeWithoutAClaimIsFinished: nobody has ever had it.
func TestAvailableVolumeWithoutAClaimIsFinished(t *testing.T) {
	b := stored(t, pair(t, nil))
	s := kubetest.New(t)
	if _, err := restore.Execute(t.Context(), s.Client(t), survey(t, s, b, options())); err == nil {
		t.Fatal("nothing binds here")
	}
	deleteClaim(t, s)
	o := options()
	o.Only = []string{"pv/*"}
	_, err := restore.Execute(t.Context(), s.Client(t), survey(t, s, b, o))
	if err == nil || !strings.Contains(err.Error(), "waited long enough") || get(t, s, theVolume).Get(policyPath).String() != "Retain" {
		t.Errorf("without a controller: %v", err)
	}
	s.BindVolumes()
	report, err := restore.Execute(t.Context(), s.Client(t), survey(t, s, b, o))
	if err != nil || report.Created != 1 || get(t, s, theVolume).Get(policyPath).String() != "Delete" {
		t.Errorf("%+v, %v", report, err)
	}
}

// TestClaimOfThatNameOnAnotherVolumeIsNotTheVolumes: the controller has not told yet that the volume has lost its own.
func TestClaimOfThatNameOnAnotherVolumeIsNotTheVolumes(t *testing.T) {
	b := stored(t, pair(t, nil))
	for name, change := range map[string]string{
		"another volume": `"uid":"own"},"spec":{"volumeName":"dynamic"`,
		"another UID":    `"uid":"other"},"spec":{"volumeName":"data-0"`,
	} {
		t.Run(name, func(t *testing.T) {
			s := kubetest.New(t)
			if _, err := restore.Execute(t.Context(), s.Client(t), survey(t, s, b, options())); err == nil {
				t.Fatal("nothing binds here")
			}
			p := survey(t, s, b, options())
			deleteClaim(t, s)
			s.Add(claims, "PersistentVolumeClaim", `{"metadata":{"name":"films","namespace":"media",`+change+`},"status":{"phase":"Bound"}}`)
			live := inPhase("Bound", `"uid":"own"`)(s.Objects()[theVolume])
			if err := s.Client(t).Delete(t.Context(), volumes, "data-0", "", ""); err != nil {
				t.Fatal(err)
			}
			s.Add(volumes, "PersistentVolume", live)
			if _, err := restore.Execute(t.Context(), s.Client(t), p); err == nil {
				t.Error("no error")
			}
			if got := get(t, s, theVolume).Get(policyPath).String(); got != "Retain" {
				t.Errorf("policy %s", got)
			}
		})
	}
}

// TestOverwriteDoesNotGoByThePhase: that of a volume whose claim was deleted a moment ago is still Bound.
func TestOverwriteDoesNotGoByThePhase(t *testing.T) {
	b := stored(t, pair(t, nil))
	volume, claim := pairOf(t)
	for name, after := range map[string]string{
		"gone":                    "",
		"made anew":               strings.Replace(claim, `"u2"`, `"u3"`, 1),
		"being deleted":           deleted(claim),
		"bound to another volume": strings.Replace(claim, `"volumeName":"data-0"`, `"volumeName":"data-1"`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			s := kubetest.New(t)
			s.Add(volumes, "PersistentVolume", strings.Replace(volume, `"Delete"`, `"Retain"`, 1))
			s.Add(claims, "PersistentVolumeClaim", claim)
			o := options()
			o.Overwrite, o.Only = true, []string{"pv/*"}
			p := survey(t, s, b, o)
			deleteClaim(t, s)
			if after != "" {
				s.Add(claims, "PersistentVolumeClaim", after)
			}
			_, err := restore.Execute(t.Context(), s.Client(t), p)
			if err == nil || !strings.Contains(err.Error(), "it is Bound, its claim is gone, and with reclaim policy Delete its data would go") {
				t.Errorf("error %v", err)
			}
			if got := get(t, s, theVolume).Get(policyPath).String(); got != "Retain" {
				t.Errorf("policy %s", got)
			}
		})
	}
}

// TestOverwriteLeavesABindingAlone: what Clean leaves out of both sides must not become a part of the patch.
func TestOverwriteLeavesABindingAlone(t *testing.T) {
	b := stored(t, pair(t, nil))
	s := there(t, inVolume(`"a.example/b":"c"`, `"a.example/b":"x"`))
	s.React = func(_, kind string, object map[string]any) error {
		if ref := object["spec"].(map[string]any)["claimRef"].(map[string]any); kind == "PersistentVolume" && ref["uid"] != "u2" {
			t.Errorf("claimRef becomes %v", ref)
		}
		return nil
	}
	o := options()
	o.Overwrite = true
	if report, err := restore.Execute(t.Context(), s.Client(t), survey(t, s, b, o)); err != nil || report.Created != 1 {
		t.Errorf("%+v, %v", report, err)
	}
}

// TestOverwrittenVolumeKeepsItsDataUntilItIsBound, like one that is made.
func TestOverwrittenVolumeKeepsItsDataUntilItIsBound(t *testing.T) {
	b := stored(t, pair(t, nil))
	s := kubetest.New(t)
	s.Add(volumes, "PersistentVolume", `{"metadata":{"name":"data-0"},"spec":{"capacity":{"storage":"2Gi"},"storageClassName":"fast","persistentVolumeReclaimPolicy":"Retain","csi":{"driver":"driver.longhorn.io","volumeHandle":"h-0"},"claimRef":{"namespace":"media","name":"films"}}}`)
	o := options()
	o.Overwrite = true
	if report, err := restore.Execute(t.Context(), s.Client(t), survey(t, s, b, o)); err == nil || report.Created != 3 {
		t.Errorf("%+v, %v", report, err)
	}
	if v := get(t, s, theVolume); v.Get(policyPath).String() != "Retain" || v.Get(`metadata.annotations.plan\/reclaim-policy`).String() != "Delete" {
		t.Errorf("it is not bound, and is %s", v)
	}
	s.BindVolumes()
	report, err := restore.Execute(t.Context(), s.Client(t), survey(t, s, b, o))
	if v := get(t, s, theVolume); err != nil || report.Created != 1 || v.Get(policyPath).String() != "Delete" || strings.Contains(v.String(), "plan/") {
		t.Errorf("%+v, %v, %s", report, err, v)
	}
}
