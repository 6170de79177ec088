package restore_test

import (
	"strings"
	"testing"

	"plan/internal/kube/kubetest"
	"plan/internal/restore"
)

func deleted(object string) string {
	return strings.Replace(object, `"metadata":{`, `"metadata":{"deletionTimestamp":"2026-03-03T00:00:00Z","finalizers":["kubernetes.io/protection"],`, 1)
}

// TestWhatIsBeingDeletedIsNotThere, although it is as in the backup.
func TestWhatIsBeingDeletedIsNotThere(t *testing.T) {
	const namespace = `{"metadata":{"name":"media","labels":{"team":"tv"}}}`
	volume, claim := pairOf(t)
	for name, tt := range map[string]struct {
		volume, claim, namespace string
		only                     []string
		want                     string
	}{
		"volume":           {deleted(volume), claim, namespace, nil, "persistentvolume data-0 is being deleted; if its data matters, set the volume's reclaim policy to Retain now"},
		"claim":            {volume, deleted(claim), namespace, nil, "persistentvolumeclaim media/films is being deleted; if its data matters"},
		"namespace":        {volume, claim, deleted(namespace), nil, "namespace media is being deleted, with everything in it: wait until it is gone"},
		"the other's half": {deleted(volume), "", namespace, []string{"pvc/*"}, "persistentvolume data-0 is being deleted"},
		"its half":         {"", deleted(claim), namespace, []string{"pv/*"}, "persistentvolumeclaim media/films is being deleted"},
	} {
		t.Run(name, func(t *testing.T) {
			b := stored(t, pair(t, nil))
			s := kubetest.New(t)
			s.Add(spaces, "Namespace", tt.namespace)
			if tt.volume != "" {
				if tt.claim == "" { // a claim is to be made for it
					tt.volume = strings.Replace(tt.volume, `"uid":"u2"`, `"x":"y"`, 1)
				}
				s.Add(volumes, "PersistentVolume", tt.volume)
			}
			if tt.claim != "" {
				s.Add(claims, "PersistentVolumeClaim", tt.claim)
			}
			o := options()
			o.Only = tt.only
			_, err := restore.Survey(t.Context(), s.Client(t), b, o)
			if err == nil || strings.Count(err.Error(), tt.want) != 1 {
				t.Errorf("error %v", err)
			}
		})
	}
}

// TestWhatIsDeletedAfterTheSurveyIsNotAdopted, nor waited for.
func TestWhatIsDeletedAfterTheSurveyIsNotAdopted(t *testing.T) {
	volume, claim := pairOf(t)
	b := stored(t, pair(t, nil))
	for name, add := range map[string]func(s *kubetest.Server){
		"volume": func(s *kubetest.Server) { s.Add(volumes, "PersistentVolume", deleted(volume)) },
		"claim":  func(s *kubetest.Server) { s.Add(claims, "PersistentVolumeClaim", deleted(claim)) },
	} {
		t.Run(name, func(t *testing.T) {
			s := kubetest.New(t)
			p := survey(t, s, b, options())
			add(s)
			_, err := restore.Execute(t.Context(), s.Client(t), p)
			if err == nil || !strings.Contains(err.Error(), "is being deleted") {
				t.Errorf("error %v", err)
			}
		})
	}
	t.Run("overwrite", func(t *testing.T) {
		s := there(t, inVolume(`"a.example/b":"c"`, `"a.example/b":"x"`))
		o := options()
		o.Overwrite = true
		p := survey(t, s, b, o)
		live := deleted(s.Objects()[theVolume])
		if err := s.Client(t).Delete(t.Context(), volumes, "data-0", "", ""); err != nil {
			t.Fatal(err)
		}
		s.Add(volumes, "PersistentVolume", live)
		if _, err := restore.Execute(t.Context(), s.Client(t), p); err == nil || !strings.Contains(err.Error(), "is being deleted") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("claim that is waited for", func(t *testing.T) {
		s := kubetest.New(t)
		if _, err := restore.Execute(t.Context(), s.Client(t), survey(t, s, b, options())); err == nil {
			t.Fatal("nothing binds here")
		}
		p := survey(t, s, b, options())
		live := deleted(s.Objects()[theClaim])
		deleteClaim(t, s)
		s.Add(claims, "PersistentVolumeClaim", live)
		s.BindVolumes()
		if _, err := restore.Execute(t.Context(), s.Client(t), p); err == nil || !strings.Contains(err.Error(), "is being deleted") {
			t.Errorf("error %v", err)
		}
		if got := get(t, s, theVolume).Get(policyPath).String(); got != "Retain" {
			t.Errorf("policy %s", got)
		}
	})
}
