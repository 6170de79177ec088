package restore_test

import (
	"net/http"
	"strings"
	"testing"

	"plan/internal/kube/kubetest"
	"plan/internal/restore"
)

func TestSurveyRefuses(t *testing.T) {
	tests := map[string]struct {
		from   func(volume, claim string) (string, string)
		there  func(s *kubetest.Server)
		change func(o *restore.Options)
		want   []string
	}{
		"claim larger than its volume": {from: inVolume(`"2Gi"`, `"1Gi"`), want: []string{"persistentvolume data-0 has 1Gi, its persistentvolumeclaim media/films asks for 2Gi"}},
		"size that is none":            {from: inVolume(`"2Gi"`, `"big"`), want: []string{"has big"}},
		"another class":                {from: inVolume(`"fast"`, `"slow"`), want: []string{`of class "slow"`, `of class "fast"`}},
		"both at once": {from: func(v, c string) (string, string) {
			return strings.NewReplacer(`"2Gi"`, `"1Gi"`, `"fast"`, `"slow"`).Replace(v), c
		}, want: []string{"asks for 2Gi", "of class"}},
		"handle of another volume": {there: func(s *kubetest.Server) {
			s.Add(volumes, "PersistentVolume", `{"metadata":{"name":"other"},"spec":{"csi":{"driver":"driver.longhorn.io","volumeHandle":"h-0"}}}`)
		}, want: []string{"in use already by persistentvolume other"}},
		"mapped to one in use": {there: func(s *kubetest.Server) {
			s.Add(volumes, "PersistentVolume", `{"metadata":{"name":"other"},"spec":{"csi":{"driver":"driver.longhorn.io","volumeHandle":"new"}}}`)
		}, change: func(o *restore.Options) { o.Handles = map[string]string{"h-0": "new"} }, want: []string{"in use already by persistentvolume other"}},
		"handle that no volume has": {change: func(o *restore.Options) { o.Handles = map[string]string{"h-1": "x", "h-2": "y"} }, want: []string{`handle "h-1"`, `handle "h-2"`}},
		"pattern without effect":    {change: func(o *restore.Options) { o.Only = []string{"pv/data-0", "pvc/nothing"} }, want: []string{`"pvc/nothing" chooses nothing`}},
		"volume of an earlier claim": {there: func(s *kubetest.Server) {
			v, _ := pairOf(t)
			s.Add(volumes, "PersistentVolume", v)
		}, want: []string{"still tied to an earlier claim media/films"}},
		"claim here that is larger": {there: func(s *kubetest.Server) {
			s.Add(claims, "PersistentVolumeClaim", `{"metadata":{"name":"films","namespace":"media","uid":"u"},"spec":{"volumeName":"data-0","storageClassName":"fast","resources":{"requests":{"storage":"3Gi"}}}}`)
		}, want: []string{"asks for 3Gi"}},
		"volume here that is smaller": {there: func(s *kubetest.Server) {
			s.Add(volumes, "PersistentVolume", `{"metadata":{"name":"data-0"},"spec":{"storageClassName":"fast","capacity":{"storage":"1Gi"},"claimRef":{"namespace":"media","name":"films"}}}`)
		}, change: func(o *restore.Options) { o.Only = []string{"pvc/films"} }, want: []string{"has 1Gi"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := stored(t, pair(t, tt.from))
			to := kubetest.New(t)
			if tt.there != nil {
				tt.there(to)
			}
			o := options()
			if tt.change != nil {
				tt.change(&o)
			}
			_, err := restore.Survey(t.Context(), to.Client(t), b, o)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %v lacks %q", err, want)
				}
			}
			for _, r := range to.Requests() {
				if r.Method != http.MethodGet {
					t.Errorf("%s %s", r.Method, r.Path)
				}
			}
		})
	}
}

// TestRestoreIsNotDoneBeforeVolumesAreBound: not even where an earlier attempt has made all, and nothing has to be put back.
func TestRestoreIsNotDoneBeforeVolumesAreBound(t *testing.T) {
	for _, policy := range []string{"Delete", "Retain"} {
		t.Run(policy, func(t *testing.T) {
			b := stored(t, pair(t, inVolume("Delete", policy)))
			to := kubetest.New(t)
			for attempt := range 3 {
				if report, err := restore.Execute(t.Context(), to.Client(t), survey(t, to, b, options())); err == nil {
					t.Fatalf("attempt %d: nothing is bound, and it says %+v", attempt, report)
				}
			}
			to.BindVolumes()
			if _, err := restore.Execute(t.Context(), to.Client(t), survey(t, to, b, options())); err != nil {
				t.Error(err)
			}
			if got := get(t, to, "/api/v1/persistentvolumes/data-0"); got.Get("status.phase").String() != "Bound" || got.Get("spec.persistentVolumeReclaimPolicy").String() != policy {
				t.Errorf("the volume: %s", got)
			}
		})
	}
}
