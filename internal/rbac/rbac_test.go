package rbac

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"

	"plan/steps"
)

func TestRules(t *testing.T) {
	get := func(resource, name string) steps.Permission {
		return steps.Permission{Verb: "get", Resource: resource, Name: name}
	}
	verb := func(verb string, p steps.Permission) steps.Permission { p.Verb = verb; return p }
	job := steps.Permission{Verb: "create", Group: "batch", Resource: "jobs"}
	for name, c := range map[string]struct {
		list []steps.Permission
		want []rbacv1.PolicyRule
	}{
		"verbs in the order in which people read them": {
			[]steps.Permission{verb("delete", get("pods", "")), verb("list", get("pods", "")), get("pods", "")},
			[]rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get", "list", "delete"}}},
		},
		"a name is not granted where all are": {
			[]steps.Permission{get("secrets", "a"), get("secrets", ""), verb("update", get("secrets", "a"))},
			[]rbacv1.PolicyRule{
				{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get"}},
				{APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{"a"}, Verbs: []string{"update"}},
			},
		},
		"names of one resource come together": {
			[]steps.Permission{get("secrets", "b"), get("secrets", "a")},
			[]rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{"a", "b"}, Verbs: []string{"get"}}},
		},
		"resources of one group come together, of two they do not": {
			[]steps.Permission{verb("create", get("configmaps", "")), verb("create", get("secrets", "")), job},
			[]rbacv1.PolicyRule{
				{APIGroups: []string{""}, Resources: []string{"configmaps", "secrets"}, Verbs: []string{"create"}},
				{APIGroups: []string{"batch"}, Resources: []string{"jobs"}, Verbs: []string{"create"}},
			},
		},
		"a subresource is one of its own": {
			[]steps.Permission{{Verb: "get", Resource: "pods", Subresource: "log"}, verb("list", get("pods", ""))},
			[]rbacv1.PolicyRule{
				{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"list"}},
				{APIGroups: []string{""}, Resources: []string{"pods/log"}, Verbs: []string{"get"}},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, Rules(c.list)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestRulesGrantWhatIsAskedAndNothingElse: over random lists, in every order, each call of a small world is granted if and only if it was asked for.
func TestRulesGrantWhatIsAskedAndNothingElse(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(1, seed))
	groups, resources, names, verbs := []string{"", "batch"}, []string{"a", "b", "c"}, []string{"", "x", "y"}, []string{"get", "list", "patch"}
	var world []steps.Permission
	for _, g := range groups {
		for _, r := range resources {
			for _, n := range names {
				for _, v := range verbs {
					world = append(world, steps.Permission{Verb: v, Group: g, Resource: r, Name: n})
				}
			}
		}
	}
	for range 2000 {
		random.Shuffle(len(world), func(i, j int) { world[i], world[j] = world[j], world[i] })
		asked := world[:random.IntN(len(world))]
		rules := Rules(asked)
		for _, call := range world {
			all := call
			all.Name = ""
			if want := slices.Contains(asked, call) || slices.Contains(asked, all); granted(rules, call) != want {
				t.Fatalf("asked for %v\nrules %v\n%v: granted %t, want %t", asked, rules, call, !want, want)
			}
		}
		shuffled := slices.Clone(asked)
		random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if diff := cmp.Diff(rules, Rules(shuffled)); diff != "" {
			t.Fatalf("another order gives other rules: %s", diff)
		}
	}
}

// granted is what the authorizer of Kubernetes does: one rule has to allow all of a call.
func granted(rules []rbacv1.PolicyRule, p steps.Permission) bool {
	return slices.ContainsFunc(rules, func(r rbacv1.PolicyRule) bool {
		return slices.Contains(r.APIGroups, p.Group) && slices.Contains(r.Resources, p.Resource) && slices.Contains(r.Verbs, p.Verb) &&
			(len(r.ResourceNames) == 0 || slices.Contains(r.ResourceNames, p.Name))
	})
}

func TestASubjectIsOneThatAServerTakes(t *testing.T) {
	for subject, wrong := range map[Subject]string{
		{"nightly", "backup"}: "", {"plan.nightly", "b"}: "", {"Foo Bar", "backup"}: "name", {"a/b", "backup"}: "name", {"nightly", "A b"}: "namespace", {"nightly", "a.b"}: "namespace",
		{"", "backup"}: "name", {"nightly", ""}: "namespace",
	} {
		if err := subject.Check(); (err == nil) != (wrong == "") || err != nil && !strings.HasPrefix(err.Error(), wrong+" ") {
			t.Errorf("%+v: %v", subject, err)
		}
	}
}

func TestObjectsBindEveryNamespaceOnce(t *testing.T) {
	objects := Objects(Subject{"nightly", "backup"}, []steps.Permission{
		{Verb: "list", Resource: "nodes"}, {Verb: "get", Resource: "secrets", Namespace: "vault", Name: "token"}, {Verb: "create", Resource: "configmaps", Namespace: "backup"},
	}, map[string]string{"l": "v"})
	var got []string
	for _, o := range objects {
		kind := o.GetObjectKind().GroupVersionKind().Kind
		meta := o.(interface {
			GetName() string
			GetNamespace() string
			GetLabels() map[string]string
		})
		got = append(got, kind+" "+meta.GetNamespace()+"/"+meta.GetName())
		if meta.GetLabels()["l"] != "v" {
			t.Errorf("%s has no label", kind)
		}
		switch b := o.(type) {
		case *rbacv1.RoleBinding:
			if b.RoleRef.Name != b.Name || b.RoleRef.Kind != "Role" || b.Subjects[0].Namespace != "backup" || b.Subjects[0].Name != "nightly" {
				t.Errorf("%+v", b)
			}
		case *rbacv1.ClusterRoleBinding:
			if b.RoleRef.Name != b.Name || b.RoleRef.Kind != "ClusterRole" || b.Subjects[0].Namespace != "backup" {
				t.Errorf("%+v", b)
			}
		}
	}
	want := []string{"ServiceAccount backup/nightly", "ClusterRole /backup:nightly", "ClusterRoleBinding /backup:nightly",
		"Role backup/nightly", "RoleBinding backup/nightly", "Role vault/backup:nightly", "RoleBinding vault/backup:nightly"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
