package workload

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
)

// MaxName is how long the name of a Job or Deployment may be.
const MaxName = 52

// Build makes the objects of s. All that is wrong with it comes at once.
func Build(s *Spec) (*Objects, error) {
	err := errors.Join(checkName(s.Name), checkCommand(s), CheckNames(s))
	template, templateErr := s.template()
	if err = errors.Join(err, templateErr); err != nil {
		return nil, err
	}
	o := &Objects{ConfigMaps: s.configMaps(), Secrets: s.made(), Replicas: s.Parallelism, Queue: s.Queue}
	meta := s.meta(s.Name)
	if s.Deployment {
		o.Deployment = &appsv1.Deployment{TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"}, ObjectMeta: meta}
		o.Deployment.Spec = appsv1.DeploymentSpec{Replicas: new(int32), Selector: &metav1.LabelSelector{MatchLabels: Selector(s.Labels)}, Template: template}
		o.Hash, err = hashInto(o.Deployment, &o.Deployment.ObjectMeta)
		return o, err
	}
	o.Job = &batchv1.Job{TypeMeta: metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"}, ObjectMeta: meta, Spec: s.job(template)}
	o.Hash, err = hashInto(o.Job, &o.Job.ObjectMeta)
	return o, err
}

func checkName(name string) error {
	if problems := validation.IsDNS1123Label(name); len(problems) > 0 {
		return fmt.Errorf("name %q: %s", name, problems[0])
	}
	if len(name) > MaxName {
		return fmt.Errorf("name %q has %d characters: at most %d leave room for the names of its pods", name, len(name), MaxName)
	}
	return nil
}

// meta is what all objects have.
func (s *Spec) meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: s.Namespace, Labels: maps.Clone(s.Labels), Annotations: maps.Clone(s.Annotations)}
}

// Selector is what of the labels tells the pods of a Deployment from all others.
func Selector(labels map[string]string) map[string]string {
	selector := map[string]string{}
	for _, label := range []string{ManagedBy, LabelRun, LabelStep, LabelAttempt, LabelInstance} {
		if value, ok := labels[label]; ok {
			selector[label] = value
		}
	}
	return selector
}

func (s *Spec) job(template corev1.PodTemplateSpec) batchv1.JobSpec {
	job := batchv1.JobSpec{
		Parallelism: &s.Parallelism, Completions: &s.Completions, CompletionMode: new(batchv1.IndexedCompletion),
		BackoffLimit: s.BackoffLimit, BackoffLimitPerIndex: s.BackoffLimitPerIndex, PodFailurePolicy: s.PodFailurePolicy,
		PodReplacementPolicy: new(batchv1.Failed), // a pod is replaced once it has ended, so that two never work on one index
		Suspend:              new(true),
		Template:             template,
	}
	if s.Deadline > 0 {
		job.ActiveDeadlineSeconds = new(seconds(s.Deadline))
	}
	if s.Detached && s.TTL >= 0 {
		job.TTLSecondsAfterFinished = new(int32(seconds(s.TTL)))
	}
	return job
}

// seconds rounds up: nothing ends before its time.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

// hashInto hashes an object as it is and notes the hash on it.
func hashInto(object any, meta *metav1.ObjectMeta) (string, error) {
	data, err := json.Marshal(object)
	if err != nil {
		return "", fmt.Errorf("encode %s: %w", meta.Name, err)
	}
	sum := sha256.Sum256(data)
	hash := hex.EncodeToString(sum[:])
	if meta.Annotations == nil {
		meta.Annotations = map[string]string{}
	}
	meta.Annotations[AnnotationHash] = hash
	return hash, nil
}

// Own makes the Job or Deployment of that UID the owner of the other objects, which go when it goes.
func (o *Objects) Own(uid string) {
	owner := metav1.OwnerReference{APIVersion: "batch/v1", Kind: "Job", UID: types.UID(uid)}
	if o.Job != nil {
		owner.Name = o.Job.Name
	} else {
		owner.APIVersion, owner.Kind, owner.Name = "apps/v1", "Deployment", o.Deployment.Name
	}
	for _, m := range o.ConfigMaps {
		m.OwnerReferences = []metav1.OwnerReference{owner}
	}
	for _, s := range o.Secrets {
		s.OwnerReferences = []metav1.OwnerReference{owner}
	}
}

