package lab

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// The Secret that holds the Bitwarden access token.
const (
	TokenNamespace = "external-secrets"
	TokenSecret    = "bitwarden-machine-account"
	TokenKey       = "token"
)

// Seed fills the cluster with a small home cluster's nodes, storage classes, volumes and claims, and with the Secret
// that holds the Bitwarden access token. What is there already stays as it is, but for the token.
func (l *Lab) Seed(ctx context.Context) error {
	c, err := l.Client()
	if err != nil {
		return err
	}
	for _, ns := range seedNamespaces() {
		if err := createNamespace(ctx, c, ns); err != nil {
			return err
		}
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for _, sc := range seedClasses() {
		g.Go(func() error {
			_, err := c.StorageV1().StorageClasses().Create(gctx, &sc, metav1.CreateOptions{FieldManager: "helm"})
			return wrap(ignoreExists(err), "create storage class %s", sc.Name)
		})
	}
	g.Go(func() error { return l.seedToken(gctx, c) })
	for _, n := range seedNodes() {
		g.Go(func() error { return createNode(gctx, c, n) })
	}
	binder := l.binds()
	for i, v := range seedVolumes() {
		g.Go(func() error { return wrap(createVolume(gctx, c, v, i, binder), "create volume %s", v.pvName()) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if err := settled(ctx, c); err != nil {
		return err
	}
	l.log("seeded %d nodes, %d storage classes, %d volumes", len(seedNodes()), len(seedClasses()), len(seedVolumes()))
	return nil
}

// binds reports whether a controller binds volumes to claims in the cluster.
func (l *Lab) binds() bool {
	return l.opts.Elsewhere.Kubeconfig != "" || folder{dir: l.Dir}.serves("controller-manager")
}

// settled waits until every seeded volume is in its phase.
func settled(ctx context.Context, c kubernetes.Interface) error {
	var last error
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if last = unsettled(ctx, c); last == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the seeded volumes: %w: %w", ctx.Err(), last)
		case <-time.After(50 * time.Millisecond):
		}
	}
	return fmt.Errorf("wait for the seeded volumes: after a minute: %w", last)
}

func unsettled(ctx context.Context, c kubernetes.Interface) error {
	pvs, err := c.CoreV1().PersistentVolumes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	phase := map[string]corev1.PersistentVolumePhase{}
	for _, pv := range pvs.Items {
		phase[pv.Name] = pv.Status.Phase
	}
	for _, v := range seedVolumes() {
		if got := phase[v.pvName()]; got != v.phase {
			return fmt.Errorf("volume %s is %q, not yet %s", v.pvName(), got, v.phase)
		}
	}
	return nil
}

func (l *Lab) log(format string, args ...any) {
	if l.opts.Log != nil {
		l.opts.Log(format, args...)
	}
}

func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), err)
}

func ignoreExists(err error) error {
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

func seedNamespaces() []string {
	return []string{"longhorn-system", TokenNamespace, "media", "monitoring", "home-automation", "photos", "databases", "git"}
}

func createNamespace(ctx context.Context, c kubernetes.Interface, name string) error {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"home.example/team": "household"}}}
	_, err := c.CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{FieldManager: "kubectl-create"})
	return wrap(ignoreExists(err), "create namespace %s", name)
}

// seedToken writes the Secret anew when the token differs: a lab made again has another one.
func (l *Lab) seedToken(ctx context.Context, c kubernetes.Interface) error {
	secrets := c.CoreV1().Secrets(TokenNamespace)
	s := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: TokenSecret, Namespace: TokenNamespace},
		Data:       map[string][]byte{TokenKey: []byte(l.Bitwarden.Token)},
	}
	_, err := secrets.Create(ctx, s, metav1.CreateOptions{})
	if !apierrors.IsAlreadyExists(err) {
		return wrap(err, "create secret %s/%s", TokenNamespace, TokenSecret)
	}
	old, err := secrets.Get(ctx, TokenSecret, metav1.GetOptions{})
	if err != nil || string(old.Data[TokenKey]) == l.Bitwarden.Token {
		return wrap(err, "read secret %s/%s", TokenNamespace, TokenSecret)
	}
	old.Data = s.Data
	_, err = secrets.Update(ctx, old, metav1.UpdateOptions{})
	return wrap(err, "update secret %s/%s", TokenNamespace, TokenSecret)
}

func seedClasses() []storagev1.StorageClass {
	retain, del := corev1.PersistentVolumeReclaimRetain, corev1.PersistentVolumeReclaimDelete
	now, late, yes := storagev1.VolumeBindingImmediate, storagev1.VolumeBindingWaitForFirstConsumer, true
	return []storagev1.StorageClass{
		{
			ObjectMeta:  metav1.ObjectMeta{Name: "longhorn", Annotations: map[string]string{"storageclass.kubernetes.io/is-default-class": "true"}},
			Provisioner: longhornDriver, ReclaimPolicy: &del, VolumeBindingMode: &now, AllowVolumeExpansion: &yes,
			Parameters: map[string]string{"numberOfReplicas": "3", "staleReplicaTimeout": "30", "fromBackup": "", "fsType": "ext4", "dataLocality": "disabled"},
		},
		{
			ObjectMeta: metav1.ObjectMeta{Name: "longhorn-keep"}, Provisioner: longhornDriver,
			ReclaimPolicy: &retain, VolumeBindingMode: &now, AllowVolumeExpansion: &yes,
			Parameters: map[string]string{"numberOfReplicas": "2", "staleReplicaTimeout": "30", "fsType": "ext4"},
		},
		{ObjectMeta: metav1.ObjectMeta{Name: "local-path"}, Provisioner: "rancher.io/local-path", ReclaimPolicy: &del, VolumeBindingMode: &late},
		{
			ObjectMeta: metav1.ObjectMeta{Name: "nfs-media"}, Provisioner: "nfs.csi.k8s.io", ReclaimPolicy: &retain, VolumeBindingMode: &now,
			Parameters: map[string]string{"server": "192.168.10.5", "share": "/tank/media"}, MountOptions: []string{"nfsvers=4.1", "noatime"},
		},
	}
}
