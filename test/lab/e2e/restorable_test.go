package e2e

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// odd are objects that a careless backup would not bring back as they were.
func (r *rig) odd(t *testing.T) (volume, node string) {
	t.Helper()
	volume, node = "odd-volume", "odd-node"
	_, err := r.kube.CoreV1().PersistentVolumes().Create(t.Context(), &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{
			Name:   volume,
			Labels: map[string]string{"e2e.example/Odd_Label.x": "A-b_c.9"},
			Annotations: map[string]string{
				"e2e.example/text": "<script>&amp; \"quoted\" \\ back\u2028slash\ttab\nline \x01 \u202ebidi 日本語 😀",
				"e2e.example/json": `{"number":12345678901234567890,"float":1.0e-7}`, "e2e.example/empty": "",
			},
		},
		Spec: corev1.PersistentVolumeSpec{
			Capacity: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1500Mi")}, AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany},
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain, MountOptions: []string{"nfsvers=4.1", "a b"},
			PersistentVolumeSource: corev1.PersistentVolumeSource{NFS: &corev1.NFSVolumeSource{Server: "192.0.2.7", Path: "/tank/odd path", ReadOnly: true}},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchExpressions: []corev1.NodeSelectorRequirement{{Key: "zone", Operator: corev1.NodeSelectorOpNotIn, Values: []string{"a"}}}}}}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.kube.CoreV1().PersistentVolumes().Delete(theEnd(), volume, metav1.DeleteOptions{}) })
	_, err = r.kube.CoreV1().Nodes().Create(t.Context(), &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: node, Labels: map[string]string{"e2e.example/gpu": "yes"}, Annotations: map[string]string{"e2e.example/a": "\u202e"}},
		Spec: corev1.NodeSpec{Unschedulable: true, PodCIDR: "10.99.0.0/24", PodCIDRs: []string{"10.99.0.0/24"},
			Taints: []corev1.Taint{{Key: "e2e.example/gpu", Value: "true", Effect: corev1.TaintEffectNoExecute}}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.kube.CoreV1().Nodes().Delete(theEnd(), node, metav1.DeleteOptions{}) })
	return volume, node
}

// resources are the API paths of the kinds that backups hold in full.
func resources() map[string]string {
	return map[string]string{
		"PersistentVolume": "/api/v1/persistentvolumes", "PersistentVolumeClaim": "/api/v1/persistentvolumeclaims",
		"StorageClass": "/apis/storage.k8s.io/v1/storageclasses", "Node": "/api/v1/nodes",
	}
}

// TestBackupsAreTheServersOwnObjects: P7.
func TestBackupsAreTheServersOwnObjects(t *testing.T) {
	r := theLab(t)
	volume, node := r.odd(t)
	p := r.program(t, keysOf(r.S3.AccessKey, r.S3.SecretKey)...)
	file := p.write(t, "plan.yaml", r.planText("{name: home}", fmt.Sprintf(pvsStep, "restorable-pvs")+"    - {id: nodes, uses: backup-nodes, with: {prefix: restorable-nodes}}\n"))
	doc := p.must(t, 0, "apply", file, "-o", "json").json(t)

	stored := map[string]map[string]any{} // by kind/namespace/name
	for _, step := range []string{"pvs", "nodes"} {
		l, _ := r.backup(t, doc.step(t, step).text(t, "key"))
		if l.Kind != "List" {
			t.Errorf("%s: the document is a %s, want a List", step, l.Kind)
		}
		for _, item := range l.Items {
			stored[name(item)] = item
		}
	}
	for kind, path := range resources() {
		r.same(t, kind, path, stored)
	}
	for _, want := range []string{"PersistentVolume//" + volume, "Node//" + node, "Node//fauna"} {
		if stored[want] == nil {
			t.Errorf("%s is not in the backup", want)
		}
	}
	for key := range stored {
		if strings.HasPrefix(key, "Secret/") {
			t.Errorf("%s is in the backup", key)
		}
	}
	r.namespaces(t, stored)
}

func name(item map[string]any) string {
	meta := item["metadata"].(map[string]any)
	namespace, _ := meta["namespace"].(string)
	return item["kind"].(string) + "/" + namespace + "/" + meta["name"].(string)
}

// same wants the objects of a kind stored as a GET of each answers, but for managedFields.
func (r *rig) same(t *testing.T, kind, list string, stored map[string]map[string]any) {
	t.Helper()
	var all struct{ Items []map[string]any }
	decode(t, r.raw(t, list), &all)
	if len(all.Items) == 0 {
		t.Errorf("there is no %s to compare", kind)
	}
	found := 0
	for key := range stored {
		if strings.HasPrefix(key, kind+"/") {
			found++
		}
	}
	if found != len(all.Items) {
		t.Errorf("%d of kind %s are stored, the cluster has %d", found, kind, len(all.Items))
	}
	for _, item := range all.Items {
		var live map[string]any
		decode(t, r.raw(t, one(list, item["metadata"].(map[string]any))), &live)
		delete(live["metadata"].(map[string]any), "managedFields")
		if diff := cmp.Diff(live, stored[name(live)]); diff != "" {
			t.Errorf("%s is stored otherwise than the server has it (-server +stored):\n%s", name(live), diff)
		}
	}
}

// one is the path of one object of a list.
func one(list string, meta map[string]any) string {
	dir, plural := path.Split(list)
	if namespace, ok := meta["namespace"].(string); ok {
		dir += "namespaces/" + namespace + "/"
	}
	return dir + plural + "/" + meta["name"].(string)
}

// namespaces wants those with claims, with no more than a name, labels and annotations.
func (r *rig) namespaces(t *testing.T, stored map[string]map[string]any) {
	t.Helper()
	want, got := map[string]bool{}, map[string]bool{}
	for key, item := range stored {
		switch item["kind"] {
		case "PersistentVolumeClaim":
			want[strings.Split(key, "/")[1]] = true
		case "Namespace":
			got[strings.Split(key, "/")[2]] = true
			fields := slices.Sorted(maps.Keys(item["metadata"].(map[string]any)))
			if extra := slices.DeleteFunc(fields, func(f string) bool { return f == "name" || f == "labels" || f == "annotations" }); len(extra) > 0 {
				t.Errorf("%s has %q, too", key, extra)
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("namespaces with claims (-want +got):\n%s", diff)
	}
}
