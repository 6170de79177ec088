package rigs

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// rightsToken is the token of the server that the plans here run on.
const rightsToken = "K10" + "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff" + "::server:rights"

// keep puts a token into the Secret, whoever it is of.
func (r *rig) keep(ctx context.Context, token string) error {
	secrets := r.kube.CoreV1().Secrets("default")
	if err := secrets.Delete(ctx, "rig-rights", metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	_, err := secrets.Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "rig-rights"}, Data: map[string][]byte{"token": []byte(token)}}, metav1.CreateOptions{})
	return err
}

func (r *rig) otherToken(ctx context.Context) error {
	token, _ := newToken()
	return r.keep(ctx, token)
}

func (r *rig) sameToken(ctx context.Context) error { return r.keep(ctx, rightsToken) }

// otherLabels takes a label from a node, and changes another one.
func (r *rig) otherLabels(ctx context.Context) error {
	list, err := r.kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	_, err = r.kube.CoreV1().Nodes().Patch(ctx, list.Items[0].Name, types.MergePatchType, []byte(`{"metadata":{"labels":{"rigs.example/label":"changed"}}}`), metav1.PatchOptions{})
	return err
}

// withoutClasses takes away one of each kind that restore-pvs makes.
func (r *rig) withoutClasses(s restoreSlot) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := r.wipe(ctx, s); err != nil {
			return err
		}
		if err := r.wipePrefix(ctx, "namespaces/"+s.name); err != nil {
			return err
		}
		if err := r.kube.StorageV1().StorageClasses().Delete(ctx, "rig", metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			return err
		}
		err := r.kube.RESTClient().Delete().AbsPath(snapshotClasses + "/rig").Do(ctx).Error()
		if apierrors.IsNotFound(err) {
			return nil
		}
		return err
	}
}

// unlocked takes the Lease of an earlier run away, so that the next one makes it.
func (r *rig) unlocked(ctx context.Context) error {
	err := r.kube.CoordinationV1().Leases("default").Delete(ctx, "plan-rights", metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
