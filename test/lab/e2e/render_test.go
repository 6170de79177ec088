package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"plan/test/lab"
)

// kubectl is kubectl as the administrator runs it; it must succeed. Its warnings come with its output.
func (p *program) kubectl(t *testing.T, in string, args ...string) string {
	t.Helper()
	out, talk := p.rig.kubectlIn(t, p.dir, in, args...)
	return talk + out
}

// forKubectl is a plan of a job in two instances, with a source and a secret, and a deployment.
const forKubectl = `apiVersion: plan/v1
kind: Plan
metadata: {name: kubectl}
spec:
  cluster: {namespace: work}
  steps:
    - id: greet
      uses: run-job
      matrix: {region: [eu, us]}
      with:
        source: {directory: {path: work}}
        image: ` + lab.ShellImage + `
        helperImage: ` + lab.ShellImage + `
        command: [sh, run.sh]
        env: {REGION: "${{ matrix.region }}", TOKEN: {from: {env: NOT_SET}}}
        secrets: [{name: db, from: {password: {env: NOT_SET}}}]
    - {id: idle, uses: run-job, needs: [], with: {workload: deployment, parallelism: 2, image: ` + lab.ShellImage + `, command: [sleep, "600"]}}
`

var emptySecret = regexp.MustCompile(`(?m)^  work/(\S+): keys \[(\w+)\]$`)

// TestWhatIsRenderedForKubectlRuns: to its end, with secrets that were filled in, in a namespace that enforces restricted; as often as it is
// applied, and deleted whole.
func TestWhatIsRenderedForKubectlRuns(t *testing.T) {
	r := theNode(t)
	p := r.worker(t, map[string]string{"work/run.sh": "echo hello from $REGION, $TOKEN, $(cat /plan/secrets/db/password)\n", "plan.yaml": forKubectl})
	rendered := p.must(t, 0, "render", "plan.yaml", "--runnable")
	secrets := emptySecret.FindAllStringSubmatch(rendered.stderr, -1)
	if len(secrets) != 4 {
		t.Fatalf("%d secrets are named:\n%s", len(secrets), rendered.stderr)
	}
	for _, s := range secrets {
		p.kubectl(t, "", "create", "secret", "generic", s[1], "-n", "work", "--from-literal="+s[2]+"=value-of-"+s[2])
	}
	p.kubectl(t, rendered.stdout, "apply", "-f", "-")
	options := metav1.ListOptions{LabelSelector: "plan/run=render,plan/step=greet"}
	until(t, "both jobs are complete", func() (bool, error) {
		jobs, err := r.kube.BatchV1().Jobs("work").List(t.Context(), options)
		if err != nil || len(jobs.Items) != 2 {
			return false, err
		}
		for _, j := range jobs.Items {
			if j.Status.Succeeded != 1 || j.Status.CompletionTime == nil {
				return false, nil
			}
		}
		return true, nil
	})
	pods, err := r.kube.CoreV1().Pods("work").List(t.Context(), options)
	if err != nil || len(pods.Items) != 2 {
		t.Fatalf("%d pods: %v", len(pods.Items), err)
	}
	for _, pod := range pods.Items {
		log, err := r.kube.CoreV1().Pods("work").GetLogs(pod.Name, &corev1.PodLogOptions{Container: "main"}).DoRaw(t.Context())
		if err != nil || !regexp.MustCompile(`^hello from (eu|us), value-of-TOKEN, value-of-password\n$`).Match(log) {
			t.Errorf("the log of %s is %q, %v", pod.Name, log, err)
		}
	}
	until(t, "the deployment is available", func() (bool, error) {
		list, err := r.kube.AppsV1().Deployments("work").List(t.Context(), metav1.ListOptions{LabelSelector: "plan/run=render,plan/step=idle"})
		return err == nil && len(list.Items) == 1 && list.Items[0].Status.AvailableReplicas == 2, err
	})
	if got := p.kubectl(t, rendered.stdout, "apply", "-f", "-"); strings.Contains(got, "configured") || strings.Count(got, "unchanged") != 9 {
		t.Errorf("applied again:\n%s", got)
	}
	for _, s := range secrets {
		if secret, err := r.kube.CoreV1().Secrets("work").Get(t.Context(), s[1], metav1.GetOptions{}); err != nil || string(secret.Data[s[2]]) != "value-of-"+s[2] {
			t.Errorf("the value of %s did not stay: %v", s[1], err)
		}
	}
	if got := p.must(t, 0, "jobs", "-n", "work").stdout; strings.Contains(got, "kubectl-") {
		t.Errorf("plan takes them for its own:\n%s", got)
	}
	// What lies in files is the same.
	p.must(t, 0, "render", "plan.yaml", "--runnable", "--output-dir", "out")
	if got := p.kubectl(t, "", "apply", "-f", "out"); strings.Count(got, "unchanged") != 9 {
		t.Errorf("applied from files:\n%s", got)
	}
	p.kubectl(t, rendered.stdout, "delete", "--wait=false", "-f", "-")
}

