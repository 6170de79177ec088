// Package rbac writes permissions as the objects of Kubernetes that grant them, with nothing to spare.
package rbac

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"

	"plan/steps"
)

// Subject is the ServiceAccount that gets the permissions.
type Subject struct{ Name, Namespace string }

// Check finds what no API server takes as the name or namespace of a ServiceAccount.
func (s Subject) Check() error {
	var problems []error
	if bad := validation.IsDNS1123Subdomain(s.Name); len(bad) > 0 {
		problems = append(problems, fmt.Errorf("name %q: %s", s.Name, bad[0]))
	}
	if bad := validation.IsDNS1123Label(s.Namespace); len(bad) > 0 {
		problems = append(problems, fmt.Errorf("namespace %q: %s", s.Namespace, bad[0]))
	}
	return errors.Join(problems...)
}

// Objects are the ServiceAccount, a Role with its RoleBinding in every namespace in which something is asked for, and a ClusterRole with its
// binding for what is asked for in all namespaces or of what has none. The same list in any order gives the same objects. Roles are named
// after the ServiceAccount; those elsewhere after its namespace, too, so that two of the same name in two
// namespaces do not meet: with a colon, which only names of RBAC may have.
func Objects(subject Subject, list []steps.Permission, labels map[string]string) []runtime.Object {
	byNamespace := map[string][]steps.Permission{}
	for _, p := range list {
		byNamespace[p.Namespace] = append(byNamespace[p.Namespace], p)
	}
	out := []runtime.Object{&corev1.ServiceAccount{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ServiceAccount"},
		ObjectMeta: metav1.ObjectMeta{Name: subject.Name, Namespace: subject.Namespace, Labels: labels},
	}}
	subjects := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: subject.Name, Namespace: subject.Namespace}}
	for _, namespace := range slices.Sorted(maps.Keys(byNamespace)) {
		rules := Rules(byNamespace[namespace])
		meta := metav1.ObjectMeta{Name: subject.Name, Namespace: namespace, Labels: labels}
		if namespace == "" {
			meta.Name = subject.Namespace + ":" + subject.Name
			out = append(out,
				&rbacv1.ClusterRole{TypeMeta: typeMeta("ClusterRole"), ObjectMeta: meta, Rules: rules},
				&rbacv1.ClusterRoleBinding{TypeMeta: typeMeta("ClusterRoleBinding"), ObjectMeta: meta, Subjects: subjects, RoleRef: roleRef("ClusterRole", meta.Name)})
			continue
		}
		if namespace != subject.Namespace {
			meta.Name = subject.Namespace + ":" + subject.Name
		}
		out = append(out,
			&rbacv1.Role{TypeMeta: typeMeta("Role"), ObjectMeta: meta, Rules: rules},
			&rbacv1.RoleBinding{TypeMeta: typeMeta("RoleBinding"), ObjectMeta: meta, Subjects: subjects, RoleRef: roleRef("Role", meta.Name)})
	}
	return out
}

func typeMeta(kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: kind}
}

func roleRef(kind, name string) rbacv1.RoleRef {
	return rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: name}
}

// object is what a rule is about.
type object struct{ group, resource, name string }

// verbOrder is that in which people read verbs; others follow by the alphabet.
var verbOrder = []string{"get", "list", "watch", "create", "update", "patch", "delete"}

func verbRank(verb string) int {
	if i := slices.Index(verbOrder, verb); i >= 0 {
		return i
	}
	return len(verbOrder)
}

// Rules are the permissions, which are all of one namespace, as rules: all verbs on an object in one, and objects of a group that want the same
// verbs together. What is granted for all objects of a kind is not granted by name again.
func Rules(list []steps.Permission) []rbacv1.PolicyRule {
	verbs := map[object][]string{}
	for _, p := range list {
		o := object{p.Group, p.Resource, p.Name}
		if p.Subresource != "" {
			o.resource += "/" + p.Subresource
		}
		if !slices.Contains(verbs[o], p.Verb) {
			verbs[o] = append(verbs[o], p.Verb)
		}
	}
	var rules []rbacv1.PolicyRule
	for _, o := range slices.SortedFunc(maps.Keys(verbs), func(a, b object) int {
		return cmp.Or(cmp.Compare(a.group, b.group), cmp.Compare(a.name, b.name), cmp.Compare(a.resource, b.resource))
	}) {
		wanted := verbs[o]
		if o.name != "" {
			all := verbs[object{o.group, o.resource, ""}]
			wanted = slices.DeleteFunc(slices.Clone(wanted), func(verb string) bool { return slices.Contains(all, verb) })
		}
		if len(wanted) == 0 {
			continue
		}
		slices.SortFunc(wanted, func(a, b string) int { return cmp.Or(cmp.Compare(verbRank(a), verbRank(b)), cmp.Compare(a, b)) })
		rules = merge(rules, o, wanted)
	}
	return rules
}

// merge adds a rule, or the object to one of the same verbs: of the same name or, where it is one resource, by one more name.
func merge(rules []rbacv1.PolicyRule, o object, verbs []string) []rbacv1.PolicyRule {
	rule := rbacv1.PolicyRule{APIGroups: []string{o.group}, Resources: []string{o.resource}, Verbs: verbs}
	if o.name != "" {
		rule.ResourceNames = []string{o.name}
	}
	for i := range rules {
		r := &rules[i]
		if r.APIGroups[0] != o.group || !slices.Equal(r.Verbs, verbs) {
			continue
		}
		switch {
		case slices.Equal(r.ResourceNames, rule.ResourceNames):
			r.Resources = append(r.Resources, o.resource)
			return rules
		case o.name != "" && len(r.ResourceNames) > 0 && len(r.Resources) == 1 && r.Resources[0] == o.resource:
			r.ResourceNames = append(r.ResourceNames, o.name)
			return rules
		}
	}
	return append(rules, rule)
}
