// Command fill-longhorn makes what Longhorn would have of the cluster's volumes: for each a Volume, a BackupVolume with a fresh backup, and
// some Backups, all about as large as real ones. Their resources take any field and have no status subresource, so that one request makes
// an object.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const base = "/apis/longhorn.io/v1beta2/namespaces/longhorn-system/"

// kinds are the resources.
var kinds = [][2]string{
	{"volumes", "Volume"}, {"backupvolumes", "BackupVolume"}, {"backups", "Backup"}, {"backuptargets", "BackupTarget"}, {"recurringjobs", "RecurringJob"}, {"settings", "Setting"},
}

type fields = map[string]any

type filler struct {
	client  rest.Interface
	backups int
	now     string
}

func main() {
	backups := flag.Int("backups", 7, "backups of each volume")
	flag.Parse()
	if err := run(context.Background(), *backups); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, backups int) error {
	client, err := connect()
	if err != nil {
		return err
	}
	f := filler{client, backups, time.Now().UTC().Format(time.RFC3339)}
	if err := f.install(ctx); err != nil {
		return err
	}
	body, err := client.Get().AbsPath("/api/v1/persistentvolumes").SetHeader("Accept", "application/json").DoRaw(ctx)
	if err != nil {
		return fmt.Errorf("list volumes: %w", err)
	}
	var pvs struct {
		Items []struct {
			Spec struct {
				CSI *struct{ Driver, VolumeHandle string }
			}
			Status struct{ Phase string }
		}
	}
	if err := json.Unmarshal(body, &pvs); err != nil {
		return fmt.Errorf("read the list of volumes: %w", err)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(32)
	group.Go(func() error { return f.common(ctx) })
	for _, pv := range pvs.Items {
		if csi := pv.Spec.CSI; csi != nil && csi.Driver == "driver.longhorn.io" && pv.Status.Phase == "Bound" {
			group.Go(func() error { return f.volume(ctx, csi.VolumeHandle) })
		}
	}
	return group.Wait()
}

func connect() (*rest.RESTClient, error) {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	config.QPS = -1
	config.GroupVersion = &schema.GroupVersion{Version: "v1"}
	config.NegotiatedSerializer = serializer.NewCodecFactory(runtime.NewScheme()).WithoutConversion()
	return rest.RESTClientFor(config)
}

// install makes the resources and waits until they are served.
func (f filler) install(ctx context.Context) error {
	for _, k := range kinds {
		crd := fields{
			"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": fields{"name": k[0] + ".longhorn.io"},
			"spec": fields{
				"group": "longhorn.io", "scope": "Namespaced", "names": fields{"plural": k[0], "singular": strings.ToLower(k[1]), "kind": k[1], "listKind": k[1] + "List"},
				"versions": []any{fields{"name": "v1beta2", "served": true, "storage": true,
					"schema": fields{"openAPIV3Schema": fields{"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}},
			},
		}
		if err := f.create(ctx, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd); err != nil {
			return err
		}
	}
	for _, k := range kinds {
		for f.client.Get().AbsPath(base+k[0]).Do(ctx).Error() != nil {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
	return nil
}

// create makes an object, unless it is there.
func (f filler) create(ctx context.Context, path string, o fields) error {
	body, err := json.Marshal(o)
	if err != nil {
		return err
	}
	err = f.client.Post().AbsPath(path).SetHeader("Content-Type", "application/json").SetHeader("Accept", "application/json").Body(body).Do(ctx).Error()
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create at %s: %w", path, err)
	}
	return nil
}

// object makes one of Longhorn's own.
func (f filler) object(ctx context.Context, kind [2]string, name string, labels, rest fields) error {
	o := fields{"apiVersion": "longhorn.io/v1beta2", "kind": kind[1], "metadata": fields{"name": name, "labels": labels}}
	for key, value := range rest {
		o[key] = value
	}
	return f.create(ctx, base+kind[0], o)
}

func (f filler) common(ctx context.Context) error {
	err := f.object(ctx, kinds[3], "default", nil, fields{"spec": fields{"backupTargetURL": "s3://backups@eu/", "pollInterval": "5m0s"},
		"status": fields{"available": true, "lastSyncedAt": f.now}})
	if err != nil {
		return err
	}
	return f.object(ctx, kinds[4], "nightly", nil, fields{"spec": fields{"name": "nightly", "task": "backup", "cron": "0 2 * * *", "groups": []string{"default"}}})
}

func (f filler) volume(ctx context.Context, name string) error {
	conditions := make([]fields, 6)
	for i := range conditions {
		conditions[i] = fields{"type": fmt.Sprintf("Condition%d", i), "status": "False", "message": "", "reason": "", "lastProbeTime": "", "lastTransitionTime": f.now}
	}
	spec := fields{"size": "21474836480", "frontend": "blockdev", "backupTargetName": "default", "fromBackup": "", "Standby": false}
	for i := range 35 {
		spec[fmt.Sprintf("someFieldOfLonghorn%d", i)] = "ignored"
	}
	labels := fields{"recurring-job-group.longhorn.io/default": "enabled", "longhornvolume": name, "setting.longhorn.io/replica-auto-balance": "ignored", "longhorn.io/backup-target": "default"}
	err := f.object(ctx, kinds[0], name, labels, fields{"spec": spec, "status": fields{"state": "attached", "robustness": "healthy", "conditions": conditions, "restoreRequired": false,
		"lastBackup": "backup-0", "lastBackupAt": f.now, "kubernetesStatus": fields{"pvName": name, "pvStatus": "Bound", "workloadsStatus": []fields{{"podName": "app-0", "podStatus": "Running"}}}}})
	if err != nil {
		return err
	}
	of := fields{"backup-volume": name, "backup-target": "default"}
	status := fields{"lastBackupName": "backup-0", "lastBackupAt": f.now, "lastSyncedAt": f.now, "dataStored": "10737418240", "size": "21474836480", "createdAt": f.now, "messages": nil,
		"labels": fields{"KubernetesStatus": `{"pvName":"` + name + `","pvStatus":"Bound","namespace":"bench-00","pvcName":"data","workloadsStatus":null}`}}
	if err := f.object(ctx, kinds[1], name+"-1a2b3c4d", of, fields{"spec": fields{"volumeName": name, "backupTargetName": "default"}, "status": status}); err != nil {
		return err
	}
	for i := range f.backups {
		backup := fmt.Sprintf("backup-%s-%d", name, i)
		err := f.object(ctx, kinds[2], backup, of, fields{"spec": fields{"snapshotName": backup, "backupMode": "incremental", "labels": fields{"RecurringJob": "nightly"}},
			"status": fields{"state": "Completed", "progress": 100, "error": "", "snapshotCreatedAt": f.now, "backupCreatedAt": f.now, "volumeName": name, "volumeSize": "21474836480", "size": "104857600",
				"url": "s3://backups@eu/?backup=" + backup + "&volume=" + name, "labels": status["labels"], "lastSyncedAt": f.now}})
		if err != nil {
			return err
		}
	}
	return nil
}
