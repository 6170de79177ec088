// Package runjob runs a Job or a Deployment: work from a directory, a git repository, a Dockerfile or an image.
package runjob

import (
	_ "embed"
	"time"

	"plan/internal/secrets"
	"plan/internal/workload"
	"plan/steps"
)

//go:embed schema.json
var schema []byte

//go:embed README.md
var doc string

// Kind describes the kind.
func Kind() steps.Kind {
	return steps.Kind{
		Name:   "run-job",
		Schema: schema,
		Doc:    doc,
		Outputs: []steps.Output{
			{Name: "jobName", Type: steps.String, Doc: "name of the Job or Deployment"},
			{Name: "uid", Type: steps.String, Doc: "its metadata.uid"},
			{Name: "imageDigest", Type: steps.String, Doc: "what the image was when it ran, sha256:…; empty with detach"},
			{Name: "commit", Type: steps.String, Doc: "the git commit; empty for other sources"},
			{Name: "exitCodes", Type: steps.List, Doc: "exit codes of the main containers, by index"},
			{Name: "pods", Type: steps.Integer, Doc: "how many pods were made, replaced ones counted"},
		},
		New:       func() steps.Action { return defaults() },
		Declares:  declares,
		Settle:    settle,
		Once:      once,
		Early:     early,
		Attempts:  1,
		Timeout:   time.Hour,
		ExitCodes: true,
	}
}

// Action is the step's with.
type Action struct {
	Name      string `yaml:"name"`
	Namespace string `yaml:"namespace"`
	Source    Source `yaml:"source"`

	Image   string                 `yaml:"image"`
	Command []string               `yaml:"command"`
	Args    []string               `yaml:"args"`
	Shell   bool                   `yaml:"shell"`
	Env     map[string]steps.Value `yaml:"env"`

	Secrets   []Secret          `yaml:"secrets"`
	SecretsOf string            `yaml:"secretsOf"`
	Outputs   map[string]string `yaml:"outputs"`

	Workload             string         `yaml:"workload"`
	Parallelism          int            `yaml:"parallelism"`
	Completions          *int           `yaml:"completions"`
	BackoffLimit         *int           `yaml:"backoffLimit"`
	BackoffLimitPerIndex *int           `yaml:"backoffLimitPerIndex"`
	PodFailurePolicy     map[string]any `yaml:"podFailurePolicy"`
	Resources            Resources      `yaml:"resources"`

	TTL          steps.Dur `yaml:"ttl"`
	StartTimeout steps.Dur `yaml:"startTimeout"`
	OnCancel     string    `yaml:"onCancel"`
	Security     string    `yaml:"security"`
	RunAsUser    int64     `yaml:"runAsUser"`
	HelperImage  string    `yaml:"helperImage"`
	Queue        string    `yaml:"queue"`
	Replace      bool      `yaml:"replace"`
	Detach       bool      `yaml:"detach"`

	Volumes            []map[string]any  `yaml:"volumes"`
	NodeSelector       map[string]string `yaml:"nodeSelector"`
	Tolerations        []map[string]any  `yaml:"tolerations"`
	Affinity           map[string]any    `yaml:"affinity"`
	ServiceAccountName string            `yaml:"serviceAccountName"`
	ImagePullSecrets   []string          `yaml:"imagePullSecrets"`
	PriorityClassName  string            `yaml:"priorityClassName"`
	PodTemplate        map[string]any    `yaml:"podTemplate"`
}

// Source is where the work comes from: at most one of them.
type Source struct {
	Directory  *Directory  `yaml:"directory"`
	Git        *Git        `yaml:"git"`
	Dockerfile *Dockerfile `yaml:"dockerfile"`
	Image      string      `yaml:"image"`
}

// Directory is packed and put into the workspace.
type Directory struct {
	Path      string   `yaml:"path"`
	Include   []string `yaml:"include"`
	Exclude   []string `yaml:"exclude"`
	Transport string   `yaml:"transport"`
	Push      string   `yaml:"push"`
}

// Git is a commit of a repository that is put into the workspace.
type Git struct {
	URL         string      `yaml:"url"`
	Ref         string      `yaml:"ref"`
	Path        string      `yaml:"path"`
	Credentials Credentials `yaml:"credentials"`
	Fetch       string      `yaml:"fetch"`
	CAFile      string      `yaml:"caFile"`
	Insecure    bool        `yaml:"insecure"`
	Transport   string      `yaml:"transport"`
	Push        string      `yaml:"push"`
}

// Credentials are those of a git server.
type Credentials struct {
	Username   steps.Value  `yaml:"username"`
	Password   steps.Secret `yaml:"password"`
	SSHKey     steps.Secret `yaml:"sshKey"`
	Passphrase steps.Secret `yaml:"passphrase"`
	KnownHosts steps.Value  `yaml:"knownHosts"`
}

// Dockerfile is built, pushed and run.
type Dockerfile struct {
	Path    string            `yaml:"path"`
	Context string            `yaml:"context"`
	Target  string            `yaml:"target"`
	Args    map[string]string `yaml:"args"`
	Push    string            `yaml:"push"`
	Builder string            `yaml:"builder"`
}

// Secret is mounted and given as variables.
type Secret struct {
	Name     string                    `yaml:"name"`
	From     map[string]secrets.Source `yaml:"from"`
	Existing string                    `yaml:"existing"`
	Env      map[string]string         `yaml:"env"`
}

// Resources are request and limit in one value, or request-limit.
type Resources struct {
	CPU    string `yaml:"cpu"`
	Memory string `yaml:"memory"`
}

// The images that pods use where nothing else is said.
const (
	defaultImage  = "docker.io/library/alpine:3.22"
	defaultHelper = "docker.io/library/busybox:1.37"
	defaultGit    = "docker.io/alpine/git:2.49.1"
)

// The words of enumerated fields.
const (
	transportAuto, transportConfigMap, transportImage = "auto", "configmap", "image"
	fetchPlan, fetchPod                               = "plan", "pod"
	workloadJob, workloadDeployment                   = "job", "deployment"
	cancelDelete, cancelKeep                          = "delete", "keep"
)

func defaults() *Action {
	return &Action{
		Workload: workloadJob, Parallelism: 1, TTL: steps.Dur(time.Hour), StartTimeout: steps.Dur(5 * time.Minute), OnCancel: cancelDelete,
		Security: workload.Restricted, RunAsUser: 65532,
	}
}

// once is what a name of its own forbids: a second attempt, and a matrix, would meet under it.
func once(with map[string]any) string {
	if name, _ := with["name"].(string); name != "" {
		return "name"
	}
	return ""
}

// completions are the pods that have to succeed.
func (a *Action) completions() int {
	if a.Completions != nil {
		return *a.Completions
	}
	return a.Parallelism
}

func (a *Action) deployment() bool { return a.Workload == workloadDeployment }

func (a *Action) namespace(scope steps.Scope) string {
	if a.Namespace != "" {
		return a.Namespace
	}
	return scope.Namespace
}

func (a *Action) objectName(scope steps.Scope) string {
	if a.Name != "" {
		return a.Name
	}
	return scope.ObjectName()
}
