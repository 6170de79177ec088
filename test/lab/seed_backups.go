package lab

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"plan/internal/nodetoken"
)

//go:embed longhorn.yaml
var longhornCRDs []byte

// LonghornCRDs are small definitions of Longhorn's resources, one YAML document each: what the product reads of them, with the status
// subresource.
func LonghornCRDs() [][]byte { return bytes.Split(longhornCRDs, []byte("---\n")) }

// NodeTokenFile is where a server of this lab's cluster would have its token.
func (l *Lab) NodeTokenFile() string { return filepath.Join(l.Dir, "k3s", "server", "token") }

// SeedBackups adds what other programs back up in a well-kept cluster: a token on the server, real snapshots of the lab's etcd in the
// bucket, named and marked as k3s does, and Longhorn's resources with a fresh backup of each volume. It may be called again: then all is
// fresh again.
func (l *Lab) SeedBackups(ctx context.Context) error {
	c, err := l.Client()
	if err != nil {
		return err
	}
	token, err := l.seedNodeToken()
	if err != nil {
		return err
	}
	if err := l.seedSnapshots(ctx, c, token); err != nil {
		return err
	}
	volumes, err := seedLonghorn(ctx, c)
	if err != nil {
		return err
	}
	l.log("seeded a server's token, snapshots of etcd, and backups of %d Longhorn volumes", volumes)
	return nil
}

// seedNodeToken writes the token's file, as k3s does at each start.
func (l *Lab) seedNodeToken() (nodetoken.Token, error) {
	text := "K10" + strings.Repeat(strings.ReplaceAll(seedUUID("ca"), "-", ""), 2) + "::server:" + seedUUID("token", l.Dir)
	token, err := nodetoken.Parse(text)
	if err != nil {
		return token, fmt.Errorf("make a token: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(l.NodeTokenFile()), 0o700); err != nil {
		return token, fmt.Errorf("make the server's folder: %w", err)
	}
	return token, wrap(os.WriteFile(l.NodeTokenFile(), []byte(text+"\n"), 0o600), "write the token")
}

// seedSnapshots uploads a snapshot for each server, taken within the last minutes.
func (l *Lab) seedSnapshots(ctx context.Context, c kubernetes.Interface, token nodetoken.Token) error {
	if l.Etcd == "" {
		return errors.New("seed snapshots: the cluster is elsewhere, and its etcd is not known")
	}
	_, client, err := EtcdTools(ctx, l.opts.Log)
	if err != nil {
		return err
	}
	file := filepath.Join(l.Dir, "snapshot.db")
	defer os.Remove(file)
	save := exec.CommandContext(ctx, client, "snapshot", "save", file)
	save.Env = append(os.Environ(), "ETCDCTL_API=3", "ETCDCTL_ENDPOINTS="+l.Etcd)
	if out, err := save.CombinedOutput(); err != nil {
		return fmt.Errorf("take a snapshot of etcd: %w\n%s", err, out)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read the snapshot: %w", err)
	}
	system, err := c.CoreV1().Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("read the cluster's UID: %w", err)
	}
	bucket, err := l.S3Client()
	if err != nil {
		return err
	}
	for _, n := range seedNodes() {
		if !n.server {
			continue
		}
		key := fmt.Sprintf("k3s-etcd-snapshots/etcd-snapshot-%s-%d", n.name, time.Now().Truncate(5*time.Minute).Unix())
		_, err := bucket.PutObject(ctx, &s3.PutObjectInput{Bucket: &l.S3.Bucket, Key: &key, Body: bytes.NewReader(data), Metadata: map[string]string{
			"k3s-cluster-id": string(system.UID), "k3s-node-name": n.name, "k3s-token-hash": token.Hash(),
		}})
		if err != nil {
			return fmt.Errorf("upload snapshot %s: %w", key, err)
		}
	}
	return nil
}

const longhornAPI = "/apis/longhorn.io/v1beta2/namespaces/longhorn-system/"

// seedLonghorn makes Longhorn's resources and gives each of its bound volumes a backup of three hours ago.
func seedLonghorn(ctx context.Context, c *kubernetes.Clientset) (int, error) {
	for _, crd := range LonghornCRDs() {
		err := c.RESTClient().Post().AbsPath("/apis/apiextensions.k8s.io/v1/customresourcedefinitions").SetHeader("Content-Type", "application/yaml").Body(crd).Do(ctx).Error()
		if err := ignoreExists(err); err != nil {
			return 0, fmt.Errorf("install a resource of Longhorn's: %w", err)
		}
	}
	at := func(age time.Duration) string { return time.Now().Add(-age).UTC().Format(time.RFC3339) }
	put := longhornPutter(ctx, c)
	put("backuptargets", "BackupTarget", "default", map[string]any{"backupTargetURL": "s3://longhorn@us-east-1/", "pollInterval": "5m0s"}, nil, map[string]any{"available": true, "lastSyncedAt": at(time.Minute)})
	put("recurringjobs", "RecurringJob", "nightly", map[string]any{"name": "nightly", "task": "backup", "cron": "0 2 * * *", "groups": []string{"default"}}, nil, nil)
	count := 0
	for _, v := range seedVolumes() {
		if v.phase != corev1.VolumeBound || !strings.HasPrefix(v.class, "longhorn") {
			continue
		}
		handle := v.handle()
		put("volumes", "Volume", handle, map[string]any{"backupTargetName": "default"}, nil, map[string]any{"state": "attached", "robustness": "healthy"})
		put("backupvolumes", "BackupVolume", handle+"-"+seedUUID(handle)[:8], map[string]any{"volumeName": handle, "backupTargetName": "default"},
			map[string]any{"backup-volume": handle, "backup-target": "default"},
			map[string]any{"lastBackupName": "backup-" + seedUUID(handle)[:16], "lastBackupAt": at(3 * time.Hour), "lastSyncedAt": at(time.Minute)})
		count++
	}
	return count, put("settings", "Setting", "allow-recurring-job-while-volume-detached", nil, nil, nil)
}

// longhornPutter makes objects and writes their status, as Longhorn's controllers do: what a creation has of one is dropped. After the first
// error it does nothing more; each call gives that error.
func longhornPutter(ctx context.Context, c *kubernetes.Clientset) func(resource, kind, name string, spec, labels, status map[string]any) error {
	var failed error
	return func(resource, kind, name string, spec, labels, status map[string]any) error {
		if failed != nil {
			return failed
		}
		object := map[string]any{"apiVersion": "longhorn.io/v1beta2", "kind": kind, "metadata": map[string]any{"name": name, "labels": labels}}
		if spec != nil {
			object["spec"] = spec
		}
		if kind == "Setting" {
			object["value"] = "false"
		}
		if failed = createWhenServed(ctx, c, longhornAPI+resource, object); failed == nil && status != nil {
			patch, err := json.Marshal(map[string]any{"status": status})
			if err == nil {
				err = c.RESTClient().Patch(types.MergePatchType).AbsPath(longhornAPI + resource + "/" + name + "/status").Body(patch).Do(ctx).Error()
			}
			failed = err
		}
		failed = wrap(failed, "make %s %s", resource, name)
		return failed
	}
}

// createWhenServed creates an object of a resource that may have been defined a moment ago.
func createWhenServed(ctx context.Context, c *kubernetes.Clientset, path string, object map[string]any) error {
	body, err := json.Marshal(object)
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(time.Minute); ; {
		err := ignoreExists(c.RESTClient().Post().AbsPath(path).SetHeader("Content-Type", "application/json").Body(body).Do(ctx).Error())
		if !apierrors.IsNotFound(err) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}