// configMaps carry the parts of the source.
func (s *Spec) configMaps() (list []*corev1.ConfigMap) {
	if s.Source == nil {
		return nil
	}
	add := func(i int, fill func(*corev1.ConfigMap)) {
		m := &corev1.ConfigMap{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, ObjectMeta: s.meta(s.partName(i)), Immutable: new(true)}
		fill(m)
		list = append(list, m)
	}
	if s.Source.Unknown != "" {
		add(0, func(m *corev1.ConfigMap) { m.Data = map[string]string{partKey(0): s.Source.Unknown} })
	}
	for i, part := range s.Source.Parts {
		add(i, func(m *corev1.ConfigMap) { m.BinaryData = map[string][]byte{partKey(i): part} })
	}
	return list
}

func (s *Spec) partName(i int) string { return s.Name + "-source-" + strconv.Itoa(i) }

// partKey sorts as the parts follow one another.
func partKey(i int) string { return fmt.Sprintf("part-%04d", i) }

// made are the Secrets that hold values from outside.
func (s *Spec) made() (list []*corev1.Secret) {
	add := func(name, label string, data map[string]string) {
		m := &corev1.Secret{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}, ObjectMeta: s.meta(name), Immutable: new(true), Type: corev1.SecretTypeOpaque}
		if label != "" {
			if m.Labels == nil {
				m.Labels = map[string]string{}
			}
			m.Labels[LabelSecret] = label
		}
		m.Data = map[string][]byte{}
		for key, value := range data {
			m.Data[key] = []byte(value)
		}
		list = append(list, m)
	}
	variables := map[string]string{}
	for _, v := range s.Env {
		if v.Made {
			variables[v.Name] = v.Value
		}
	}
	if len(variables) > 0 {
		add(s.envSecret(), "", variables)
	}
	for _, secret := range s.Secrets {
		if !secret.Existing {
			add(s.secretName(secret), secret.Name, secret.Data)
		}
	}
	if s.Source != nil && s.Source.Git != nil && s.Source.Git.Credentials != nil {
		add(s.gitSecret(), "", s.Source.Git.Credentials)
	}
	return list
}

func (s *Spec) envSecret() string { return s.Name + "-env" }
func (s *Spec) gitSecret() string { return s.Name + "-git" }

func (s *Spec) secretName(secret Secret) string {
	if secret.Existing {
		return secret.Name
	}
	return s.Name + "-secret-" + secret.Name
}

// Redact takes the values out of the Secrets and says so on them, for whoever only looks.
func (o *Objects) Redact() {
	for _, s := range o.Secrets {
		keys := slices.Sorted(maps.Keys(s.Data))
		s.Data = nil
		if s.Annotations == nil {
			s.Annotations = map[string]string{}
		}
		s.Annotations[AnnotationRedacted] = fmt.Sprint(keys)
	}
}

// Start makes the workload one that works as soon as it is there, or as its queue lets it.
func (o *Objects) Start() {
	switch {
	case o.Deployment != nil:
		o.Deployment.Spec.Replicas = &o.Replicas
	case o.Queue != "":
		o.Job.Labels[LabelQueue] = o.Queue
	default:
		o.Job.Spec.Suspend = new(false)
	}
}

// Release makes the objects ones that somebody else creates and that work then: plan does not take them for its own, and the Secrets can
// be filled in at any time.
func (o *Objects) Release() {
	o.Start()
	for _, s := range o.Secrets {
		s.Immutable = nil
	}
	if o.Deployment != nil {
		delete(o.Deployment.Annotations, AnnotationHash)
	} else {
		delete(o.Job.Annotations, AnnotationHash)
	}
}

// SecretNames are the names of the Secrets that Build makes of s.
func (s *Spec) SecretNames() (names []string) {
	for _, m := range s.made() {
		names = append(names, m.Name)
	}
	return names
}
