package rigs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	authv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"plan/internal/lock"
	"plan/internal/runstore"
	"plan/steps"
	"plan/steps/all"
	"plan/test/lab/labtest"
)

// auditPolicy has the API server write down what the limited user asks for.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: Metadata, users: [limited]}
- {level: None}
`

// permissions are those that a kind names for a step, and those of every run: to identify the cluster and, where it is recorded there, to
// write the record and hold the lock.
func permissions(kind string, with map[string]any, inCluster bool) ([]steps.Permission, error) {
	i := slices.IndexFunc(all.Kinds(), func(k steps.Kind) bool { return k.Name == kind })
	action := all.Kinds()[i].New()
	if err := steps.Decode(with, action); err != nil {
		return nil, err
	}
	list := action.Permissions(steps.Scope{Plan: "rigs", Cluster: "home", Namespace: "default"})
	if inCluster {
		for _, verb := range (&runstore.ClusterStore{}).Verbs() {
			list = append(list, steps.Permission{Verb: verb, Resource: "configmaps", Namespace: "default"})
		}
		for _, right := range lock.LeaseRights("default", "rights") {
			list = append(list, steps.Permission{Verb: right.Verb, Group: right.Group, Resource: right.Resource, Namespace: right.Namespace, Name: right.Name})
		}
	}
	if len(list) > 0 { // to know which cluster it is
		list = append(list, steps.Permission{Verb: "get", Resource: "namespaces", Name: "kube-system"})
	}
	seen := map[steps.Permission]bool{}
	return slices.DeleteFunc(list, func(p steps.Permission) bool {
		defer func() { seen[p] = true }()
		return seen[p]
	}), nil
}

// covers tells whether a permission lets a call be made. A creation is authorised without its name.
func covers(p steps.Permission, c labtest.Call) bool {
	o := c.ObjectRef
	return p.Verb == c.Verb && p.Group == o.APIGroup && p.Resource == o.Resource && p.Subresource == o.Subresource &&
		(p.Namespace == "" || p.Namespace == o.Namespace) && (p.Name == "" || p.Name == o.Name)
}

// grant gives the limited user these rights and no others, and returns when they are in force.
func (r *rig) grant(ctx context.Context, list []steps.Permission) error {
	nonce := fmt.Sprint("rig-", time.Now().UnixNano())
	rules := map[string][]rbacv1.PolicyRule{}
	for _, namespace := range []string{"", "default", "longhorn-system"} {
		rules[namespace] = []rbacv1.PolicyRule{{APIGroups: []string{"rigs.example"}, Resources: []string{"nonces"}, ResourceNames: []string{nonce}, Verbs: []string{"get"}}}
	}
	for _, p := range list {
		rule := rbacv1.PolicyRule{APIGroups: []string{p.Group}, Resources: []string{p.Resource}, Verbs: []string{p.Verb}}
		if p.Name != "" {
			rule.ResourceNames = []string{p.Name}
		}
		if rules[p.Namespace] == nil {
			return fmt.Errorf("no role is made in namespace %s", p.Namespace)
		}
		rules[p.Namespace] = append(rules[p.Namespace], rule)
	}
	for namespace, rules := range rules {
		if err := r.role(ctx, namespace, rules); err != nil {
			return err
		}
		if err := r.inForce(ctx, namespace, nonce); err != nil {
			return err
		}
	}
	return nil
}

// role writes the limited user's role in a namespace, or the one of the cluster.
func (r *rig) role(ctx context.Context, namespace string, rules []rbacv1.PolicyRule) error {
	api, meta := r.kube.RbacV1(), metav1.ObjectMeta{Name: "rig-limited", Namespace: namespace}
	subjects := []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "limited"}}
	ref := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: meta.Name}
	var role, bind error // of RBAC, an update makes what is not there
	if namespace == "" {
		ref.Kind = "ClusterRole"
		_, role = api.ClusterRoles().Update(ctx, &rbacv1.ClusterRole{ObjectMeta: meta, Rules: rules}, metav1.UpdateOptions{})
		_, bind = api.ClusterRoleBindings().Update(ctx, &rbacv1.ClusterRoleBinding{ObjectMeta: meta, Subjects: subjects, RoleRef: ref}, metav1.UpdateOptions{})
	} else {
		_, role = api.Roles(namespace).Update(ctx, &rbacv1.Role{ObjectMeta: meta, Rules: rules}, metav1.UpdateOptions{})
		_, bind = api.RoleBindings(namespace).Update(ctx, &rbacv1.RoleBinding{ObjectMeta: meta, Subjects: subjects, RoleRef: ref}, metav1.UpdateOptions{})
	}
	return errors.Join(role, bind)
}

// inForce waits until the authorizer has seen a role.
func (r *rig) inForce(ctx context.Context, namespace, nonce string) error {
	for range 500 {
		review, err := r.kube.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authv1.SubjectAccessReview{Spec: authv1.SubjectAccessReviewSpec{
			User: "limited", ResourceAttributes: &authv1.ResourceAttributes{Namespace: namespace, Verb: "get", Group: "rigs.example", Resource: "nonces", Name: nonce},
		}}, metav1.CreateOptions{})
		if err != nil {
			return err
		}
		if review.Status.Allowed {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("the rights in namespace %q are not in force", namespace)
}

// spell is a permission as a line.
func spell(p steps.Permission) string {
	return strings.Join(strings.Fields(fmt.Sprintf("%s %s %s %s %s %s", p.Verb, p.Resource, p.Group, p.Subresource, p.Namespace, p.Name)), " ")
}
