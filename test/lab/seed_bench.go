package lab

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

// benchNamespaces is over how many namespaces SeedPVs spreads its claims.
const benchNamespaces = 20

// SeedPVs makes n Longhorn volumes bound to claims in namespaces bench-00 to bench-19; those that are there already
// are kept. Each has the fields, and as JSON about the size, of one that Longhorn made. In a lab without controllers
// (Options.NoControllers) the first is made through the API and the others are its copies, put into etcd as
// kube-apiserver would store them: 10,000 take seconds. Where a binder runs it would take such a copy for a lost
// one when it sees the claim first, so all go through the API, 32 at once, and the binder binds them in its own time.
func (l *Lab) SeedPVs(ctx context.Context, n int) error {
	if n == 0 {
		return nil
	}
	c, err := l.Client()
	if err != nil {
		return err
	}
	for i := range benchNamespaces {
		if err := createNamespace(ctx, c, fmt.Sprintf("bench-%02d", i)); err != nil {
			return err
		}
	}
	if l.binds() {
		return seedThroughAPI(ctx, c, n)
	}
	first := benchVolume(0)
	if err := createVolume(ctx, c, first, 0, false); err != nil {
		return fmt.Errorf("create volume %s: %w", first.pvName(), err)
	}
	pv, err := c.CoreV1().PersistentVolumes().Get(ctx, first.pvName(), metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("read volume %s: %w", first.pvName(), err)
	}
	claim, err := c.CoreV1().PersistentVolumeClaims(first.namespace).Get(ctx, first.claim, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("read claim %s/%s: %w", first.namespace, first.claim, err)
	}
	return l.seedCopies(ctx, c, n, pv, claim)
}

func benchVolume(i int) volume {
	name := fmt.Sprintf("data-app-%05d", i)
	return volume{
		class: "longhorn", namespace: fmt.Sprintf("bench-%02d", i%benchNamespaces), claim: name, workload: name,
		size: fmt.Sprintf("%dGi", 1+i%40), phase: corev1.VolumeBound, access: corev1.ReadWriteOnce,
	}
}

func seedThroughAPI(ctx context.Context, c kubernetes.Interface, n int) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(32)
	for i := range n {
		v := benchVolume(i)
		g.Go(func() error { return wrap(createVolume(ctx, c, v, i, true), "create volume %s", v.pvName()) })
	}
	return g.Wait()
}

// seedCopies writes the copies that are missing, some dozens in one transaction.
func (l *Lab) seedCopies(ctx context.Context, c kubernetes.Interface, n int, pv *corev1.PersistentVolume, claim *corev1.PersistentVolumeClaim) error {
	have, err := c.CoreV1().PersistentVolumes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list volumes: %w", err)
	}
	there := map[string]bool{}
	for _, p := range have.Items {
		there[p.Name] = true
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	var batch []stored
	flush := func() {
		b := batch
		batch = nil
		g.Go(func() error { return putStored(ctx, l.Etcd, b) })
	}
	for i := range n {
		v := benchVolume(i)
		if there[v.pvName()] {
			continue
		}
		batch = append(batch, copyPair(v, i, pv, claim)...)
		if len(batch) >= 100 { // etcd takes 128 operations at once
			flush()
		}
	}
	flush()
	return g.Wait()
}

// copyPair is volume v and its claim in the shape of another such pair.
func copyPair(v volume, seq int, pv *corev1.PersistentVolume, claim *corev1.PersistentVolumeClaim) []stored {
	pv, claim = pv.DeepCopy(), claim.DeepCopy()
	claim.Name, claim.Namespace, claim.ResourceVersion = v.claim, v.namespace, ""
	claim.UID = types.UID(seedUUID("claim", v.namespace, v.claim))
	claim.Labels["app.kubernetes.io/name"] = v.workload
	claim.Spec.VolumeName, claim.Spec.Resources.Requests, claim.Status.Capacity = v.pvName(), v.capacity(), v.capacity()
	claim.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("PersistentVolumeClaim"))

	pv.Name, pv.ResourceVersion, pv.UID = v.pvName(), "", types.UID(seedUUID("volume", v.pvName()))
	pv.Spec.Capacity, pv.Spec.CSI = v.capacity(), v.object(claim.UID, seq).Spec.CSI
	pv.Spec.ClaimRef.Namespace, pv.Spec.ClaimRef.Name, pv.Spec.ClaimRef.UID = v.namespace, v.claim, claim.UID
	pv.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("PersistentVolume"))
	return []stored{
		{key: "/registry/persistentvolumeclaims/" + v.namespace + "/" + v.claim, object: claim},
		{key: "/registry/persistentvolumes/" + pv.Name, object: pv},
	}
}
