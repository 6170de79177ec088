package restoretest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"plan/internal/kube"
	"plan/internal/kube/kubetest"
)

// Thing is an object of a made-up cluster.
type Thing struct {
	Resource kube.Resource // with the namespace
	Kind     string
	Name     string
	Object   json.RawMessage // as it would be created; without apiVersion and kind, as in a list of the server
}

// Create is the object as it would be sent.
func (t Thing) Create() json.RawMessage {
	return append(fmt.Appendf(nil, `{"apiVersion":%q,"kind":%q,`, t.Resource.APIVersion(), t.Kind), t.Object[1:]...)
}

// Bound tells whether it is a volume that a claim of the cluster names.
func (t Thing) Bound() bool {
	return t.Kind == "PersistentVolume" && strings.HasPrefix(t.Name, "pair-")
}

type object = map[string]any

// cluster makes things up.
type cluster struct {
	*rand.Rand
	things     []Thing
	namespaces []string
	classes    []string
	defaults   bool // there is a default class
}

// Cluster makes up about n classes, volumes and claims, of all sorts that a home or small office has, with namespaces for them. A real API
// server takes them, and its volume controller binds each volume that is Bound and no other. Equal generators give equal clusters.
func Cluster(r *rand.Rand, n int) []Thing {
	c := &cluster{Rand: r}
	for i := range 1 + n/100 {
		c.namespace(i)
	}
	for i := range 2 + n/50 {
		c.class(i)
	}
	for i := 0; len(c.things) < n; i++ {
		switch c.IntN(10) {
		case 0:
			c.volume(fmt.Sprintf("free-%d", i), c.anyClass(), nil)
		case 1: // kept for a claim that is to come
			c.volume(fmt.Sprintf("kept-%d", i), c.anyClass(), object{"namespace": c.pick(c.namespaces), "name": fmt.Sprintf("not-yet-%d", i)})
		case 2:
			c.claim(fmt.Sprintf("waits-%d", i), c.pick(c.namespaces), object{"storageClassName": "nobody-has-this"}, "1Gi")
		default:
			c.pair(i)
		}
	}
	return c.things
}

// Nodes makes up n nodes.
func Nodes(r *rand.Rand, n int) []Thing {
	c := &cluster{Rand: r}
	for i := range n {
		name := fmt.Sprintf("node-%d%s", i, c.pick([]string{"", ".lan", "-x9.example.net"}))
		meta := c.meta(name)
		labels := c.strings(meta, "labels")
		for key, value := range map[string]string{
			"kubernetes.io/hostname": name, "kubernetes.io/arch": "amd64", "node.kubernetes.io/instance-type": "k3s", "zone.example/a": "b",
			"node-role.kubernetes.io/control-plane": "true", "node-role.kubernetes.io/worker": "", "svccontroller.k3s.cattle.io/pool": "p",
		} {
			if c.IntN(2) == 0 {
				labels[key] = value
			}
		}
		c.strings(meta, "annotations")["flannel.alpha.coreos.com/public-ip"] = fmt.Sprintf("192.0.2.%d", i%250)
		spec := object{}
		if c.IntN(2) == 0 {
			spec["taints"] = []any{
				object{"key": "dedicated.example/gpu", "value": c.pick([]string{"", "yes", "no"}), "effect": c.pick([]string{"NoSchedule", "PreferNoSchedule"})},
			}
		}
		c.add(kube.Resource{Version: "v1", Resource: "nodes"}, "Node", name, object{"metadata": meta, "spec": spec})
	}
	return c.things
}

// Fill puts things into a server, each with a UID, and an unknown field in each spec.
func Fill(t testing.TB, s *kubetest.Server, things []Thing) {
	t.Helper()
	for i, thing := range things {
		var o object
		if err := json.Unmarshal(thing.Object, &o); err != nil {
			t.Fatal(err)
		}
		o["metadata"].(object)["uid"] = fmt.Sprintf("old-%d", i)
		if spec, ok := o["spec"].(object); ok {
			spec["fieldOfTomorrow"] = []any{i, nil, object{"": "<&>"}}
		}
		data, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		s.Add(thing.Resource, thing.Kind, string(data))
	}
}

func (c *cluster) pick(from []string) string { return from[c.IntN(len(from))] }

func (c *cluster) add(r kube.Resource, kind, name string, o object) {
	data, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	c.things = append(c.things, Thing{Resource: r, Kind: kind, Name: name, Object: data})
}

// words are values that have to survive quoting of every sort.
var words = []string{"a", "", "true", "1.0", `{"json":[1,null]}`, "two\nlines\ttab", `quote " back \ slash`, "ünïcödé 🗄", "<b>&amp;</b>", "\u202eright to left", "${{ params.x }}", "%s %d", "null"}

func (c *cluster) meta(name string) object {
	meta := object{"name": name}
	for i := range c.IntN(3) {
		c.strings(meta, "labels")[fmt.Sprintf("l%d.example/x_%d", i, c.IntN(100))] = c.pick([]string{"", "v", "A.b_c-9", strings.Repeat("x", 63)})
	}
	for i := range c.IntN(4) {
		c.strings(meta, "annotations")[fmt.Sprintf("a%d.example.net/Key", i)] = c.pick(words)
	}
	return meta
}

// strings is a map of metadata, made when it is asked for.
func (c *cluster) strings(meta object, field string) object {
	m, ok := meta[field].(object)
	if !ok {
		m = object{}
		meta[field] = m
	}
	return m
}

func (c *cluster) namespace(i int) {
	name := fmt.Sprintf("ns-%d-%08x", i, c.Uint32()) // namespaces outlive what is in them, so each cluster has its own
	meta := c.meta(name)
	c.strings(meta, "labels")["kubernetes.io/metadata.name"] = name
	c.namespaces = append(c.namespaces, name)
	c.add(kube.Resource{Version: "v1", Resource: "namespaces"}, "Namespace", name, object{"metadata": meta})
}

func (c *cluster) class(i int) {
	name := fmt.Sprintf("%s-%d", c.pick([]string{"longhorn", "local-path", "nfs.v4", "fast"}), i)
	meta := c.meta(name)
	if !c.defaults && c.IntN(4) == 0 {
		c.defaults = true
		c.strings(meta, "annotations")["storageclass.kubernetes.io/is-default-class"] = "true"
	}
	o := object{
		"metadata": meta, "provisioner": c.pick([]string{"driver.longhorn.io", "rancher.io/local-path", "nfs.csi.k8s.io", "kubernetes.io/no-provisioner"}),
		"reclaimPolicy": c.pick([]string{"Delete", "Retain"}), "volumeBindingMode": c.pick([]string{"Immediate", "WaitForFirstConsumer"}),
	}
	if c.IntN(2) == 0 {
		o["parameters"] = object{"numberOfReplicas": "3", "odd key": c.pick(words), "recurringJobSelector": `[{"name":"nightly","isGroup":true}]`}
		o["allowVolumeExpansion"] = c.IntN(2) == 0
		o["mountOptions"] = []any{"noatime", "nfsvers=4.1"}
	}
	c.classes = append(c.classes, name)
	c.add(kube.Resource{Group: "storage.k8s.io", Version: "v1", Resource: "storageclasses"}, "StorageClass", name, o)
}

// anyClass is a class there is, one there is not, or none.
func (c *cluster) anyClass() string {
	return c.pick(append([]string{"", "gone"}, c.classes...))
}
