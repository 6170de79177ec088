package rigs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"plan/internal/bundle/bundletest"
)

// resources are where an API server takes objects of a kind that renderings and bundles have.
var resources = map[string]string{
	"ServiceAccount": "/api/v1/namespaces/%s/serviceaccounts", "ConfigMap": "/api/v1/namespaces/%s/configmaps", "Secret": "/api/v1/namespaces/%s/secrets",
	"Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/%s/roles", "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/%s/rolebindings",
	"ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles", "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
	"Lease": "/apis/coordination.k8s.io/v1/namespaces/%s/leases", "CronJob": "/apis/batch/v1/namespaces/%s/cronjobs",
	"Job": "/apis/batch/v1/namespaces/%s/jobs", "Deployment": "/apis/apps/v1/namespaces/%s/deployments", "Pod": "/api/v1/namespaces/%s/pods",
}

// admission asks an API server whether it would take objects, in a namespace of the level that they are made for.
type admission struct {
	*rig
	objects atomic.Int64
}

// takes wants the object, and a pod made from its template, admitted by a dry run that lets no field pass that it does not know.
func (a *admission) takes(ctx context.Context, item json.RawMessage, namespace string) error {
	var object map[string]any
	if err := json.Unmarshal(item, &object); err != nil {
		return err
	}
	kind, _ := object["kind"].(string)
	path, known := resources[kind]
	if !known {
		return fmt.Errorf("kind %q is not expected", kind)
	}
	meta, _ := object["metadata"].(map[string]any)
	if strings.Contains(path, "%s") {
		path, meta["namespace"] = fmt.Sprintf(path, namespace), namespace // its own is not there
	}
	err := a.ask(ctx, path, object)
	if template := templateOf(object); template != nil {
		spec := template["spec"].(map[string]any)
		spec["serviceAccountName"] = "default" // nor is its account
		err = errors.Join(err, a.ask(ctx, fmt.Sprintf(resources["Pod"], namespace), map[string]any{
			"apiVersion": "v1", "kind": "Pod", "spec": spec, "metadata": map[string]any{"name": "of-" + strings.ToLower(kind), "labels": template["metadata"].(map[string]any)["labels"]},
		}))
	}
	return err
}

func templateOf(object map[string]any) map[string]any {
	spec, _ := object["spec"].(map[string]any)
	if inner, ok := spec["jobTemplate"].(map[string]any); ok {
		spec, _ = inner["spec"].(map[string]any)
	}
	template, _ := spec["template"].(map[string]any)
	return template
}

func (a *admission) ask(ctx context.Context, path string, object map[string]any) error {
	body, err := json.Marshal(object)
	if err != nil {
		return err
	}
	a.objects.Add(1)
	err = a.kube.RESTClient().Post().AbsPath(path).Param("dryRun", "All").Param("fieldValidation", "Strict").SetHeader("Content-Type", "application/json").Body(body).Do(ctx).Error()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", path, err, body)
	}
	return nil
}

// bundleNamespaces are one that enforces Pod Security's restricted level, and one for the pod that reads a folder of its node.
func (r *rig) bundleNamespaces(ctx context.Context) (err error) {
	for name, level := range map[string]string{"bundles": "restricted", "bundles-host": "privileged"} {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"pod-security.kubernetes.io/enforce": level}}}
		_, made := r.kube.CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{})
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}
		_, _ = r.kube.CoreV1().ServiceAccounts(name).Create(ctx, account, metav1.CreateOptions{}) // the controller may have been quicker
		err = errors.Join(err, made)
	}
	return err
}

// TestGeneratedPlansAreAdmitted: whatever plan it is, an API server takes what `plan cronjob` and `plan render` make of it, and the pods made from
// the templates, where Pod Security enforces restricted. PLAN_RIG_BUNDLES is how many.
func TestGeneratedPlansAreAdmitted(t *testing.T) {
	r := theWorld(t)
	if err := r.bundleNamespaces(t.Context()); err != nil {
		t.Fatal(err)
	}
	begin, n, from := time.Now(), number(t, "PLAN_RIG_BUNDLES", 60), seed()
	a := &admission{rig: r}
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(workers())
	for i := range n {
		group.Go(func() error {
			if err := a.plan(ctx, filepath.Join(t.TempDir(), fmt.Sprint(i)), bundletest.Generate(rand.New(rand.NewPCG(from, uint64(i))))); err != nil {
				return fmt.Errorf("plan %d: %w", i, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	fmt.Printf("rig bundles: %d generated plans, %d objects and pods asked for, seed %d, %.0f s\n", n, a.objects.Load(), from, time.Since(begin).Seconds())
}

// plan asks for all objects of one.
func (a *admission) plan(ctx context.Context, dir string, c bundletest.Case) error {
	home := filepath.Join(dir, "a", "b", "c") // files may lie above the plan
	cmd, err := a.command(home)
	if err != nil {
		return err
	}
	for name, text := range c.Files {
		file := filepath.Join(home, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
			return err
		}
	}
	file, err := cmd.write("plan.yaml", string(c.Plan))
	if err != nil {
		return err
	}
	namespace := "bundles"
	if c.Host {
		namespace = "bundles-host"
	}
	var faults []error
	for _, args := range [][]string{append([]string{"cronjob", file, "-o", "json"}, c.Flags...), {"render", file, "-o", "json", "-n", "work"}} {
		got, err := cmd.must(0, args...)
		if err != nil {
			return fmt.Errorf("%w\nof the plan\n%s", err, c.Plan)
		}
		var list bundletest.List
		if err := json.Unmarshal([]byte(got.stdout), &list); err != nil {
			return err
		}
		for _, item := range list.Items {
			faults = append(faults, a.takes(ctx, item, namespace))
		}
	}
	return errors.Join(faults...)
}
