package lab

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

const longhornDriver = "driver.longhorn.io"

// volume is a PersistentVolume and, when it is bound, the claim it is bound to.
type volume struct {
	class, namespace, claim string
	size                    string
	phase                   corev1.PersistentVolumePhase
	name                    string // "" derives it from the claim, as a provisioner does
	node                    string // local-path: where the data is
	workload                string // Longhorn: the workload that mounts it
	access                  corev1.PersistentVolumeAccessMode
}

// seedVolumes are 30 volumes in every state that a backup has to cope with.
func seedVolumes() []volume {
	const bound, rwo, rwx = corev1.VolumeBound, corev1.ReadWriteOnce, corev1.ReadWriteMany
	var out []volume
	add := func(class, ns, node string, mode corev1.PersistentVolumeAccessMode, claims ...string) {
		for _, c := range claims {
			claim, size, _ := strings.Cut(c, ":")
			out = append(out, volume{class: class, namespace: ns, claim: claim, size: size, phase: bound, node: node, workload: claim, access: mode})
		}
	}
	add("longhorn", "media", "", rwo, "jellyfin-config:20Gi", "sonarr-config:2Gi", "radarr-config:2Gi", "prowlarr-config:1Gi", "audiobooks-config:5Gi")
	add("longhorn", "monitoring", "", rwo, "prometheus-db-prometheus-0:50Gi", "grafana:5Gi", "loki-data-loki-0:30Gi", "alertmanager-db-alertmanager-0:1Gi")
	add("longhorn", "home-automation", "", rwo, "home-assistant-config:10Gi", "mosquitto-data:1Gi", "zigbee2mqtt-data:1Gi", "node-red-data:2Gi")
	add("longhorn-keep", "photos", "", rwo, "immich-library:500Gi", "immich-model-cache:10Gi")
	add("longhorn-keep", "databases", "", rwo, "data-postgres-0:40Gi", "data-postgres-1:40Gi", "data-postgres-2:40Gi", "data-valkey-0:4Gi")
	add("longhorn", "git", "", rwo, "forgejo-data:25Gi")
	add("local-path", "git", "dione", rwo, "runner-cache:50Gi")
	add("local-path", "media", "dione", rwo, "transcode-cache:100Gi")
	add("local-path", "monitoring", "eris", rwo, "node-logs:8Gi")
	add("nfs-media", "media", "", rwx, "movies:8Ti", "series:6Ti", "music:1Ti")
	return append(out,
		volume{class: "longhorn-keep", namespace: "photos", claim: "photoprism-originals", size: "300Gi", phase: corev1.VolumeReleased, access: rwo},
		volume{class: "longhorn-keep", namespace: "databases", claim: "data-mariadb-0", size: "20Gi", phase: corev1.VolumeReleased, access: rwo},
		// Made by hand: never claimed; and of no class at all.
		volume{class: "nfs-media", name: "nfs-archive", size: "2Ti", phase: corev1.VolumeAvailable, access: rwx},
		volume{namespace: "media", claim: "scans", name: "nfs-scans", size: "100Gi", phase: bound, access: rwx},
	)
}

// seedUUID is an id that follows from its parts alone.
func seedUUID(parts ...string) string {
	return uuid.NewHash(sha256.New(), uuid.NameSpaceURL, []byte(strings.Join(parts, "/")), 5).String()
}

func (v volume) handle() string { return "pvc-" + seedUUID(v.namespace, v.claim) }

func (v volume) pvName() string {
	if v.name != "" {
		return v.name
	}
	return v.handle()
}

// createVolume makes the claim first, so that the volume can name it by UID, as a provisioner does. Where no binder
// runs the status is written here; beside a binder that would only be in its way.
func createVolume(ctx context.Context, c kubernetes.Interface, v volume, seq int, binder bool) error {
	var claim *corev1.PersistentVolumeClaim
	var uid types.UID
	switch v.phase {
	case corev1.VolumeBound:
		var err error
		if claim, err = createClaim(ctx, c, v); err != nil {
			return err
		}
		uid = claim.UID
	case corev1.VolumeReleased: // a claim that is gone
		uid = types.UID(seedUUID("claim", v.namespace, v.claim))
	}
	pv, err := c.CoreV1().PersistentVolumes().Create(ctx, v.object(uid, seq), metav1.CreateOptions{FieldManager: v.manager()})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	if err != nil || binder {
		return err
	}
	return writeStatus(ctx, c, v, pv, claim)
}

// writeStatus writes the status of a volume and its claim as the binder would.
func writeStatus(ctx context.Context, c kubernetes.Interface, v volume, pv *corev1.PersistentVolume, claim *corev1.PersistentVolumeClaim) error {
	binder := metav1.UpdateOptions{FieldManager: "kube-controller-manager"}
	pv.Status.Phase = v.phase
	if _, err := c.CoreV1().PersistentVolumes().UpdateStatus(ctx, pv, binder); err != nil || claim == nil {
		return err
	}
	claim.Status = corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimBound, AccessModes: claim.Spec.AccessModes, Capacity: v.capacity()}
	_, err := c.CoreV1().PersistentVolumeClaims(v.namespace).UpdateStatus(ctx, claim, binder)
	return err
}

