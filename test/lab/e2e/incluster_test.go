package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"plan/test/lab"
)

// nightly is the published example, which trusts the lab's CA besides, and its folder.
func (r *clusterRig) nightly(t *testing.T) (*program, string) {
	t.Helper()
	p := r.program(t).without("KUBECONFIG", "SSL_CERT_FILE", "BWS_SERVER_URL")
	text := string(must(os.ReadFile(example(t))))
	text = strings.Replace(text, "    bitwarden:\n", "    bitwarden:\n      caFile: ca.pem\n", 1)
	text = strings.Replace(text, "        pathStyle: true\n", "        pathStyle: true\n        caFile: ca.pem\n", 1)
	p.write(t, "ca.pem", string(must(os.ReadFile(r.CAFile))))
	return p, p.write(t, "backup.yaml", text)
}

// environment is what the pod takes from outside: the servers' addresses as pods see them. They override what Bitwarden says of the store.
func (r *clusterRig) environment() map[string]string {
	return map[string]string{
		"BWS_SERVER_URL": r.InPods.BitwardenURL, "HEALTHCHECKS_URL": r.InPods.PingURL + pingCanary, "PLAN_STORE__MAIN__S3__ENDPOINT": r.InPods.S3Endpoint, "PLAN_PARAM__KEEP": "2",
	}
}

// TestTheMountedPlanRunsByTheClock: the bundle of the published example, applied twice, runs as a pod with the rights that it brings and no others,
// where Pod Security enforces restricted; what it uses of its rights is what it was given. Then it is deleted with all that it was.
func TestTheMountedPlanRunsByTheClock(t *testing.T) {
	r := theCluster(t)
	r.namespace(t, "nightly", r.environment())
	p, file := r.nightly(t)
	objects := r.bundle(t, p, "nightly", file)
	r.leaks(t, "bundle", objects)
	for range 2 {
		r.kubectl(t, objects, "apply", "-f", "-")
	}
	if again := r.bundle(t, p, "nightly", file); again != objects {
		t.Error("the bundle is another one the second time")
	}
	before := must(r.Pings())
	log := ""
	for night := range 3 {
		log = r.succeeded(t, "nightly", "nightly", fmt.Sprintf("night-%d", night))
		r.leaks(t, "log", log)
	}
	if !strings.Contains(log, "from PLAN_STORE__MAIN__S3__ENDPOINT") {
		t.Errorf("the log does not name the override:\n%s", log)
	}
	if got := r.names(t, "pv-backups/home/"); len(got) != 2 {
		t.Errorf("backups of volumes: %q, and PLAN_PARAM__KEEP says two", got)
	}
	if after := must(r.Pings()); len(after) != len(before)+3 || !strings.HasSuffix(after[len(after)-1].Path, "/0") {
		t.Errorf("%d pings, want 3 more: %+v", len(after)-len(before), after)
	}
	r.rightsAreUsed(t, "nightly", "nightly", objects, rareOfRecords...)
	r.kubectl(t, objects, "delete", "-f", "-")
	until(t, "nothing of the bundle is left", func() (bool, error) {
		list, err := r.kube.CoreV1().Pods("nightly").List(t.Context(), metav1.ListOptions{})
		return err == nil && len(list.Items) == 0, err
	})
	left := r.kubectl(t, "", "get", "cronjobs,jobs,roles,rolebindings,serviceaccounts,configmaps", "-n", "nightly", "-l", "plan/cronjob=nightly", "-o", "name")
	if strings.TrimSpace(left) != "" {
		t.Errorf("left is %s", left)
	}
}

// longPlan works for a while: long enough to lose its pod meanwhile.
const longPlan = `apiVersion: plan/v1
kind: Plan
metadata: {name: long}
spec:
  concurrency: {group: long}
  steps:
    - id: first
      uses: verify-object
      with: {resource: v1/namespaces, time: metadata.creationTimestamp, maxAge: 1d}
    - id: work
      uses: run-job
      with:
        source: {directory: {path: work}}
        image: ` + lab.ShellImage + `
        helperImage: ` + lab.ShellImage + `
        command: [sh, work.sh]
        env: {TOKEN: {from: {env: TOKEN}}}
    - id: last
      uses: verify-object
      with: {resource: v1/namespaces, time: metadata.creationTimestamp, maxAge: 1d}
`

