package objects_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"plan/internal/objects"
)

func TestIDOf(t *testing.T) {
	cases := map[string]struct {
		raw    string
		want   objects.ID
		text   string
		group  string
		reason string
	}{
		"cluster-wide": {`{"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"data-0"}}`,
			objects.ID{"v1", "PersistentVolume", "", "data-0"}, "persistentvolume data-0", "", "no namespace, no slash"},
		"namespaced": {`{"metadata":{"namespace":"ns","name":"data"},"kind":"PersistentVolumeClaim","apiVersion":"v1"}`,
			objects.ID{"v1", "PersistentVolumeClaim", "ns", "data"}, "persistentvolumeclaim ns/data", "", "whatever the order of the fields"},
		"of a group": {`{"apiVersion":"storage.k8s.io/v1","kind":"StorageClass","metadata":{"name":"a.b"}}`,
			objects.ID{"storage.k8s.io/v1", "StorageClass", "", "a.b"}, "storageclass a.b", "storage.k8s.io", "names may have dots"},
		"nothing": {`{}`, objects.ID{}, " ", "", "what is missing stays empty"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := objects.IDOf([]byte(tc.raw))
			if got != tc.want || got.String() != tc.text || got.Group() != tc.group {
				t.Errorf("%+v, %q, %q: %s", got, got, got.Group(), tc.reason)
			}
		})
	}
}

func TestClean(t *testing.T) {
	cases := map[string]struct{ raw, want, reason string }{
		"server's metadata": {
			`{"metadata":{"name":"a","uid":"u","resourceVersion":"7","generation":1,"creationTimestamp":"t","deletionTimestamp":"t","deletionGracePeriodSeconds":0,"selfLink":"l","managedFields":[],"ownerReferences":[{}],"finalizers":["f"],"labels":{"a":"b"}},"status":{"phase":"Bound"}}`,
			`{"metadata":{"labels":{"a":"b"},"name":"a"}}`, "all of it goes, with the status"},
		"empty maps": {
			`{"metadata":{"name":"a","labels":{},"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{}"}}}`,
			`{"metadata":{"name":"a"}}`, "no annotations left is no annotations"},
		"null maps": {`{"metadata":{"name":"a","labels":null}}`, `{"metadata":{"name":"a"}}`, "null is nothing"},
		"numbers": {
			`{"spec":{"z":1.50,"a":1e3,"m":9007199254740993},"metadata":{"name":"a"}}`,
			`{"metadata":{"name":"a"},"spec":{"a":1e3,"m":9007199254740993,"z":1.50}}`, "as they are written, keys sorted"},
		"text": {`{"metadata":{"name":"a","annotations":{"x":"<&>\u2028\""}}}`, `{"metadata":{"annotations":{"x":"<&>\u2028\""},"name":"a"}}`, "not escaped for HTML"},
		"bound volume": {
			`{"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"a","annotations":{"pv.kubernetes.io/bound-by-controller":"yes","pv.kubernetes.io/provisioned-by":"d"}},"spec":{"claimRef":{"namespace":"n","name":"c","uid":"u","resourceVersion":"1","kind":"PersistentVolumeClaim","apiVersion":"v1"},"new":[null]}}`,
			`{"apiVersion":"v1","kind":"PersistentVolume","metadata":{"annotations":{"pv.kubernetes.io/provisioned-by":"d"},"name":"a"},"spec":{"claimRef":{"apiVersion":"v1","kind":"PersistentVolumeClaim","name":"c","namespace":"n"},"new":[null]}}`,
			"the claim's name stays, its UID goes"},
		"volume reserved by hand": {
			`{"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"a"},"spec":{"claimRef":{"namespace":"n","name":"c"}}}`,
			`{"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"a"},"spec":{"claimRef":{"apiVersion":"v1","kind":"PersistentVolumeClaim","name":"c","namespace":"n"}}}`,
			"as the controller would write it"},
		"bound claim": {
			`{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"c","namespace":"n","annotations":{"pv.kubernetes.io/bind-completed":"yes","pv.kubernetes.io/bound-by-controller":"yes","volume.kubernetes.io/selected-node":"node-1","volume.beta.kubernetes.io/storage-provisioner":"d","volume.kubernetes.io/storage-provisioner":"d","mine":"1"}},"spec":{"volumeName":"a","storageClassName":"fast"}}`,
			`{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"annotations":{"mine":"1"},"name":"c","namespace":"n"},"spec":{"storageClassName":"fast","volumeName":"a"}}`,
			"the volume stays"},
		"bound claim without a class": {
			`{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"c","namespace":"n"},"spec":{"volumeName":"a"}}`,
			`{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"c","namespace":"n"},"spec":{"storageClassName":"","volumeName":"a"}}`,
			"a default class must not be given to it"},
		"bound claim with a class of old": {
			`{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"c","namespace":"n","annotations":{"volume.beta.kubernetes.io/storage-class":"fast"}},"spec":{"volumeName":"a"}}`,
			`{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"annotations":{"volume.beta.kubernetes.io/storage-class":"fast"},"name":"c","namespace":"n"},"spec":{"volumeName":"a"}}`,
			"it has one"},
		"claim that waits": {
			`{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"c","namespace":"n"},"spec":{}}`,
			`{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"c","namespace":"n"},"spec":{}}`,
			"no class is not the class \"\""},
		"class of k3s": {
			`{"apiVersion":"storage.k8s.io/v1","kind":"StorageClass","metadata":{"name":"local-path","labels":{"objectset.rio.cattle.io/hash":"1"},"annotations":{"objectset.rio.cattle.io/applied":"x","objectset.rio.cattle.io/id":"","storageclass.kubernetes.io/is-default-class":"true","longhorn.io/last-applied-configmap":"y"}},"provisioner":"p"}`,
			`{"apiVersion":"storage.k8s.io/v1","kind":"StorageClass","metadata":{"annotations":{"storageclass.kubernetes.io/is-default-class":"true"},"name":"local-path"},"provisioner":"p"}`,
			"what a controller remembers is not the object's"},
		"namespace": {
			`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"n","uid":"u"},"spec":{"finalizers":["kubernetes"]},"status":{}}`,
			`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"n"}}`, "its spec is the server's"},
		"somebody else's claimRef": {
			`{"apiVersion":"example.com/v1","kind":"PersistentVolume","metadata":{"name":"a"},"spec":{"claimRef":{"uid":"u"}}}`,
			`{"apiVersion":"example.com/v1","kind":"PersistentVolume","metadata":{"name":"a"},"spec":{"claimRef":{"uid":"u"}}}`, "the kind alone is not enough"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := objects.Clean([]byte(tc.raw))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, string(got)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
			again, err := objects.Clean(got)
			if err != nil || string(again) != string(got) {
				t.Errorf("cleaned again it is %s, %v", again, err)
			}
		})
	}
}

