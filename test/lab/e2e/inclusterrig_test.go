package e2e

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"plan/test/lab"
	"plan/test/lab/labtest"
)

// programImage is the product's own, in the node's containerd.
const programImage = "lab/plan:test"

// inCluster starts a lab with a node for the first test that needs one: its API server writes down what service accounts ask for, it has the
// product's image, and a namespace that enforces the restricted level.
var inCluster = sync.OnceValues(func() (*clusterRig, error) {
	dir, err := os.MkdirTemp("", "plan-audit-")
	if err != nil {
		return nil, err
	}
	log, flags, err := labtest.NewAudit(dir, auditPolicy)
	if err != nil {
		return nil, err
	}
	r, err := makeRig(lab.Options{Node: true, APIServer: flags})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	ctx := context.Background()
	if err := r.ImportProgram(ctx, r.binary, programImage); err != nil {
		return nil, err
	}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "work", Labels: enforced}}
	if _, err := r.kube.CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{}); err != nil {
		return nil, err
	}
	return &clusterRig{r, log}, nil
})

// enforced are the labels of a namespace that takes no pod but those of Pod Security's restricted level.
var enforced = map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}

// clusterRig is that lab.
type clusterRig struct {
	*rig
	audit *labtest.Audit
}

// auditPolicy has what service accounts of the test's namespaces ask for, and nothing of the controllers'.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: None, userGroups: ["system:serviceaccounts:kube-system"]}
- {level: Metadata, userGroups: ["system:serviceaccounts"]}
- {level: None}
`

// theCluster is for tests that do not mind others beside them: each has a namespace of its own.
func theCluster(t *testing.T) *clusterRig {
	t.Helper()
	r := theClusterAlone(t)
	t.Parallel()
	return r
}

// theClusterAlone is the same for a test that does mind.
func theClusterAlone(t *testing.T) *clusterRig {
	t.Helper()
	labtest.NeedNode(t)
	r, err := inCluster()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// kubectl runs it as the administrator.
func (r *clusterRig) kubectl(t *testing.T, in string, args ...string) string {
	t.Helper()
	out, _ := r.kubectlIn(t, "", in, args...)
	return out
}

// namespace makes one that enforces Pod Security's restricted level, with a Secret of what the plan takes from its environment.
func (r *clusterRig) namespace(t *testing.T, name string, env map[string]string) {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: enforced}}
	if _, err := r.kube.CoreV1().Namespaces().Create(t.Context(), ns, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "env"}, StringData: env}
	if _, err := r.kube.CoreV1().Secrets(name).Create(t.Context(), secret, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// bundle prints what runs a plan in a namespace, as its user does.
func (r *clusterRig) bundle(t *testing.T, p *program, namespace, file string, more ...string) string {
	t.Helper()
	args := append([]string{"cronjob", file, "--schedule", "0 3 * * *", "--namespace", namespace, "--image", programImage, "--env-from", "secret/env"}, more...)
	return p.must(t, 0, args...).stdout
}

// started makes a Job of a CronJob, as by hand.
func (r *clusterRig) started(t *testing.T, namespace, cronjob, job string) {
	t.Helper()
	r.kubectl(t, "", "create", "job", "-n", namespace, "--from=cronjob/"+cronjob, job)
}

// ended waits for a Job's end, and gives its condition and the pods that it had, in the order in which they began.
func (r *clusterRig) ended(t *testing.T, namespace, name string) (condition batchv1.JobCondition, pods []corev1.Pod) {
	t.Helper()
	until(t, "job "+name+" is at its end", func() (bool, error) {
		job, err := r.kube.BatchV1().Jobs(namespace).Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		i := slices.IndexFunc(job.Status.Conditions, func(c batchv1.JobCondition) bool {
			return c.Status == corev1.ConditionTrue && (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed)
		})
		if i >= 0 {
			condition = job.Status.Conditions[i]
		}
		return i >= 0, nil
	})
	return condition, r.podsOf(t, namespace, name)
}

func (r *clusterRig) podsOf(t *testing.T, namespace, job string) []corev1.Pod {
	t.Helper()
	list, err := r.kube.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{LabelSelector: batchv1.JobNameLabel + "=" + job})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(list.Items, func(a, b corev1.Pod) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
	return list.Items
}

func (r *clusterRig) logOf(t *testing.T, namespace, pod string) string {
	t.Helper()
	data, err := r.kube.CoreV1().Pods(namespace).GetLogs(pod, &corev1.PodLogOptions{}).DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// succeeded runs a CronJob's plan once, to a good end.
func (r *clusterRig) succeeded(t *testing.T, namespace, cronjob, job string) string {
	t.Helper()
	r.started(t, namespace, cronjob, job)
	condition, pods := r.ended(t, namespace, job)
	log := ""
	for _, pod := range pods {
		log += r.logOf(t, namespace, pod.Name)
	}
	if condition.Type != batchv1.JobComplete || len(pods) == 0 {
		t.Fatalf("job %s: %+v, %d pods\n%s", job, condition, len(pods), log)
	}
	return log
}
