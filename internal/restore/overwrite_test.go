package restore_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"plan/internal/kube/kubetest"
	"plan/internal/restore"
)

// there puts the pair into a cluster, with something changed.
func there(t testing.TB, change func(volume, claim string) (string, string)) *kubetest.Server {
	s := pair(t, change)
	if _, err := s.Client(t).Count(t.Context(), volumes); err != nil { // a read binds
		t.Fatal(err)
	}
	return s
}

func TestDifferentObjectsAreNeverTouchedUnlessAsked(t *testing.T) {
	tests := map[string]struct {
		change func(volume, claim string) (string, string)
		paths  string // of the error without overwrite
		after  string // with overwrite: what stands at the path then; empty: an error
		at     string
		says   string
		path   string // of the object
	}{
		"annotation": {inVolume(`"a.example/b":"c"`, `"a.example/b":"x","more.example/x":"y"`), `metadata.annotations["a.example/b"], metadata.annotations["more.example/x"]`, `{"a.example/b":"c"}`, "metadata.annotations", "", theVolume},
		"policy":     {inVolume(`"Delete"`, `"Retain"`), "spec.persistentVolumeReclaimPolicy", "Delete", "spec.persistentVolumeReclaimPolicy", "", theVolume},
		"claim's label": {func(v, c string) (string, string) {
			return v, strings.Replace(c, `"uid":"u2"`, `"uid":"u2","labels":{"x":"y"}`, 1)
		}, `metadata.labels`, "", "metadata.labels", "", theClaim},
		"another claim": {func(v, c string) (string, string) {
			return strings.Replace(v, `"films"}`, `"other"}`, 1), strings.Replace(c, `"films"`, `"other"`, 1)
		}, "spec.claimRef.name", "other", "spec.claimRef.name", "it is Bound and belongs to claim media/other", theVolume},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := stored(t, pair(t, nil))
			s := there(t, tt.change)
			get := func() string { return gjson.Get(s.Objects()[tt.path], tt.at).String() }
			before := get()
			report, err := restore.Execute(t.Context(), s.Client(t), survey(t, s, b, options()))
			if err == nil || !strings.Contains(err.Error(), "is there and different, and was left as it is: "+tt.paths) || report.Different == 0 {
				t.Errorf("%+v, %v", report, err)
			}
			if get() != before {
				t.Errorf("it is %s, was %s", get(), before)
			}
			o := options()
			o.Overwrite = true
			report, err = restore.Execute(t.Context(), s.Client(t), survey(t, s, b, o))
			if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("with overwrite: %+v, %v", report, err)
			}
			if get() != tt.after {
				t.Errorf("with overwrite it is %s, want %s", get(), tt.after)
			}
		})
	}
}

func TestPolicyOfAReleasedVolumeIsNotMadeDelete(t *testing.T) {
	b := stored(t, pair(t, nil))
	s := kubetest.New(t)
	volume, claim := pairOf(t)
	volume = strings.NewReplacer(`"Delete"`, `"Retain"`, `"Bound"`, `"Released"`).Replace(volume)
	s.Add(volumes, "PersistentVolume", volume)
	s.Add(claims, "PersistentVolumeClaim", claim)
	o := options()
	o.Overwrite, o.Only = true, []string{"pv/data-0"}
	_, err := restore.Execute(t.Context(), s.Client(t), survey(t, s, b, o))
	if err == nil || !strings.Contains(err.Error(), "it is Released, and with reclaim policy Delete its data would go") {
		t.Errorf("error %v", err)
	}
	if diff := cmp.Diff(volume, s.Objects()[theVolume]); diff != "" {
		t.Error(diff)
	}
}

func TestWhatTheServerDoesNotLetBeChangedIsAnErrorAndItsClaimIsHeld(t *testing.T) {
	b := stored(t, pair(t, nil))
	s := kubetest.New(t)
	s.BindVolumes()
	s.Add(volumes, "PersistentVolume", `{"metadata":{"name":"data-0"},"spec":{"csi":{"driver":"driver.longhorn.io","volumeHandle":"other"}}}`)
	s.React = func(verb, _ string, _ map[string]any) error {
		if verb == "update" {
			return errors.New("spec.persistentvolumesource: Forbidden: is immutable after creation")
		}
		return nil
	}
	o := options()
	o.Overwrite = true
	report, err := restore.Execute(t.Context(), s.Client(t), survey(t, s, b, o))
	if err == nil || !strings.Contains(err.Error(), "is immutable after creation") || !strings.Contains(err.Error(), "media/films was not made") {
		t.Errorf("error %v", err)
	}
	if report.Created != 1 || report.Different != 2 || s.Objects()[theClaim] != "" {
		t.Errorf("%+v", report)
	}
}