func TestCleanRefusesWhatIsNoObject(t *testing.T) {
	for _, raw := range []string{``, `null`, `[]`, `"a"`, `{"a":1}{"b":2}`, `{"a":`, `{"a":1}x`} {
		if got, err := objects.Clean([]byte(raw)); err == nil {
			t.Errorf("%q gives %s", raw, got)
		}
	}
	// Parts of another form than the API's are kept as they are.
	odd := `{"apiVersion":"v1","kind":"PersistentVolume","metadata":[],"spec":"x"}`
	if got, err := objects.Clean([]byte(odd)); err != nil || string(got) != odd {
		t.Errorf("%s, %v", got, err)
	}
}

func TestDiff(t *testing.T) {
	cases := map[string]struct {
		a, b string
		want []string
	}{
		"equal":          {`{"a":[1,{"b":null}]}`, `{"a": [1, {"b": null}]}`, nil},
		"value":          {`{"spec":{"capacity":{"storage":"1Gi"}}}`, `{"spec":{"capacity":{"storage":"2Gi"}}}`, []string{"spec.capacity.storage"}},
		"only one has":   {`{"spec":{"a":{"b":1}}}`, `{"spec":{}}`, []string{"spec.a"}},
		"null or absent": {`{"a":null}`, `{}`, []string{"a"}},
		"other type":     {`{"a":{"b":1}}`, `{"a":[1]}`, []string{"a"}},
		"text or number": {`{"a":"1","b":1}`, `{"a":1,"b":{}}`, []string{"a", "b"}},
		"lists":          {`{"a":[1,2,3]}`, `{"a":[1,9]}`, []string{"a[1]", "a[2]"}},
		"odd names":      {`{"metadata":{"labels":{"app.example/a":"1","x\ny":"1","":"1"}}}`, `{"metadata":{"labels":{}}}`, []string{`metadata.labels[""]`, `metadata.labels["app.example/a"]`, `metadata.labels["x\ny"]`}},
		"as written":     {`{"a":1.0}`, `{"a":1}`, []string{"a"}},
		"whole":          {`1`, `{}`, []string{"(all)"}},
		"no JSON":        {`{`, `{}`, []string{"(not JSON)"}},
		"same no JSON":   {`{`, `{`, nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, objects.Diff(json.RawMessage(tc.a), json.RawMessage(tc.b))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDiffIsBounded(t *testing.T) {
	var b strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&b, `,"k%03d":1`, i)
	}
	got := objects.Diff(json.RawMessage(`{`+b.String()[1:]+`}`), json.RawMessage(`{}`))
	if len(got) != 21 || got[0] != "k000" || got[20] != "… and 980 more" {
		t.Errorf("%d entries: %q", len(got), got)
	}
}

// TestDiffIsNilForEqualsOnly over random values, with their canonical form as the judge.
func TestDiffIsNilForEqualsOnly(t *testing.T) {
	var value *rapid.Generator[any]
	value = rapid.Custom(func(t *rapid.T) any {
		switch rapid.IntRange(0, 5).Draw(t, "sort") {
		case 0:
			return map[string]any{}
		case 1:
			return rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "a.b", ""}), rapid.Deferred(func() *rapid.Generator[any] { return value }), 0, 3).Draw(t, "map")
		case 2:
			return rapid.SliceOfN(rapid.Deferred(func() *rapid.Generator[any] { return value }), 0, 3).Draw(t, "list")
		case 3:
			return rapid.SampledFrom([]any{nil, true, false, "", "1", "x"}).Draw(t, "word")
		}
		return rapid.IntRange(0, 2).Draw(t, "number")
	})
	rapid.Check(t, func(t *rapid.T) {
		a, _ := json.Marshal(value.Draw(t, "a"))
		b, _ := json.Marshal(value.Draw(t, "b"))
		forth, back := objects.Diff(a, b), objects.Diff(b, a)
		if (forth == nil) != (string(a) == string(b)) {
			t.Fatalf("%s and %s differ at %q", a, b, forth)
		}
		if diff := cmp.Diff(forth, back); diff != "" {
			t.Fatalf("the other way round:\n%s", diff)
		}
	})
}

func FuzzClean(f *testing.F) {
	f.Add([]byte(`{"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"a","annotations":{"x":"y"}},"spec":{"claimRef":{"uid":"u"}}}`))
	f.Add([]byte(`{"metadata":null,"spec":[1e400]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		clean, err := objects.Clean(raw)
		if err != nil {
			return
		}
		if again, err := objects.Clean(clean); err != nil || string(again) != string(clean) {
			t.Errorf("%s cleaned again is %s, %v", clean, again, err)
		}
	})
}