// TestAnAPIServerTakesWhatIsRendered: every object of every example, and pods made of the templates.
func TestAnAPIServerTakesWhatIsRendered(t *testing.T) {
	r := theNode(t)
	p := r.worker(t, nil)
	plans, err := filepath.Glob("../../../examples/plans/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	applied := 0
	for _, plan := range plans {
		text, err := os.ReadFile(plan)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(text, []byte("uses: run-job")) {
			continue
		}
		full, err := filepath.Abs(plan)
		if err != nil {
			t.Fatal(err)
		}
		applied++
		var list struct {
			Items []struct {
				Spec struct{ Template *corev1.PodTemplateSpec }
			}
		}
		inJSON := p.must(t, 0, "render", full, "-n", "work", "-o", "json").stdout
		decode(t, []byte(inJSON), &list)
		for _, rendered := range []string{inJSON, p.must(t, 0, "render", full, "-n", "work").stdout} {
			got := p.kubectl(t, rendered, "apply", "--dry-run=server", "-f", "-")
			if strings.Contains(got, "Warning") || strings.Count(got, "created (server dry run)") != len(list.Items) {
				t.Errorf("%s: of %d objects:\n%s", plan, len(list.Items), got)
			}
		}
		for _, item := range list.Items {
			if template := item.Spec.Template; template != nil {
				pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{GenerateName: "of-", Labels: template.Labels}, Spec: template.Spec}
				if _, err := r.kube.CoreV1().Pods("work").Create(t.Context(), pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}); err != nil {
					t.Errorf("%s: a pod of it: %v", plan, err)
				}
			}
		}
		p.must(t, 0, "apply", full, "-n", "work", "--dry-run=server")
	}
	if applied < 6 {
		t.Errorf("only %d examples have objects", applied)
	}
}

// TestAServerDryRunMeetsRealAdmission: Pod Security, which only warns of Jobs; quota; a namespace that is not there.
func TestAServerDryRunMeetsRealAdmission(t *testing.T) {
	r := theNode(t)
	for name, labels := range map[string]map[string]string{
		"dry-both": {"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/warn": "restricted"},
		"dry-warn": {"pod-security.kubernetes.io/warn": "restricted"}, "dry-enforce": {"pod-security.kubernetes.io/enforce": "restricted"}, "dry-few": {},
	} {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
		if _, err := r.kube.CoreV1().Namespaces().Create(t.Context(), ns, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	few := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "few"}, Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{"count/jobs.batch": resource.MustParse("0")}}}
	if _, err := r.kube.CoreV1().ResourceQuotas("dry-few").Create(t.Context(), few, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	until(t, "the quota counts", func() (bool, error) {
		got, err := r.kube.CoreV1().ResourceQuotas("dry-few").Get(t.Context(), "few", metav1.GetOptions{})
		return err == nil && len(got.Status.Hard) > 0, err
	})
	p := r.worker(t, map[string]string{
		"restricted.yaml": jobPlan("dry", "", "        image: "+lab.ShellImage+"\n        command: [\"true\"]\n        env: {TOKEN: {from: {env: NOT_SET}}}\n"),
		"baseline.yaml":   jobPlan("dry", "", "        image: "+lab.ShellImage+"\n        command: [\"true\"]\n        security: baseline\n"),
		"template.yaml":   jobPlan("dry", "", "        image: "+lab.ShellImage+"\n        command: [\"true\"]\n        nodeSelector: {a: \"b c\"}\n"),
		"borrow.yaml":     jobPlan("dry", "", "        image: "+lab.ShellImage+"\n        command: [\"true\"]\n        secretsOf: another\n"),
	})
	before := len(r.leftovers(t, "dry"))
	for _, c := range []struct {
		plan, namespace string
		code            int
		says            []string
	}{
		{"restricted.yaml", "dry-both", 0, []string{"secret/dry-it-", "job.batch/dry-it-", " admitted (server dry run)\n"}},
		{"restricted.yaml", "dry-warn", 0, []string{" admitted (server dry run)\n"}},
		{"baseline.yaml", "dry-both", 1, []string{"job.batch/dry-it-", " refused (server dry run)\n", `step it: create jobs`, `would violate PodSecurity "restricted:latest"`, "runAsNonRoot"}},
		{"baseline.yaml", "dry-warn", 1, []string{`would violate PodSecurity "restricted:latest"`}},
		{"baseline.yaml", "dry-enforce", 1, []string{`would violate PodSecurity "restricted:latest"`}},
		{"baseline.yaml", "default", 0, []string{" admitted (server dry run)\n"}},
		{"restricted.yaml", "dry-few", 1, []string{"secret/dry-it-", "exceeded quota: few"}},
		{"restricted.yaml", "dry-nowhere", 1, []string{`namespaces "dry-nowhere" not found`}},
		{"borrow.yaml", "dry-both", 0, []string{" not checkable (server dry run)\n", "cannot be checked", "UNKNOWN(secrets of job dry-both/another)"}},
		{"template.yaml", "dry-both", 1, []string{"nodeSelector", "Invalid value"}},
	} {
		t.Run(c.plan+" in "+c.namespace, func(t *testing.T) {
			p.must(t, c.code, "apply", c.plan, "--dry-run=server", "-n", c.namespace).says(t, c.says...)
		})
	}
	var kept struct{ Items []batchv1.Job }
	decode(t, []byte(p.must(t, 0, "apply", "restricted.yaml", "--dry-run=server", "-n", "default", "-o", "json").stdout), &kept)
	if len(kept.Items) != 2 || kept.Items[1].UID == "" || kept.Items[1].Spec.Template.Spec.DNSPolicy != corev1.DNSClusterFirst {
		t.Errorf("what the server would keep: %+v", kept)
	}
	if after := len(r.leftovers(t, "dry")); after != before {
		t.Errorf("%d objects were kept", after-before)
	}
}