// TestClaimThatHasLostItsVolumeGetsItBack: it takes no volume without its UID.
func TestClaimThatHasLostItsVolumeGetsItBack(t *testing.T) {
	b := stored(t, pair(t, nil))
	s := kubetest.New(t)
	s.BindVolumes()
	s.Add(claims, "PersistentVolumeClaim",
		`{"metadata":{"name":"films","namespace":"media","uid":"new","annotations":{"pv.kubernetes.io/bind-completed":"yes"}},"spec":{"volumeName":"data-0","storageClassName":"fast","resources":{"requests":{"storage":"2Gi"}}},"status":{"phase":"Lost"}}`)
	report, err := restore.Execute(t.Context(), s.Client(t), survey(t, s, b, options()))
	if err != nil || report.Created != 2 || report.Unchanged != 1 {
		t.Errorf("%+v, %v", report, err)
	}
	if v := get(t, s, theVolume); v.Get("status.phase").String() != "Bound" || v.Get("spec.claimRef.uid").String() != "new" || v.Get("spec.persistentVolumeReclaimPolicy").String() != "Delete" {
		t.Errorf("%s", v)
	}
}

func TestHandlesAreReplaced(t *testing.T) {
	b := stored(t, pair(t, nil))
	s := target(t)
	o := options()
	o.Handles = map[string]string{"h-0": "restored-0"}
	if _, err := restore.Execute(t.Context(), s.Client(t), survey(t, s, b, o)); err != nil {
		t.Fatal(err)
	}
	if got := get(t, s, theVolume).Get("spec.csi.volumeHandle").String(); got != "restored-0" {
		t.Errorf("handle %s", got)
	}
	again, err := restore.Execute(t.Context(), s.Client(t), survey(t, s, b, o))
	if err != nil || again.Unchanged != 3 {
		t.Errorf("again: %+v, %v", again, err)
	}
}

func TestVolumesThatSharedAHandleMayShareItAgain(t *testing.T) {
	from := pair(t, nil)
	from.Add(volumes, "PersistentVolume", `{"metadata":{"name":"twin","uid":"u5"},"spec":{"capacity":{"storage":"2Gi"},"csi":{"driver":"driver.longhorn.io","volumeHandle":"h-0"}}}`)
	b := stored(t, from)
	s := target(t)
	p := survey(t, s, b, options())
	if len(p.Warnings) != 1 || !strings.Contains(p.Warnings[0], "data-0, twin share the storage driver.longhorn.io h-0") {
		t.Errorf("warnings %q", p.Warnings)
	}
	o := options()
	o.Handles = map[string]string{"h-0": "new"}
	if _, err := restore.Survey(t.Context(), s.Client(t), b, o); err == nil || !strings.Contains(err.Error(), "would share the storage driver.longhorn.io new") {
		t.Errorf("mapped: %v", err)
	}
	s.Add(volumes, "PersistentVolume", from.Objects()["/api/v1/persistentvolumes/twin"]) // as after a restore that was cut short
	if _, err := restore.Survey(t.Context(), s.Client(t), b, options()); err != nil {
		t.Errorf("half restored: %v", err)
	}
}

func TestPatternsChoose(t *testing.T) {
	from := pair(t, nil)
	from.Add(spaces, "Namespace", `{"metadata":{"name":"web"}}`)
	from.Add(classes, "StorageClass", `{"metadata":{"name":"fast"}}`)
	from.Add(claims, "PersistentVolumeClaim", `{"metadata":{"name":"films","namespace":"web","uid":"u9"},"spec":{}}`)
	b := stored(t, from)
	for pattern, want := range map[string]string{
		"data-0":                    "persistentvolume data-0",
		"films":                     "namespace media, namespace web, persistentvolumeclaim media/films, persistentvolumeclaim web/films",
		"pvc/web/*":                 "namespace web, persistentvolumeclaim web/films",
		"persistentvolumeclaims/f*": "namespace media, namespace web, persistentvolumeclaim media/films, persistentvolumeclaim web/films",
		"StorageClass/fas[t]":       "storageclass fast",
		"p*/*":                      "namespace media, namespace web, persistentvolume data-0, persistentvolumeclaim media/films, persistentvolumeclaim web/films",
		"ns/web":                    "namespace web",
	} {
		o := options()
		o.Only = []string{pattern}
		var got []string
		for _, item := range survey(t, target(t), b, o).Items {
			got = append(got, item.ID.String())
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s chooses %q", pattern, got)
		}
	}
}

