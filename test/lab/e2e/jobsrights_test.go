package e2e

import (
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"plan/steps"
	"plan/steps/runjob"
	"plan/test/lab"
)

// rules are permissions of a namespace as a Role has them.
func rules(permissions []steps.Permission) (list []rbacv1.PolicyRule) {
	for _, p := range permissions {
		r := rbacv1.PolicyRule{Verbs: []string{p.Verb}, APIGroups: []string{p.Group}, Resources: []string{p.Resource}}
		if p.Subresource != "" {
			r.Resources[0] += "/" + p.Subresource
		}
		if p.Name != "" {
			r.ResourceNames = []string{p.Name}
		}
		list = append(list, r)
	}
	return list
}

// TestRunJobNeedsTheRightsThatItNames: P14. With exactly these a Job runs, one that is cancelled goes, and without those to make Jobs it is said that
// they are missing.
func TestRunJobNeedsTheRightsThatItNames(t *testing.T) {
	r := theNode(t)
	with := map[string]any{
		"name": "rights", "image": lab.ShellImage, "source": map[string]any{"directory": map[string]any{"path": "work"}}, "command": []any{"sh", "run.sh"},
		"helperImage": lab.ShellImage, "env": map[string]any{"TOKEN": map[string]any{"from": map[string]any{"env": "TOKEN"}}},
	}
	a := runjob.Kind().New()
	if err := steps.Decode(with, a); err != nil {
		t.Fatal(err)
	}
	permissions := a.Permissions(steps.Scope{Namespace: "work"})
	subject := []rbacv1.Subject{{Kind: "User", Name: "limited", APIGroup: rbacv1.GroupName}}
	grant := func(namespace string, list []rbacv1.PolicyRule) *rbacv1.Role {
		t.Helper()
		role, err := r.kube.RbacV1().Roles(namespace).Create(t.Context(), &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: "run-job"}, Rules: list}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.kube.RbacV1().RoleBindings(namespace).Create(t.Context(), &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "run-job"}, Subjects: subject, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "run-job"},
		}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return role
	}
	role := grant("work", rules(permissions))
	grant("kube-system", []rbacv1.PolicyRule{{Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"namespaces"}, ResourceNames: []string{"kube-system"}}})
	p := r.worker(t, map[string]string{"work/run.sh": "echo it runs\n"}, "KUBECONFIG="+r.Limited, "TOKEN=canary-rights")
	plan := jobPlan("rights", "", "        name: rights\n        source: {directory: {path: work}}\n        image: "+lab.ShellImage+"\n        command: [sh, run.sh]\n        env: {TOKEN: {from: {env: TOKEN}}}\n")
	p.write(t, "plan.yaml", plan)
	got := p.must(t, 0, "apply", "plan.yaml", "--follow")
	got.says(t, "it runs")
	if strings.Contains(got.all(), "forbidden") {
		t.Errorf("%s", got.all())
	}
	p.write(t, "late.yaml", strings.NewReplacer("name: rights\n        source", "name: rights\n        replace: true\n        source", "[sh, run.sh]", "[sleep, \"60\"]", "uses: run-job\n", "uses: run-job\n      timeout: 4s\n").Replace(plan))
	if late := p.must(t, 1, "apply", "late.yaml"); strings.Contains(late.all(), "forbidden") || !strings.Contains(late.all(), "taken away") {
		t.Errorf("%s", late.all())
	}
	role.Rules = slices.DeleteFunc(role.Rules, func(rule rbacv1.PolicyRule) bool { return rule.Verbs[0] == "create" && rule.Resources[0] == "jobs" })
	if _, err := r.kube.RbacV1().Roles("work").Update(t.Context(), role, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	p.must(t, 77, "apply", "plan.yaml").says(t, "may not create jobs.batch in work (step ")
}
