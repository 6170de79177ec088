// Package bundle makes what runs a plan in a cluster by the clock: a CronJob, and the ConfigMaps that carry the plan and what it reads from the
// files beside it. It is pure: the same Spec gives the same bytes, and no server is asked.
package bundle

import (
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"

	"plan/internal/workload"
)

// MaxName is how long the name of a CronJob may be: those of its Jobs have eleven characters more.
const MaxName = 52

// What every object of a bundle carries. They have no label that says plan made them: whoever applies them does, and `plan jobs` and `plan
// runs` look for what a run has made.
const (
	labelApp = "app.kubernetes.io/name"
	app      = "plan"
	// LabelBundle has the CronJob's name; it also finds the ConfigMaps of earlier contents.
	LabelBundle = "plan/cronjob"
)

// Labels are those of all objects of a bundle but the Lease, which other bundles may have as well.
func Labels(name string) map[string]string {
	return map[string]string{labelApp: app, LabelBundle: name}
}

// Spec is a plan that is to run by the clock, and the pod in which it does. Paths are separated by slashes, and below the folder that the pod
// gets.
type Spec struct {
	Name, Namespace string // of the CronJob, and of its ServiceAccount
	Plan            string // the plan's name

	Schedule, TimeZone string // see CheckSchedule and CheckTimeZone
	Suspend            bool

	Image string
	File  string   // the plan: the path of one of Files
	Args  []string // of apply, behind the file
	Files []File
	Trees []Tree

	RunVariable string // gets the UID of the Job, which is the run's id
	Env         []Variable
	EnvFrom     []Reference
	HostFolders []string // folders of the node that are mounted; with any the pod runs as root on a node of the control plane

	Deadline time.Duration // of a Job with all its pods
	Lease    *Object       // what the plan's runs lock; nil: nothing
}

// File is one that the plan reads, or the plan itself.
type File struct {
	Path string
	Data []byte
}

// Tree is a packed directory.
type Tree struct {
	Path   string
	Digest string // of the parts, one after the other
	Parts  [][]byte
}

// Variable is one of the environment. The value reaches the program as it stands here.
type Variable struct{ Name, Value string }

// Reference is a ConfigMap or a Secret, all of whose keys become variables.
type Reference struct {
	Secret bool
	Name   string
}

// Object is an object's name.
type Object struct{ Namespace, Name string }

// Build makes the ConfigMaps, the Lease and the CronJob, in this order. All that is wrong with the Spec comes at once.
func Build(s *Spec) ([]runtime.Object, error) {
	if err := Check(s); err != nil {
		return nil, err
	}
	c, err := s.contents()
	if err != nil {
		return nil, err
	}
	var list []runtime.Object
	for _, m := range c.maps {
		list = append(list, m)
	}
	if s.Lease != nil {
		list = append(list, s.lease())
	}
	return append(list, s.cronJob(c)), nil
}

// Check finds all that is wrong with a Spec that has no files and trees yet.
func Check(s *Spec) error {
	problems := []error{CheckSchedule(s.Schedule), CheckTimeZone(s.TimeZone)}
	if bad := validation.IsDNS1123Label(s.Name); len(bad) > 0 {
		problems = append(problems, fmt.Errorf("name %q: %s", s.Name, bad[0]))
	}
	if len(s.Name) > MaxName {
		problems = append(problems, fmt.Errorf("name %q has %d characters: at most %d leave room for the names of the Jobs", s.Name, len(s.Name), MaxName))
	}
	if bad := validation.IsDNS1123Label(s.Namespace); len(bad) > 0 {
		problems = append(problems, fmt.Errorf("namespace %q: %s", s.Namespace, bad[0]))
	}
	return errors.Join(append(problems, s.checkEnvironment()...)...)
}

// meta is what all objects have.
func (s *Spec) meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name: name, Namespace: s.Namespace, Labels: Labels(s.Name), Annotations: map[string]string{workload.AnnotationPlan: s.Plan},
	}
}