// manager is who makes such a volume, for managedFields.
func (v volume) manager() string {
	switch {
	case v.name != "":
		return "kubectl-create"
	case v.class == "local-path":
		return "local-path-provisioner"
	}
	return "csi-provisioner"
}

func createClaim(ctx context.Context, c kubernetes.Interface, v volume) (*corev1.PersistentVolumeClaim, error) {
	pvcs := c.CoreV1().PersistentVolumeClaims(v.namespace)
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{
			Name: v.claim, Namespace: v.namespace, Labels: map[string]string{"app.kubernetes.io/name": v.workload, "app.kubernetes.io/managed-by": "Helm"},
			Annotations: map[string]string{"volume.kubernetes.io/storage-provisioner": v.provisioner()},
		},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{v.access}, StorageClassName: &v.class, VolumeName: v.pvName(),
			Resources: corev1.VolumeResourceRequirements{Requests: v.capacity()},
		},
	}
	if v.class == "" {
		claim.Annotations = nil
	}
	got, err := pvcs.Create(ctx, claim, metav1.CreateOptions{FieldManager: "helm"})
	if apierrors.IsAlreadyExists(err) {
		return pvcs.Get(ctx, v.claim, metav1.GetOptions{})
	}
	return got, err
}

func (v volume) capacity() corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(v.size)}
}

func (v volume) provisioner() string {
	switch v.class {
	case "local-path":
		return "rancher.io/local-path"
	case "nfs-media":
		return "nfs.csi.k8s.io"
	}
	return longhornDriver
}

func (v volume) object(claimUID types.UID, seq int) *corev1.PersistentVolume {
	pv := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: v.pvName()},
		Spec: corev1.PersistentVolumeSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{v.access}, Capacity: v.capacity(), StorageClassName: v.class,
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
		},
	}
	if v.class == "longhorn" || v.class == "local-path" {
		pv.Spec.PersistentVolumeReclaimPolicy = corev1.PersistentVolumeReclaimDelete
	}
	if v.name == "" {
		pv.Annotations = map[string]string{"pv.kubernetes.io/provisioned-by": v.provisioner()}
	}
	if v.claim != "" {
		pv.Spec.ClaimRef = &corev1.ObjectReference{Kind: "PersistentVolumeClaim", APIVersion: "v1", Namespace: v.namespace, Name: v.claim, UID: claimUID}
	}
	v.source(pv, seq)
	return pv
}

// source fills in where the data is, in the form that each provisioner writes.
func (v volume) source(pv *corev1.PersistentVolume, seq int) {
	mode := corev1.PersistentVolumeFilesystem
	pv.Spec.VolumeMode = &mode
	switch v.class {
	case "longhorn", "longhorn-keep":
		pv.Annotations["longhorn.io/volume-scheduling-error"] = ""
		pv.Annotations["volume.kubernetes.io/provisioner-deletion-secret-name"] = ""
		pv.Annotations["volume.kubernetes.io/provisioner-deletion-secret-namespace"] = ""
		pv.Finalizers = []string{"kubernetes.io/pv-protection", "external-attacher/driver-longhorn-io"}
		pv.Spec.CSI = &corev1.CSIPersistentVolumeSource{
			Driver: longhornDriver, FSType: "ext4", VolumeHandle: v.handle(),
			VolumeAttributes: map[string]string{
				"backupTargetName": "default", "dataEngine": "v1", "encrypted": "false", "migratable": "false", "replicaAutoBalance": "ignored",
				"recurringJobSelector": `[{"name":"nightly","isGroup":true}]`, "diskSelector": "", "nodeSelector": "", "snapshotDataIntegrity": "ignored",
				"replicaSoftAntiAffinity": "ignored", "replicaZoneSoftAntiAffinity": "ignored", "replicaDiskSoftAntiAffinity": "ignored", "dataLocality": "disabled", "disableRevisionCounter": "true",
				"fromBackup": "", "fsType": "ext4", "numberOfReplicas": "3", "staleReplicaTimeout": "30", "unmapMarkSnapChainRemoved": "ignored",
				"storage.kubernetes.io/csiProvisionerIdentity": fmt.Sprintf("1761%09d-8081-%s", 100000+seq*37, longhornDriver),
			},
		}
	case "local-path":
		dir := corev1.HostPathDirectoryOrCreate
		pv.Spec.HostPath = &corev1.HostPathVolumeSource{Path: "/var/lib/rancher/k3s/storage/" + v.handle() + "_" + v.namespace + "_" + v.claim, Type: &dir}
		pv.Spec.NodeAffinity = &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
			MatchExpressions: []corev1.NodeSelectorRequirement{{Key: "kubernetes.io/hostname", Operator: corev1.NodeSelectorOpIn, Values: []string{v.node}}},
		}}}}
	default:
		pv.Spec.MountOptions = []string{"nfsvers=4.1", "noatime"}
		pv.Spec.NFS = &corev1.NFSVolumeSource{Server: "192.168.10.5", Path: "/tank/media/" + v.claim + strings.TrimPrefix(v.name, "nfs-")}
	}
}