func TestWarningsBeforeAnythingIsDone(t *testing.T) {
	from := pair(t, nil)
	local := func(name, host string) string {
		return `{"metadata":{"name":"` + name + `","uid":"u-` + name + `"},"spec":{"capacity":{"storage":"1Gi"},"nodeAffinity":{"required":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"kubernetes.io/hostname","operator":"In","values":["` + host + `"]}]}]}}}}`
	}
	from.Add(volumes, "PersistentVolume", local("here", "atlas"), local("gone", "borea"))
	from.Add(claims, "PersistentVolumeClaim", `{"metadata":{"name":"lost","namespace":"media","uid":"u8"},"spec":{"volumeName":"nowhere"}}`)
	s := target(t)
	s.Add(nodesResource, "Node", `{"metadata":{"name":"a","labels":{"kubernetes.io/hostname":"atlas"}}}`)
	got := survey(t, s, stored(t, from), options()).Warnings
	want := []string{
		"persistentvolumeclaim media/lost names persistentvolume nowhere, which is neither restored nor in this cluster: it will be pending until it is",
		"persistentvolume gone lies on host borea, and no node here has that name: pods that use it cannot start",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSnapshotClassesNeedTheirCRD(t *testing.T) {
	from := pair(t, nil)
	from.Add(snapshots, "VolumeSnapshotClass", `{"apiVersion":"snapshot.storage.k8s.io/v1","kind":"VolumeSnapshotClass","metadata":{"name":"s"}}`)
	b := stored(t, from, snapshots)
	if _, err := restore.Survey(t.Context(), target(t).Client(t), b, options()); err == nil || !strings.Contains(err.Error(), "volumesnapshotclasses.snapshot.storage.k8s.io") {
		t.Errorf("error %v", err)
	}
	s := target(t)
	s.Add(snapshots, "VolumeSnapshotClass")
	if report, err := restore.Execute(t.Context(), s.Client(t), survey(t, s, b, options())); err != nil || report.Created != 4 {
		t.Errorf("%+v, %v", report, err)
	}
}

// TestAnErrorOfOneKindKeepsTheNextFromBeingMade: a claim without its volume would be pending.
func TestAnErrorOfOneKindKeepsTheNextFromBeingMade(t *testing.T) {
	b := stored(t, pair(t, nil))
	s := target(t)
	p := survey(t, s, b, options())
	s.Fail(kubetest.Fault{Path: "/api/v1/persistentvolumes?", Status: http.StatusForbidden})
	report, err := restore.Execute(t.Context(), s.Client(t), p)
	if err == nil || !strings.Contains(err.Error(), "create persistentvolumes data-0") || report.Created != 1 || s.Objects()[theClaim] != "" {
		t.Errorf("%+v, %v", report, err)
	}
}

// TestWhatAnAnswerToADryRunMeans has the API server's own words (quota and authorizer of Kubernetes 1.35).
func TestWhatAnAnswerToADryRunMeans(t *testing.T) {
	forbidden := func(words string) error {
		return fmt.Errorf("create: %w", apierrors.NewForbidden(schema.GroupResource{Resource: "persistentvolumeclaims"}, "films", errors.New(words)))
	}
	tests := map[string]struct {
		err                          error
		quota, notPermitted, refused bool
	}{
		"quota":        {forbidden("exceeded quota: small, requested: persistentvolumeclaims=1, used: persistentvolumeclaims=1, limited: persistentvolumeclaims=1"), true, false, true},
		"authorizer":   {forbidden(`User "x" cannot create resource "persistentvolumeclaims" in API group "" in the namespace "media"`), false, true, true},
		"policy":       {forbidden("denied request: not on a Friday"), false, false, true},
		"invalid":      {apierrors.NewInvalid(schema.GroupKind{Kind: "PersistentVolume"}, "x", nil), false, false, true},
		"unauthorized": {apierrors.NewUnauthorized("expired"), false, true, false},
		"busy":         {apierrors.NewTooManyRequests("slow", 1), false, false, false},
		"broken":       {apierrors.NewInternalError(errors.New("etcd")), false, false, false},
		"no answer":    {errors.New("connection refused"), false, false, false},
	}
	for name, tt := range tests {
		if restore.Quota(tt.err) != tt.quota || restore.NotPermitted(tt.err) != tt.notPermitted || restore.Refused(tt.err) != tt.refused {
			t.Errorf("%s: quota %t, not permitted %t, refused %t", name, restore.Quota(tt.err), restore.NotPermitted(tt.err), restore.Refused(tt.err))
		}
	}
}
