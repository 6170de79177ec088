package e2e

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"plan/test/lab/labtest"
)

// rightsAreUsed holds what the API server wrote down of a service account against the rules that it was given, both ways, besides those that are
// rarely used.
func (r *clusterRig) rightsAreUsed(t *testing.T, namespace, account, objects string, rare ...string) {
	t.Helper()
	log := *r.audit // from the beginning: other tests read it, too
	calls, err := log.Calls("system:serviceaccount:" + namespace + ":" + account)
	if err != nil {
		t.Fatal(err)
	}
	rules := rulesOf(t, r.kubectl(t, objects, "create", "--dry-run=client", "-o", "json", "-f", "-"))
	if len(calls) == 0 || len(rules) == 0 {
		t.Fatalf("%d calls, %d rules", len(calls), len(rules))
	}
	used := map[string]bool{}
	for _, c := range calls {
		if c.Response.Code == 403 {
			t.Errorf("refused: %s", c)
		}
		for _, rule := range rules {
			if rule.allows(c) {
				used[rule.String()] = true
			}
		}
	}
	for _, rule := range rules {
		if !used[rule.String()] && !slices.Contains(rare, rule.verb+" "+rule.resource) {
			t.Errorf("granted and not used: %s", rule)
		}
	}
}

// Rights that a run needs only once something has gone wrong, or after a month. Each is used under the eyes of an API server elsewhere: those of
// records and locks in test/lab/rigs, those of jobs in TestRunJobNeedsTheRightsThatItNames.
var (
	rareOfRecords = []string{
		"delete configmaps", // beyond the newest thirty
		"create leases",     // that of the bundle, when somebody has deleted it
	}
	rareOfJobs = []string{
		"list events",                // why there are no pods
		"delete pods", "delete jobs", // of an attempt whose time is over
		"get secrets", // one that was made, and the answer was lost
	}
)

// rule is one verb on one resource.
type rule struct{ namespace, verb, group, resource, name string }

func (r rule) String() string {
	return strings.Join(strings.Fields(strings.Join([]string{r.verb, r.resource, r.group, r.namespace, r.name}, " ")), " ")
}

func (r rule) allows(c labtest.Call) bool {
	resource := c.ObjectRef.Resource
	if c.ObjectRef.Subresource != "" {
		resource += "/" + c.ObjectRef.Subresource
	}
	return r.verb == c.Verb && r.group == c.ObjectRef.APIGroup && r.resource == resource &&
		(r.namespace == "" || r.namespace == c.ObjectRef.Namespace) && (r.name == "" || r.name == c.ObjectRef.Name)
}

// rulesOf takes a bundle's roles apart.
func rulesOf(t *testing.T, data string) (list []rule) {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(data))
	for decoder.More() {
		var document struct {
			Items []roleObject
			roleObject
		}
		if err := decoder.Decode(&document); err != nil {
			t.Fatal(err)
		}
		for _, o := range append(document.Items, document.roleObject) {
			list = append(list, o.rules()...)
		}
	}
	return list
}

type roleObject struct {
	Kind     string
	Metadata struct{ Namespace string }
	Rules    []struct{ Verbs, APIGroups, Resources, ResourceNames []string }
}

func (o roleObject) rules() (list []rule) {
	if o.Kind != "Role" && o.Kind != "ClusterRole" {
		return nil
	}
	for _, r := range o.Rules {
		if len(r.ResourceNames) == 0 {
			r.ResourceNames = []string{""}
		}
		for _, verb := range r.Verbs {
			for _, resource := range r.Resources {
				for _, name := range r.ResourceNames {
					list = append(list, rule{o.Metadata.Namespace, verb, r.APIGroups[0], resource, name})
				}
			}
		}
	}
	return list
}
