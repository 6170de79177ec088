package bundletest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"plan/internal/workload"
)

// List is the bundle as `plan cronjob -o json` prints it.
type List struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Items      []json.RawMessage `json:"items"`
}

// pathSegment is what RBAC asks of a name: that it can stand in a path (rbac/validation of kube-apiserver).
func pathSegment(name string, _ bool) []string {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/%") {
		return []string{"it cannot stand in a path"}
	}
	return nil
}

// rule is how an API server names objects of a kind.
type rule struct {
	object  func() metav1.Object
	name    validation.ValidateNameFunc
	cluster bool // it has no namespace
}

var rules = map[string]rule{
	"ServiceAccount":     {func() metav1.Object { return &corev1.ServiceAccount{} }, validation.ValidateServiceAccountName, false},
	"ConfigMap":          {func() metav1.Object { return &corev1.ConfigMap{} }, validation.NameIsDNSSubdomain, false},
	"Role":               {func() metav1.Object { return &rbacv1.Role{} }, pathSegment, false},
	"RoleBinding":        {func() metav1.Object { return &rbacv1.RoleBinding{} }, pathSegment, false},
	"ClusterRole":        {func() metav1.Object { return &rbacv1.ClusterRole{} }, pathSegment, true},
	"ClusterRoleBinding": {func() metav1.Object { return &rbacv1.ClusterRoleBinding{} }, pathSegment, true},
	"Lease":              {func() metav1.Object { return &coordinationv1.Lease{} }, validation.NameIsDNSSubdomain, false},
	"CronJob":            {func() metav1.Object { return &batchv1.CronJob{} }, validation.NameIsDNSSubdomain, false},
}

// noted is how much kubectl can note of an object in an annotation, with room for others.
const noted = 256<<10 - 1000

// Check reads a bundle strictly and holds it against what an API server asks of names, labels and annotations, Pod Security of its pods, and
// kubectl of its size. host: the pod reads a folder of its node.
func Check(data []byte, host bool) error {
	var list List
	if err := workload.Strict("the bundle", json.RawMessage(data), &list); err != nil {
		return err
	}
	var problems []error
	seen, maps := map[string]bool{}, map[string]*corev1.ConfigMap{}
	var clock *batchv1.CronJob
	for _, item := range list.Items {
		object, err := read(item)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		who := fmt.Sprintf("%T %s/%s", object, object.GetNamespace(), object.GetName())
		if seen[who] {
			problems = append(problems, fmt.Errorf("%s is there twice", who))
		}
		seen[who] = true
		switch o := object.(type) {
		case *corev1.ConfigMap:
			maps[o.Name] = o
		case *batchv1.CronJob:
			clock = o
		}
	}
	if clock == nil {
		return errors.Join(append(problems, errors.New("there is no CronJob"))...)
	}
	return errors.Join(append(problems, checkClock(clock, maps, host)...)...)
}

func read(item json.RawMessage) (metav1.Object, error) {
	var kind metav1.TypeMeta
	if err := json.Unmarshal(item, &kind); err != nil {
		return nil, err
	}
	r, known := rules[kind.Kind]
	if !known {
		return nil, fmt.Errorf("a bundle has no %q", kind.Kind)
	}
	object := r.object()
	if err := workload.Strict(kind.Kind, item, object); err != nil {
		return nil, err
	}
	who := field.NewPath(kind.Kind + " " + object.GetName())
	faults := metavalidation.ValidateLabels(object.GetLabels(), who.Child("labels"))
	faults = append(faults, validation.ValidateAnnotations(object.GetAnnotations(), who.Child("annotations"))...)
	for _, fault := range r.name(object.GetName(), false) {
		faults = append(faults, field.Invalid(who, object.GetName(), fault))
	}
	if !r.cluster {
		for _, fault := range validation.ValidateNamespaceName(object.GetNamespace(), false) {
			faults = append(faults, field.Invalid(who.Child("namespace"), object.GetNamespace(), fault))
		}
	}
	if r.cluster && object.GetNamespace() != "" {
		faults = append(faults, field.Forbidden(who.Child("namespace"), "it has none"))
	}
	if len(item) > noted {
		faults = append(faults, field.TooLong(who, "", noted))
	}
	return object, faults.ToAggregate()
}

// checkClock looks at the CronJob, and whether its pod finds the ConfigMaps.
func checkClock(c *batchv1.CronJob, maps map[string]*corev1.ConfigMap, host bool) (problems []error) {
	if len(c.Name) > 52 {
		problems = append(problems, fmt.Errorf("cronjob %s has %d characters", c.Name, len(c.Name)))
	}
	template := c.Spec.JobTemplate.Spec.Template
	level := workload.Restricted
	if host {
		level = "privileged"
	}
	if err := workload.CheckSecurity(level, &template); err != nil {
		problems = append(problems, err)
	}
	for _, label := range []string{workload.ManagedBy, workload.LabelRun} {
		if c.Spec.JobTemplate.Labels[label] != "" || template.Labels[label] != "" {
			problems = append(problems, fmt.Errorf("its Jobs have the label %s of those that a run makes", label))
		}
	}
	faults := metavalidation.ValidateLabels(template.Labels, field.NewPath("template"))
	for _, v := range template.Spec.Volumes {
		problems = append(problems, checkVolume(v, maps)...)
	}
	used := map[string]bool{}
	for _, v := range template.Spec.Volumes {
		for _, name := range configMapsOf(v) {
			used[name] = true
		}
	}
	for name := range maps {
		if !used[name] {
			problems = append(problems, fmt.Errorf("nothing mounts configmap %s", name))
		}
	}
	if err := faults.ToAggregate(); err != nil {
		problems = append(problems, err)
	}
	return problems
}

func configMapsOf(v corev1.Volume) (names []string) {
	if v.ConfigMap != nil {
		names = append(names, v.ConfigMap.Name)
	}
	if v.Projected != nil {
		for _, s := range v.Projected.Sources {
			names = append(names, s.ConfigMap.Name)
		}
	}
	return names
}

// checkVolume wants its ConfigMaps to be in the bundle, and their keys where files can be.
func checkVolume(v corev1.Volume, maps map[string]*corev1.ConfigMap) (problems []error) {
	keys := map[string]bool{}
	for _, name := range configMapsOf(v) {
		m := maps[name]
		if m == nil || m.Immutable == nil || !*m.Immutable {
			problems = append(problems, fmt.Errorf("volume %s: there is no immutable configmap %s", v.Name, name))
			continue
		}
		for key := range m.Data {
			problems = append(problems, taken(keys, key))
		}
		for key := range m.BinaryData {
			problems = append(problems, taken(keys, key))
		}
	}
	if v.ConfigMap == nil {
		return problems
	}
	for _, item := range v.ConfigMap.Items {
		if !keys[item.Key] || strings.HasPrefix(item.Path, "..") || strings.HasPrefix(item.Path, "/") || strings.Contains("/"+item.Path+"/", "/../") {
			problems = append(problems, fmt.Errorf("volume %s: item %+v", v.Name, item))
		}
	}
	return problems
}

func taken(keys map[string]bool, key string) error {
	if keys[key] {
		return fmt.Errorf("the key %s is there twice", key)
	}
	keys[key] = true
	return nil
}
