package restore

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"plan/internal/objects"
)

// What the cluster itself says of a node. A label of one of these domains, or of one below, is not restored.
var (
	clusterDomains = []string{"beta.kubernetes.io", "node.kubernetes.io", "k3s.io", "rke2.io", "cattle.io"}
	clusterLabels  = []string{"kubernetes.io/arch", "kubernetes.io/os", "kubernetes.io/hostname",
		"node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master", "node-role.kubernetes.io/etcd"}
	taintDomains = []string{"node.kubernetes.io", "node.cloudprovider.kubernetes.io", "karpenter.sh", "node.cluster.x-k8s.io", "cluster-autoscaler.kubernetes.io"}
	// passingTaints are set by controllers and network or storage agents for a while: a node that gets one back may keep it for ever,
	// and one to be deleted is deleted. "*/x" is x of any domain, such as node.cilium.io or ebs.csi.aws.com.
	passingTaints = []string{"ToBeDeletedByClusterAutoscaler", "DeletionCandidateOfClusterAutoscaler", "*/agent-not-ready"}
	// networkDomains have annotations that hold a node's addresses: wrong ones break the network.
	networkDomains = []string{"flannel.alpha.coreos.com", "k3s.io", "rke2.io", "cattle.io", "node.kubernetes.io", "projectcalico.org", "cilium.io"}
)

func domain(name string) string {
	before, _, found := strings.Cut(name, "/")
	if !found {
		return ""
	}
	return before
}

func inDomain(name string, domains []string) bool {
	d := domain(name)
	return slices.ContainsFunc(domains, func(of string) bool { return d == of || strings.HasSuffix(d, "."+of) })
}

func clustersLabel(name string) bool {
	return inDomain(name, clusterDomains) || slices.Contains(clusterLabels, name)
}

func clustersTaint(key string) bool {
	return inDomain(key, taintDomains) ||
		slices.ContainsFunc(passingTaints, func(pattern string) bool { ok, _ := path.Match(pattern, key); return ok })
}

// CheckAnnotation wants a pattern that can match.
func CheckAnnotation(pattern string) error {
	if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
		return fmt.Errorf("annotation pattern %q: want the name of an annotation, with * for a part without slash", pattern)
	}
	return nil
}

// annotationMatches tells whether a pattern names an annotation. One in which network plugins or k3s keep addresses is named only by its
// domain in full.
func annotationMatches(pattern, name string) bool {
	ok, _ := path.Match(pattern, name)
	return ok && (!inDomain(name, networkDomains) || domain(pattern) == domain(name))
}

// taint is a taint of a node; a node has one for each key and effect.
type taint struct{ key, effect, value string }

func (t taint) String() string { return "taint " + t.key + ":" + t.effect }

// read gives the parts of a node that people set. What has another form than the API's is left out.
func read(node map[string]any) settings {
	meta, _ := node["metadata"].(map[string]any)
	s := settings{labels: texts(meta["labels"]), annotations: texts(meta["annotations"])}
	for _, entry := range taintsOf(node) {
		text := texts(entry)
		s.taints = append(s.taints, taint{text["key"], text["effect"], text["value"]})
	}
	return s
}

func taintsOf(node map[string]any) []any {
	spec, _ := node["spec"].(map[string]any)
	list, _ := spec["taints"].([]any)
	return list
}

func texts(v any) map[string]string {
	out := map[string]string{}
	entries, _ := v.(map[string]any)
	for name, value := range entries {
		if text, ok := value.(string); ok {
			out[name] = text
		}
	}
	return out
}

// merge decides entry by entry, and notes on the node what it comes to.
type merge struct {
	overwrite bool
	node      *Node
}

// take tells whether something is written: what is missing is, what is there with another value only with overwrite.
func (m merge) take(what string, want, has string, there bool) bool {
	switch {
	case there && want == has:
		return false
	case there && !m.overwrite:
		m.node.Different = append(m.node.Different, what)
		return false
	}
	m.node.Add = append(m.node.Add, what)
	return true
}

func (m merge) entries(what string, want, has map[string]string) map[string]any {
	changes := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		value, there := has[name]
		if m.take(what+" "+name, want[name], value, there) {
			changes[name] = want[name]
		}
	}
	return changes
}

// taints is the whole list with the changes, for a merge patch replaces lists; nil if there are none.
func (m merge) taints(want []taint, node map[string]any) []any {
	list := slices.Clone(taintsOf(node))
	changed := false
	for _, w := range want {
		at := slices.IndexFunc(list, func(entry any) bool { text := texts(entry); return text["key"] == w.key && text["effect"] == w.effect })
		has := ""
		if at >= 0 {
			has = texts(list[at])["value"]
		}
		if !m.take(w.String(), w.value, has, at >= 0) {
			continue
		}
		changed = true
		entry := map[string]any{"key": w.key, "effect": w.effect}
		if w.value != "" {
			entry["value"] = w.value
		}
		if at >= 0 {
			list[at] = entry
		} else {
			list = append(list, entry)
		}
	}
	if !changed {
		return nil
	}
	return list
}

// nodePatch is the merge patch for a node, if it still is what was read.
func nodePatch(node map[string]any, labels, annotations map[string]any, taints []any) ([]byte, error) {
	meta, _ := node["metadata"].(map[string]any)
	change := map[string]any{"resourceVersion": meta["resourceVersion"]}
	if len(labels) > 0 {
		change["labels"] = labels
	}
	if len(annotations) > 0 {
		change["annotations"] = annotations
	}
	patch := map[string]any{"metadata": change}
	if taints != nil {
		patch["spec"] = map[string]any{"taints": taints}
	}
	return json.Marshal(patch)
}

// patched is the normal form of an object with a patch.
func patched(live json.RawMessage, patch []byte) (json.RawMessage, error) {
	after, err := jsonpatch.MergePatch(live, patch)
	if err != nil {
		return nil, err
	}
	return objects.Clean(after)
}

func conflict(err error) bool { return apierrors.IsConflict(err) }
