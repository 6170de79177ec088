// Package workload makes the Kubernetes objects of a piece of work: a Job or a Deployment, the ConfigMaps that carry its source and the
// Secrets that hold its values. It is pure: the same Spec gives the same bytes, and no server is asked.
package workload

import (
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

// What every object of ours carries.
const (
	ManagedBy = "app.kubernetes.io/managed-by"
	Manager   = "plan"

	LabelRun      = "plan/run"
	LabelStep     = "plan/step"
	LabelAttempt  = "plan/attempt"
	LabelInstance = "plan/instance" // 8 hex digits of the matrix values
	LabelSource   = "plan/source"   // directory, git, dockerfile or image
	LabelSecret   = "plan/secret"   // on a Secret: its name in the plan

	AnnotationHash     = "plan/spec-hash"     // of what was sent, without owners and the data of Secrets
	AnnotationInstance = "plan/instance"      // the matrix values in full
	AnnotationPlan     = "plan/plan"          // the plan's name
	AnnotationSource   = "plan/source-digest" // of the packed source
	AnnotationCommit   = "plan/commit"        // the git commit
	AnnotationBaseline = "plan/security"      // where it is not restricted
	AnnotationRedacted = "plan/redacted"      // on a rendered Secret: its data is not shown

	LabelQueue = "kueue.x-k8s.io/queue-name"

	MainContainer = "main"
)

// Where things are in a pod.
const (
	Workspace  = "/workspace"
	secretsDir = "/plan/secrets"
	sourceDir  = "/plan/source"
	outputPath = corev1.TerminationMessagePathDefault
)

// Spec is a piece of work, decided in every detail.
type Spec struct {
	Name, Namespace     string            // of the Job or Deployment; at most 52 characters, for the pods of an Indexed Job need room
	Labels, Annotations map[string]string // of every object; those above but for the hash

	Image   string
	Command []string // none: the image's entrypoint
	Args    []string
	Shell   bool // Command is one script for /bin/sh -c

	Env       []Variable
	Secrets   []Secret
	Borrowed  *Borrowed // secrets of another job
	Source    *Source   // nil: the image has everything
	Volumes   []Volume
	Resources Resources
	Pod       Pod

	Deployment           bool
	Parallelism          int32 // of a Deployment: replicas
	Completions          int32
	BackoffLimit         *int32
	BackoffLimitPerIndex *int32
	PodFailurePolicy     *batchv1.PodFailurePolicy
	Deadline             time.Duration // activeDeadlineSeconds; 0: none
	TTL                  time.Duration // after the end; negative: kept for good
	Detached             bool          // nobody waits for the end, so the TTL counts from creation
	Queue                string        // of Kueue, which starts the Job
}

// Pod is what the pod's template takes as it is.
type Pod struct {
	Security           string // restricted or baseline
	RunAsUser          int64
	NodeSelector       map[string]string
	Tolerations        []corev1.Toleration
	Affinity           *corev1.Affinity
	ServiceAccountName string
	ImagePullSecrets   []string
	PriorityClassName  string
	Template           map[string]any // a strategic merge patch over the whole template
}

// Source is what an init container puts into the workspace before the work begins.
type Source struct {
	Helper  string   // its image: any with sh and tar, or with git
	Digest  string   // of the archive
	Parts   [][]byte // of the archive, a gzip'ed tar, each in a ConfigMap of its own; nil where it is carried otherwise
	Startup bool     // k8s-startup.sh runs before the command
	InImage bool     // the image has the files already
	Git     *Git     // cloned in the pod
	Unknown string   // of a rendering: why the parts cannot be known yet
}

// Git is a commit that the pod fetches itself.
type Git struct {
	URL, Commit, Path string
	Credentials       map[string]string // files of a Secret: username, password, ssh-key, known-hosts, ca.crt; nil: none
}

// Variable is an environment variable of the main container.
type Variable struct {
	Name  string
	Value string
	Made  bool // the value is a secret: it goes into a Secret that is made
}

// Secret is mounted as files below /plan/secrets/<name>/ and given as variables.
type Secret struct {
	Name     string
	Existing bool              // a Secret of the cluster of that name, else one is made
	Data     map[string]string // of one that is made
	Env      map[string]string // variable → key; nil: <NAME>_<KEY> for each key
}

// Volume is a volume and where it is mounted in the main container.
type Volume struct {
	Mount  corev1.VolumeMount
	Source corev1.VolumeSource
}

// Borrowed is what the pods of another job get of Secrets, and of nothing else.
type Borrowed struct {
	Volumes []corev1.Volume
	Mounts  []corev1.VolumeMount
	Env     []corev1.EnvVar
	EnvFrom []corev1.EnvFromSource
}

// Objects are what a Spec comes to: exactly one of Job and Deployment, stopped. ConfigMaps and Secrets are immutable and belong to it once it is
// there: give them its UID with Own.
type Objects struct {
	Job        *batchv1.Job
	Deployment *appsv1.Deployment
	ConfigMaps []*corev1.ConfigMap
	Secrets    []*corev1.Secret

	Replicas int32  // what starts a Deployment
	Queue    string // what starts a Job, instead of suspend: false
	Hash     string // of the Job or Deployment
}
