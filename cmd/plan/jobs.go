package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"plan/engine"
	"plan/internal/kube"
	"plan/internal/printable"
	"plan/internal/report"
	"plan/internal/workload"
)

// JobsCmd manages the Jobs and Deployments that plan has created.
type JobsCmd struct {
	Ls   JobsLsCmd   `cmd:"" default:"withargs" help:"List them. It is what plan jobs does by itself."`
	Logs JobsLogsCmd `cmd:"" help:"Show the logs of the pods of one."`
	Rm   JobsRmCmd   `cmd:"" help:"Remove some, with their pods, ConfigMaps and Secrets."`
}

// JobsLsCmd lists the Jobs and Deployments that plan has created.
type JobsLsCmd struct {
	AllNamespaces bool `short:"A" help:"In all namespaces."`
	ClusterFlags
	OutputFlag
}

// made is a Job or a Deployment that plan has created.
type made struct {
	Kind      string    `json:"kind"` // job or deployment
	Namespace string    `json:"namespace"`
	Name      string    `json:"name"`
	Run       string    `json:"run"`
	Step      string    `json:"step"` // with its instance, as report[region=eu]
	Attempt   string    `json:"attempt"`
	Plan      string    `json:"plan,omitempty"`
	Source    string    `json:"source"`
	Desired   int32     `json:"desired"`
	Running   int32     `json:"running"`
	Complete  int32     `json:"complete"`
	Failed    int32     `json:"failed"`
	Created   time.Time `json:"created"`
	Status    string    `json:"status"`
	UID       string    `json:"uid"`

	labels map[string]string
	pod    corev1.PodSpec
}

// Run is `plan jobs`.
func (c *JobsLsCmd) Run(a *app) error {
	signals := watchSignals()
	defer signals.stop()
	client, err := c.client(a)
	if err != nil {
		return err
	}
	namespace := client.Namespace()
	if c.AllNamespaces {
		namespace = ""
	}
	list, err := listMade(signals.ctx, client, namespace)
	if err != nil {
		return signals.instead(err)
	}
	if c.Output != "text" {
		return report.WriteJSON(a.maskedJSON(), struct {
			SchemaVersion int    `json:"schemaVersion"`
			Kind          string `json:"kind"`
			Jobs          []made `json:"jobs"`
		}{report.SchemaVersion, "Jobs", list})
	}
	return c.print(a, list)
}

func (c *JobsLsCmd) print(a *app, list []made) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	head := "NAME\tRUN/STEP\tSOURCE\tDESIRED\tRUNNING\tCOMPLETE\tFAILED\tAGE\tSTATUS"
	if c.AllNamespaces {
		head = "NAMESPACE\t" + head
	}
	fmt.Fprintln(w, head)
	for _, m := range list {
		if c.AllNamespaces {
			fmt.Fprintf(w, "%s\t", printable.String(m.Namespace))
		}
		complete, failed := fmt.Sprint(m.Complete), fmt.Sprint(m.Failed)
		if m.Kind == "deployment" {
			complete, failed = "-", "-"
		}
		age := strings.TrimSpace(humanize.RelTime(m.Created, time.Now(), "", ""))
		fmt.Fprintf(w, "%s\t%s/%s\t%s\t%d\t%d\t%s\t%s\t%s\t%s\n", printable.String(m.Name), printable.String(m.Run), printable.String(m.Step), dash(m.Source),
			m.Desired, m.Running, complete, failed, age, printable.String(m.Status))
	}
	return w.Flush()
}

// what names it in messages.
func (m *made) what() string { return m.Kind + " " + m.Namespace + "/" + m.Name }

// pods are its pods. A Job's controller puts its UID on them.
func (m *made) pods() kube.Resource {
	selector := "batch.kubernetes.io/controller-uid=" + m.UID
	if m.Kind == "deployment" {
		selector = labels.Set(workload.Selector(m.labels)).String()
	}
	return kube.Resource{Version: "v1", Resource: "pods", Namespace: m.Namespace, Selector: selector}
}

func batchJobs(namespace string) kube.Resource {
	return kube.Resource{Group: "batch", Version: "v1", Resource: "jobs", Namespace: namespace, Selector: workload.ManagedBy + "=" + workload.Manager}
}

func deployments(namespace string) kube.Resource {
	return kube.Resource{Group: "apps", Version: "v1", Resource: "deployments", Namespace: namespace, Selector: workload.ManagedBy + "=" + workload.Manager}
}

// listMade lists what plan has created, the newest first. An empty namespace is all of them.
func listMade(ctx context.Context, client *kube.Client, namespace string) ([]made, error) {
	list := []made{}
	for _, r := range []kube.Resource{batchJobs(namespace), deployments(namespace)} {
		for page, err := range client.List(ctx, r, 0) {
			if err != nil {
				return nil, err
			}
			for _, item := range page.Items {
				m, ok, err := readMade(r.Resource, item)
				if err != nil {
					return nil, err
				}
				if ok {
					list = append(list, m)
				}
			}
		}
	}
	slices.SortFunc(list, func(a, b made) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), b.Created.Compare(a.Created), strings.Compare(a.Name, b.Name), strings.Compare(a.Kind, b.Kind))
	})
	return list, nil
}