// TestThePodIsLostAndTheNextOneGoesOn: deleted, evicted, killed: the next pod of the Job takes up the same run, the steps that were done are not
// done again, and the work that it had started is one Job, which nobody disturbed.
func TestThePodIsLostAndTheNextOneGoesOn(t *testing.T) {
	r := theCluster(t)
	for way, lose := range map[string]func(*testing.T, corev1.Pod){
		"deleted": func(t *testing.T, pod corev1.Pod) {
			if err := r.kube.CoreV1().Pods(pod.Namespace).Delete(t.Context(), pod.Name, metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
		},
		"evicted": func(t *testing.T, pod corev1.Pod) {
			eviction := &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: pod.Name, Namespace: pod.Namespace}}
			if err := r.kube.CoreV1().Pods(pod.Namespace).EvictV1(t.Context(), eviction); err != nil {
				t.Fatal(err)
			}
		},
		"killed": func(t *testing.T, pod corev1.Pod) { r.killPod(t, pod) },
	} {
		t.Run(way, func(t *testing.T) {
			t.Parallel() // each waits for the Job controller to make the next pod
			unused := slices.Concat(rareOfRecords, rareOfJobs)
			if way != "killed" {
				unused = append(unused, "get pods") // the lock was given back: nobody asks whose it was
			}
			r.goesOn(t, "long-"+way, lose, unused)
		})
	}
}

// TestACancelledRunGetsNoOtherPod: what somebody has cancelled the Job does not begin again.
func TestACancelledRunGetsNoOtherPod(t *testing.T) {
	r := theCluster(t)
	p, runner, _ := r.working(t, "cancelled")
	p.must(t, 0, "cancel", runner.Labels[batchv1.ControllerUidLabel], "--state", "cluster", "--namespace", runner.Namespace)
	condition, pods := r.ended(t, runner.Namespace, "once")
	if condition.Type != batchv1.JobFailed || condition.Reason != batchv1.JobReasonPodFailurePolicy || len(pods) != 1 {
		t.Errorf("%+v, %d pods", condition, len(pods))
	}
	if work := r.workOf(t, runner); len(work) != 0 {
		t.Errorf("its work is still there: %+v", work)
	}
}

// working runs the long plan in a namespace of its own until its work has begun.
func (r *clusterRig) working(t *testing.T, namespace string) (p *program, runner corev1.Pod, objects string) {
	r.namespace(t, namespace, map[string]string{"TOKEN": "canary-of-the-long-plan"})
	p = r.worker(t, map[string]string{"work/work.sh": "echo working; sleep 12; echo done\n", "work/large.bin": strings.Repeat("0123456789abcdef", 1<<12)})
	objects = r.bundle(t, p.without("KUBECONFIG"), namespace, p.write(t, "long.yaml", longPlan))
	for range 2 {
		r.kubectl(t, objects, "apply", "-f", "-")
	}
	r.started(t, namespace, "long", "once")
	until(t, "the work has begun", func() (bool, error) {
		if pods := r.podsOf(t, namespace, "once"); len(pods) == 1 {
			runner = pods[0]
		}
		work := r.workOf(t, runner)
		return len(work) == 1 && work[0].Status.Ready != nil && *work[0].Status.Ready == 1, nil
	})
	return p, runner, objects
}

// goesOn runs the long plan, and has it lose its pod.
func (r *clusterRig) goesOn(t *testing.T, namespace string, lose func(*testing.T, corev1.Pod), unused []string) {
	_, runner, objects := r.working(t, namespace)
	begun := r.workOf(t, runner)
	lose(t, runner)
	condition, pods := r.ended(t, namespace, "once")
	last, log := pods[len(pods)-1], ""
	for _, pod := range pods {
		if pod.Name != runner.Name {
			log += "== " + pod.Name + "\n" + r.logOf(t, namespace, pod.Name)
		}
	}
	if condition.Type != batchv1.JobComplete || last.Name == runner.Name {
		t.Fatalf("%+v, %d pods\n%s", condition, len(pods), log)
	}
	work := r.workOf(t, runner)
	if len(work) != 1 || work[0].UID != begun[0].UID || work[0].Status.Succeeded != 1 {
		t.Errorf("the work was done by %d Jobs: %+v", len(work), work)
	}
	if !strings.Contains(log, "goes on, invocation 2") || strings.Contains(log, "canary-of") {
		t.Errorf("%s", log)
	}
	r.rightsAreUsed(t, namespace, "long", objects, unused...)
}

// workOf are the Jobs that the run of a runner's pod has made.
func (r *clusterRig) workOf(t *testing.T, runner corev1.Pod) []batchv1.Job {
	t.Helper()
	uid := runner.Labels[batchv1.ControllerUidLabel]
	if uid == "" {
		return nil
	}
	list, err := r.kube.BatchV1().Jobs(runner.Namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "plan/run=" + uid})
	if err != nil {
		t.Fatal(err)
	}
	return list.Items
}

