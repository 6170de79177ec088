package e2e

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"plan/test/lab"
	"plan/test/lab/labtest"
)

// kubeconfigOf is that of a service account, for a program outside the cluster.
func (r *clusterRig) kubeconfigOf(t *testing.T, namespace, account string) string {
	t.Helper()
	token, err := r.kube.CoreV1().ServiceAccounts(namespace).CreateToken(t.Context(), account, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	config := must(clientcmd.LoadFromFile(r.Kubeconfig))
	for name := range config.AuthInfos {
		config.AuthInfos[name] = &clientcmdapi.AuthInfo{Token: token.Status.Token}
	}
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestRunJobNeedsTheRightsThatItNames: P14. With exactly those that `plan rbac` prints a workload runs though answers are lost, another takes its
// place, one that works for too long goes, and it is told why one has no pods; each of the rights is used. Without the right to make it, it is said
// that it is missing.
func TestRunJobNeedsTheRightsThatItNames(t *testing.T) {
	r := theCluster(t)
	for workload, c := range map[string]struct{ resource, group, runs, long, stuck, why string }{
		"job": {"jobs", "batch", "it runs", `command=["sleep", "60"]`, "serviceAccountName=nobody", `serviceaccount "nobody" not found`},
		// One whose pods end is never available. Of no pods its conditions tell; of pods that wait for a volume, events.
		"deployment": {"deployments", "apps", "1 pod available", `command=["false"]`, `secrets=[{"existing": "none"}]`, `secret "none" not found`},
	} {
		t.Run(workload, func(t *testing.T) {
			t.Parallel()
			namespace := "rights-" + workload
			r.namespace(t, namespace, nil)
			p := r.worker(t, map[string]string{"work/run.sh": "echo it runs\n[ $1 = job ] || sleep 3600\n"}, "TOKEN=canary-rights")
			p.write(t, "plan.yaml", strings.Replace(jobPlan("rights", "", "        name: rights\n        replace: true\n        workload: "+workload+
				"\n        source: {directory: {path: work}}\n        image: "+lab.ShellImage+"\n        command: [sh, run.sh, "+workload+"]\n        env: {TOKEN: {from: {env: TOKEN}}}\n"),
				"namespace: work", "namespace: "+namespace, 1))
			objects := p.must(t, 0, "rbac", "plan.yaml", "--state", "local").stdout
			r.kubectl(t, objects, "apply", "-f", "-")
			kubeconfig := r.kubeconfigOf(t, namespace, "rights")

			lossy := r.proxied(t, must(r.RESTConfig()).Host, labtest.Lossy())
			p.with("KUBECONFIG="+must(lossy.Kubeconfig(kubeconfig, t.TempDir()))).must(t, 0, "apply", "plan.yaml", "--follow").says(t, c.runs)
			p = p.with("KUBECONFIG=" + kubeconfig)
			p.must(t, 1, "apply", "plan.yaml", "--set", "steps.it.with."+c.long, "--set", "steps.it.timeout=8s").says(t, "taken away")
			p.must(t, 1, "apply", "plan.yaml", "--set", "steps.it.with."+c.stuck, "--set", "steps.it.with.startTimeout=5s").says(t, c.why)
			r.rightsAreUsed(t, namespace, "rights", objects)

			role, err := r.kube.RbacV1().Roles(namespace).Get(t.Context(), "rights", metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			before := len(role.Rules)
			role.Rules = slices.DeleteFunc(role.Rules, func(rule rbacv1.PolicyRule) bool {
				return slices.Equal(rule.Resources, []string{c.resource}) && slices.Contains(rule.Verbs, "create")
			})
			if len(role.Rules) != before-1 {
				t.Fatalf("%+v", role.Rules)
			}
			if _, err := r.kube.RbacV1().Roles(namespace).Update(t.Context(), role, metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
			p.must(t, 77, "apply", "plan.yaml").says(t, "may not create "+c.resource+"."+c.group+" in "+namespace+" (step it)")
		})
	}
}
