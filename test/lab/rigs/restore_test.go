package rigs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// restoreSlot is a namespace with volumes that a worker restores again and again.
type restoreSlot struct {
	name string // of the namespace, and the beginning of the volumes' names
	key  string // of the backup that has them
}

// volumes is how many a slot has; every second one has the reclaim policy Delete.
const volumes = 4

func (s restoreSlot) volume(i int) string { return fmt.Sprintf("%s-%d", s.name, i) }

func policy(i int) corev1.PersistentVolumeReclaimPolicy {
	if i%2 == 0 {
		return corev1.PersistentVolumeReclaimDelete
	}
	return corev1.PersistentVolumeReclaimRetain
}

// newSlots makes volumes in so many namespaces, backs them up, and takes them away again.
func (r *rig) newSlots(ctx context.Context, c *command, n int) (slots []restoreSlot, err error) {
	for i := range n {
		slots = append(slots, restoreSlot{name: fmt.Sprintf("rig-restore-%d", i)})
		if err := r.fill(ctx, slots[i]); err != nil {
			return nil, err
		}
	}
	for _, s := range slots {
		if err := r.bound(ctx, s); err != nil {
			return nil, err
		}
	}
	plan, err := c.write("slots.yaml", r.planText(r.S3.Endpoint, "slots", "    - {id: pvs, uses: backup-pvs, with: {prefix: slots, include: [snapshots]}}\n"))
	if err != nil {
		return nil, err
	}
	got, err := c.must(0, "apply", plan, "-o", "json")
	if err != nil {
		return nil, err
	}
	d, err := got.document()
	for i := range slots {
		slots[i].key = d.step("pvs").text("key")
		if err := r.wipe(ctx, slots[i]); err != nil {
			return nil, err
		}
	}
	return slots, err
}

func (r *rig) fill(ctx context.Context, s restoreSlot) error {
	core := r.kube.CoreV1()
	if _, err := core.Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.name}}, metav1.CreateOptions{}); err != nil {
		return err
	}
	none, size := "", corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}
	for i := range volumes {
		meta := metav1.ObjectMeta{Name: s.volume(i), Namespace: s.name, Annotations: map[string]string{"rigs.example/volume": s.volume(i)}}
		claim := &corev1.PersistentVolumeClaim{ObjectMeta: meta, Spec: corev1.PersistentVolumeClaimSpec{
			VolumeName: s.volume(i), StorageClassName: &none, AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources: corev1.VolumeResourceRequirements{Requests: size},
		}}
		meta.Namespace = ""
		pv := &corev1.PersistentVolume{ObjectMeta: meta, Spec: corev1.PersistentVolumeSpec{
			Capacity: size, AccessModes: claim.Spec.AccessModes, PersistentVolumeReclaimPolicy: policy(i),
			ClaimRef:               &corev1.ObjectReference{Kind: "PersistentVolumeClaim", APIVersion: "v1", Namespace: s.name, Name: s.volume(i)},
			PersistentVolumeSource: corev1.PersistentVolumeSource{NFS: &corev1.NFSVolumeSource{Server: "192.168.10.5", Path: "/tank/" + s.volume(i)}},
		}}
		if i == 0 { // one that only some node can use
			pv.Spec.NodeAffinity = &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchExpressions: []corev1.NodeSelectorRequirement{{Key: "kubernetes.io/hostname", Operator: corev1.NodeSelectorOpIn, Values: []string{"atlas"}}},
			}}}}
		}
		if _, err := core.PersistentVolumes().Create(ctx, pv, metav1.CreateOptions{}); err != nil {
			return err
		}
		if _, err := core.PersistentVolumeClaims(s.name).Create(ctx, claim, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	return nil
}

// bound waits until the volumes of a slot are.
func (r *rig) bound(ctx context.Context, s restoreSlot) error {
	for range 600 {
		n := 0
		for i := range volumes {
			claim, err := r.kube.CoreV1().PersistentVolumeClaims(s.name).Get(ctx, s.volume(i), metav1.GetOptions{})
			if err != nil {
				return err
			}
			if claim.Status.Phase == corev1.ClaimBound {
				n++
			}
		}
		if n == volumes {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("the volumes of %s are not bound", s.name)
}

// wipe takes a slot out of etcd, behind the back of finalizers and controllers.
func (r *rig) wipe(ctx context.Context, s restoreSlot) error {
	for _, prefix := range []string{"persistentvolumeclaims/" + s.name + "/", "persistentvolumes/" + s.name + "-"} {
		if err := r.wipePrefix(ctx, prefix); err != nil {
			return err
		}
	}
	return nil
}

func (r *rig) wipePrefix(ctx context.Context, prefix string) error {
	from := []byte("/registry/" + prefix)
	to := bytes.Clone(from)
	to[len(to)-1]++
	body, err := json.Marshal(map[string][]byte{"key": from, "range_end": to})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.Etcd+"/v3/kv/deleterange", bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("wipe %s: %s", prefix, resp.Status)
	}
	return nil
}

// restorePVs brings the volumes of the worker's slot back.
func restorePVs() *reference {
	return &reference{
		name:    "restore",
		prepare: func(t *trial) error { return t.wipe(t.ctx, t.worker.restore) },
		steps: func(t *trial) string {
			s := t.worker.restore
			return fmt.Sprintf("    - {id: restore, uses: restore-pvs, with: {key: %q, only: [\"pv/%s-*\", \"pvc/%s/*\"]}}\n", s.key, s.name, s.name)
		},
		state: (*trial).volumeState,
		always: func(t *trial, _, after map[string]string) error {
			for i := range volumes {
				state := after[t.worker.restore.volume(i)]
				if policy(i) == corev1.PersistentVolumeReclaimDelete && state != "" && state != "Retain kept" && state != "Delete bound" && state != "Delete kept bound" && state != "Retain kept bound" {
					return fmt.Errorf("volume %s is %q: data could be deleted", t.worker.restore.volume(i), state)
				}
			}
			return nil
		},
		done: func(t *trial, after map[string]string) error {
			for i := range volumes {
				if got, want := after[t.worker.restore.volume(i)], string(policy(i))+" bound"; got != want {
					return fmt.Errorf("volume %s is %q, want %q", t.worker.restore.volume(i), got, want)
				}
			}
			return nil
		},
	}
}

// volumeState are the volumes of the slot: reclaim policy, whether it is put back later, whether it is bound to its own claim.
func (t *trial) volumeState() (map[string]string, error) {
	state := map[string]string{}
	for i := range volumes {
		name := t.worker.restore.volume(i)
		pv, err := t.kube.CoreV1().PersistentVolumes().Get(t.ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		text := string(pv.Spec.PersistentVolumeReclaimPolicy)
		if pv.Annotations["plan/reclaim-policy"] != "" {
			text += " kept"
		}
		claim, err := t.kube.CoreV1().PersistentVolumeClaims(t.worker.restore.name).Get(t.ctx, name, metav1.GetOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return nil, err
		}
		if err == nil && claim.Status.Phase == corev1.ClaimBound && pv.Status.Phase == corev1.VolumeBound && pv.Spec.ClaimRef.UID == claim.UID {
			text += " bound"
		}
		if pv.Annotations["rigs.example/volume"] != name || pv.Spec.NFS == nil || pv.Spec.NFS.Path != "/tank/"+name {
			text += " another"
		}
		state[name] = text
	}
	return state, nil
}