// killPod kills the program in a pod, as the kernel does when memory is short.
func (r *clusterRig) killPod(t *testing.T, pod corev1.Pod) {
	t.Helper()
	for _, dir := range must(filepath.Glob("/proc/[0-9]*/cgroup")) {
		data, _ := os.ReadFile(dir)
		if !strings.Contains(string(data), string(pod.UID)) {
			continue
		}
		command, _ := os.ReadFile(filepath.Join(filepath.Dir(dir), "cmdline"))
		if bytes.HasPrefix(command, []byte("/usr/local/bin/plan\x00")) {
			if err := exec.Command("kill", "-KILL", filepath.Base(filepath.Dir(dir))).Run(); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatalf("no process of pod %s", pod.Name)
}

// TestThePodOfAServerReadsItsToken: a plan that keeps the node token brings a pod that goes to a server and reads its folder as root, in a namespace
// that lets it; the right that its account has is to the one Secret.
func TestThePodOfAServerReadsItsToken(t *testing.T) {
	r := theCluster(t)
	r.namespace(t, "token", nil)
	folder := must(os.MkdirTemp("/var/tmp", "plan-server-")) // a pod has a /tmp of its own
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	p := r.program(t).without("KUBECONFIG")
	plan := strings.ReplaceAll(tokenPlan("{kubernetes: {namespace: token, name: kept}}", "backup-node-token", "verify-node-token"), "path: server", "path: "+filepath.Join(folder, "token"))
	objects := r.bundle(t, p, "token", p.write(t, "plan.yaml", plan))
	server := []byte(`{"metadata":{"labels":{"node-role.kubernetes.io/control-plane":"true"}}}`)
	if _, err := r.kube.CoreV1().Nodes().Patch(t.Context(), lab.NodeName, types.MergePatchType, server, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	r.kubectl(t, "", "label", "--overwrite", "namespace", "token", "pod-security.kubernetes.io/enforce=privileged")
	r.kubectl(t, objects, "apply", "-f", "-")
	for night := range 2 { // in between the token is rotated
		token, password := freshToken()
		if err := os.WriteFile(filepath.Join(folder, "token"), []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if log := r.succeeded(t, "token", "node-token", fmt.Sprintf("night-%d", night)); strings.Contains(log, password) {
			t.Errorf("the log has the token:\n%s", log)
		}
		kept, err := r.kube.CoreV1().Secrets("token").Get(t.Context(), "kept", metav1.GetOptions{})
		if err != nil || strings.TrimSpace(string(kept.Data["token"])) != token || len(kept.Data) != 1+night {
			t.Errorf("kept are %d tokens, %v", len(kept.Data), err)
		}
	}
	r.rightsAreUsed(t, "token", "node-token", objects, rareOfRecords...)
}

// olderPlan has of the older tool's CronJob what its ConfigMap cannot say: what is done, and whose certificates are trusted here.
const olderPlan = `apiVersion: plan/v1
kind: Plan
metadata: {name: older}
spec:
  secrets:
    bitwarden:
      caFile: ca.pem
      accessToken: {from: {kubernetes: {namespace: external-secrets, name: bitwarden-machine-account, key: token}}}
  steps:
    - {id: pvs, uses: backup-pvs, with: {keep: {last: 30}}}
    - {id: nodes, uses: backup-nodes, with: {keep: {last: 30}}}
`

// TestTheOlderToolsCronJobHasItsCounterpart: its ConfigMap as it is, besides the paths of the machine that it was written on.
func TestTheOlderToolsCronJobHasItsCounterpart(t *testing.T) {
	r := theCluster(t)
	r.namespace(t, "older", map[string]string{"PLAN_STORE__MAIN__S3__ENDPOINT": r.InPods.S3Endpoint, "PLAN_STORE__MAIN__S3__CA_FILE": "ca.pem"})
	data := map[string]string{}
	for _, kv := range r.olderToolVariables() {
		name, value, _ := strings.Cut(kv, "=")
		data[name] = value
	}
	data["BWS_SERVER_URL"] = r.InPods.BitwardenURL
	data["S3_PV_BACKUP_PREFIX"], data["S3_NODES_BACKUP_PREFIX"] = "clock-pvs/", "clock-nodes/"
	config := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "k3s-backup"}, Data: data}
	if _, err := r.kube.CoreV1().ConfigMaps("older").Create(t.Context(), config, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	p := r.program(t).without("KUBECONFIG", "SSL_CERT_FILE", "BWS_SERVER_URL")
	p.write(t, "ca.pem", string(must(os.ReadFile(r.CAFile))))
	objects := r.bundle(t, p, "older", p.write(t, "older.yaml", olderPlan), "--env-from", "configmap/k3s-backup",
		"--env", "K8S_CONTEXT=", "--env", "KUBECONFIG_PATH=")
	r.kubectl(t, objects, "apply", "-f", "-")
	log := r.succeeded(t, "older", "older", "once")
	if len(r.names(t, "clock-pvs/k3s/")) != 1 || len(r.names(t, "clock-nodes/k3s/")) != 1 {
		t.Errorf("the backups are not where the ConfigMap says\n%s", log)
	}
}
