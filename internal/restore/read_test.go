package restore_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"

	"plan/internal/backup"
	"plan/internal/kube"
	"plan/internal/kube/kubetest"
	"plan/internal/restore"
	"plan/internal/restore/restoretest"
	"plan/internal/retention/retentiontest"
)

// TestHostileBackupsAreDamaged: what is judged is what would be sent.
func TestHostileBackupsAreDamaged(t *testing.T) {
	for name, tt := range map[string]struct {
		in           kube.Resource
		kind, object string
	}{
		"two kinds":       {volumes, "PersistentVolume", `{"apiVersion":"v1","kind":"PersistentVolume","kind":"Node","metadata":{"name":"evil"},"spec":{}}`},
		"two versions":    {volumes, "PersistentVolume", `{"apiVersion":"v1","kind":"PersistentVolume","apiVersion":"evil/v1","metadata":{"name":"evil"}}`},
		"path as name":    {volumes, "PersistentVolume", `{"metadata":{"name":"../nodes/evil"}}`},
		"up as namespace": {claims, "PersistentVolumeClaim", `{"metadata":{"name":"evil","namespace":".."}}`},
	} {
		t.Run(name, func(t *testing.T) {
			from := kubetest.New(t)
			from.Add(tt.in, tt.kind, tt.object)
			var s retentiontest.Store
			_, err := restore.Read(t.Context(), &s, restoretest.Backup(t, from, &s, restoretest.Made{}), backup.PVs)
			if !errors.Is(err, backup.ErrDamaged) {
				t.Errorf("error %v", err)
			}
		})
	}
}

const released = `{"metadata":{"name":"old","uid":"o1"},"spec":{"capacity":{"storage":"2Gi"},"storageClassName":"fast","persistentVolumeReclaimPolicy":"Retain","csi":{"driver":"driver.longhorn.io","volumeHandle":"h-old"},"claimRef":{"namespace":"media","name":"films","uid":"gone"}},"status":{"phase":"Released"}}`

// TestReleasedVolumesComeBackOnlyWhenTheyAreNamed: a new claim of the old name would get the old data.
func TestReleasedVolumesComeBackOnlyWhenTheyAreNamed(t *testing.T) {
	const left = "not restored: persistentvolume old, which was Released in the backup and whose claim media/films was gone: name it in only to have it back, kept for any claim of that name"
	const back = "persistentvolume old had lost its claim when it was backed up: it comes back kept for any claim that is called media/films"
	for name, tt := range map[string]struct {
		only []string
		back bool
		want []string
	}{
		"all":               {nil, false, []string{left}},
		"all volumes":       {[]string{"pv/*"}, false, []string{left}},
		"a pattern":         {[]string{"pv/ol?"}, false, []string{left}},
		"named":             {[]string{"pv/old"}, true, []string{back}},
		"named alone":       {[]string{"old", "pv/*"}, true, []string{back}},
		"another is chosen": {[]string{"pv/data-0"}, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			from := pair(t, nil)
			from.Add(volumes, "PersistentVolume", released)
			look(t, from)
			b := stored(t, from)
			s := target(t)
			o := options()
			o.Only = tt.only
			p := survey(t, s, b, o)
			if diff := cmp.Diff(tt.want, p.Warnings); diff != "" {
				t.Error(diff)
			}
			if _, err := restore.Execute(t.Context(), s.Client(t), p); err != nil {
				t.Error(err)
			}
			if got := s.Objects()["/api/v1/persistentvolumes/old"]; (got != "") != tt.back || got != "" && gjson.Get(got, "spec.claimRef.uid").Exists() {
				t.Errorf("it is %s", got)
			}
			if _, err := restore.Survey(t.Context(), from.Client(t), b, o); err != nil {
				t.Errorf("where it came from nothing has changed: %v", err)
			}
		})
	}
}

// TestReleasedVolumeThatAClaimNamesComesBack: it is the claim's, whatever has become of the two.
func TestReleasedVolumeThatAClaimNamesComesBack(t *testing.T) {
	from := kubetest.New(t)
	from.Add(spaces, "Namespace", `{"metadata":{"name":"media"}}`)
	from.Add(volumes, "PersistentVolume", released)
	from.Add(claims, "PersistentVolumeClaim", `{"metadata":{"name":"films","namespace":"media","uid":"u2"},"spec":{"volumeName":"old","storageClassName":"fast","resources":{"requests":{"storage":"2Gi"}}},"status":{"phase":"Lost"}}`)
	s := target(t)
	p := survey(t, s, stored(t, from), options())
	if report, err := restore.Execute(t.Context(), s.Client(t), p); err != nil || report.Created != 3 || len(p.Warnings) != 0 {
		t.Errorf("%+v, %v, %q", report, err, p.Warnings)
	}
}

func TestReleasedVolumesThatAreLeftOutAreABoundedListAndNotTouched(t *testing.T) {
	from := kubetest.New(t)
	for i := range 30 {
		from.Add(volumes, "PersistentVolume", strings.Replace(released, `"old"`, fmt.Sprintf(`"old-%02d"`, i), 1))
	}
	s := target(t)
	p := survey(t, s, stored(t, from), options())
	if n := len(p.Warnings); n != 21 || p.Warnings[20] != "… and 10 more volumes whose claims were gone" {
		t.Errorf("%d warnings: %q", n, p.Warnings)
	}
	if _, err := restore.Execute(t.Context(), s.Client(t), p); err != nil {
		t.Error(err)
	}
	for _, r := range s.Requests() {
		if r.Method != http.MethodGet {
			t.Errorf("%s %s", r.Method, r.Path)
		}
	}
}