// readMade reads a Job or a Deployment; not ok is one that plan has not created.
func readMade(resource string, item json.RawMessage) (m made, ok bool, err error) {
	if resource == "deployments" {
		var d appsv1.Deployment
		if err := json.Unmarshal(item, &d); err != nil {
			return m, false, fmt.Errorf("read a deployment: %w", err)
		}
		m, ok = madeOf("deployment", d.ObjectMeta)
		m.pod = d.Spec.Template.Spec
		m.ofDeployment(&d)
		return m, ok, nil
	}
	var j batchv1.Job
	if err := json.Unmarshal(item, &j); err != nil {
		return m, false, fmt.Errorf("read a job: %w", err)
	}
	m, ok = madeOf("job", j.ObjectMeta)
	m.pod = j.Spec.Template.Spec
	m.ofJob(&j)
	return m, ok, nil
}

// madeOf reads labels and annotations. Those of plan are on what it has created: the label of the manager alone proves nothing.
func madeOf(kind string, o metav1.ObjectMeta) (made, bool) {
	m := made{
		Kind: kind, Namespace: o.Namespace, Name: o.Name, UID: string(o.UID), Created: o.CreationTimestamp.Time, labels: o.Labels,
		Run: o.Labels[workload.LabelRun], Attempt: o.Labels[workload.LabelAttempt], Source: o.Labels[workload.LabelSource],
		Step: engine.InstanceID(o.Labels[workload.LabelStep], o.Annotations[workload.AnnotationInstance]), Plan: o.Annotations[workload.AnnotationPlan],
	}
	if o.DeletionTimestamp != nil {
		m.Status = "Deleting"
	}
	return m, o.Labels[workload.ManagedBy] == workload.Manager && m.Run != "" && o.Annotations[workload.AnnotationHash] != ""
}

func (m *made) ofJob(j *batchv1.Job) {
	m.Desired = 1
	if j.Spec.Completions != nil {
		m.Desired = *j.Spec.Completions
	}
	m.Running, m.Complete, m.Failed = j.Status.Active, j.Status.Succeeded, j.Status.Failed
	status := "Pending"
	switch {
	case j.Spec.Suspend != nil && *j.Spec.Suspend && m.labels[workload.LabelQueue] != "":
		status = "Queued"
	case j.Spec.Suspend != nil && *j.Spec.Suspend:
		status = "Stopped"
	case j.Status.Ready != nil && *j.Status.Ready > 0:
		status = "Running"
	case j.Status.Active > 0:
		status = "Starting"
	}
	for _, c := range j.Status.Conditions {
		if (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) && c.Status == corev1.ConditionTrue {
			status = string(c.Type)
			if c.Type == batchv1.JobFailed && c.Reason != "" {
				status += " (" + c.Reason + ")"
			}
		}
	}
	m.Status = cmp.Or(m.Status, status)
}

func (m *made) ofDeployment(d *appsv1.Deployment) {
	if d.Spec.Replicas != nil {
		m.Desired = *d.Spec.Replicas
	}
	m.Running = d.Status.ReadyReplicas
	status := "Starting"
	switch {
	case m.Desired == 0:
		status = "Stopped"
	case d.Status.AvailableReplicas >= m.Desired && d.Status.UpdatedReplicas >= m.Desired:
		status = "Available"
	}
	for _, c := range d.Status.Conditions {
		if c.Type == appsv1.DeploymentProgressing && c.Reason == "ProgressDeadlineExceeded" {
			status = "Failed (" + c.Reason + ")"
		}
	}
	m.Status = cmp.Or(m.Status, status)
}

// findMade finds what a word means: a name, the unique beginning of one, or RUN/STEP.
func findMade(list []made, word, namespace string) (made, error) {
	run, step, pair := strings.Cut(word, "/")
	for _, fits := range []func(made) bool{
		func(m made) bool { return m.Name == word || pair && m.Run == run && m.Step == step },
		func(m made) bool {
			return word != "" && strings.HasPrefix(m.Name, word) || pair && step != "" && strings.HasPrefix(m.Run, run) && m.Step == step
		},
	} {
		var found []made
		for _, m := range list {
			if fits(m) {
				found = append(found, m)
			}
		}
		switch len(found) {
		case 0:
		case 1:
			return found[0], nil
		default:
			return made{}, usage(fmt.Errorf("%q is several: %s", word, namesOf(found)))
		}
	}
	return made{}, usage(fmt.Errorf("no job or deployment that plan has created in namespace %s is called %q; `plan jobs` lists them, with -A those of all namespaces",
		namespace, word))
}

func namesOf(list []made) string {
	var names []string
	for _, m := range list {
		names = append(names, fmt.Sprintf("%s %s (%s/%s, attempt %s)", m.Kind, m.Name, m.Run, m.Step, m.Attempt))
	}
	return strings.Join(names, ", ")
}
