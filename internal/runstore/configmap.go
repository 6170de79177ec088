package runstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"plan/internal/kube"
)

// What marks a ConfigMap as one of ours, and says what it is.
const (
	managedBy      = "app.kubernetes.io/managed-by"
	component      = "app.kubernetes.io/component"
	runLabel       = "plan/run"
	journalPart    = "run-journal"
	cancelPart     = "run-cancel"
	logsPart       = "run-logs"
	planNote       = "plan/plan"   // annotation: the plan's name
	writerNote     = "plan/writer" // annotation: who wrote last
	sequenceNote   = "plan/seq"    // annotation: the number of the write
	journalKey     = "journal"
	listedTogether = 20 // in a page: each may have more than a megabyte
)

// errForeignObject means that a ConfigMap of that name is not what its name says. It is left alone.
var errForeignObject = errors.New("there is a ConfigMap of that name which was not made for it")

// configMap is one as stored; what others added to its metadata stays.
type configMap struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Metadata   map[string]any    `json:"metadata"`
	Data       map[string]string `json:"data,omitempty"`
	BinaryData map[string][]byte `json:"binaryData,omitempty"`
}

func newConfigMap(r kube.Resource, name, id, part string) *configMap {
	return &configMap{APIVersion: "v1", Kind: "ConfigMap", Metadata: map[string]any{
		"name": name, "namespace": r.Namespace,
		"labels": map[string]any{managedBy: "plan", component: part, runLabel: id},
	}}
}

func decodeConfigMap(data []byte) (*configMap, error) {
	var m configMap
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("read configmap: %w", err)
	}
	if m.text("resourceVersion") == "" {
		return nil, errors.New("read configmap: it has no resourceVersion")
	}
	m.APIVersion, m.Kind = "v1", "ConfigMap" // an item of a list does not say so
	delete(m.Metadata, "managedFields")
	return &m, nil
}

func (m *configMap) text(name string) string {
	v, _ := m.Metadata[name].(string)
	return v
}

// within is a text in a map of the metadata.
func (m *configMap) within(where, name string) string {
	all, _ := m.Metadata[where].(map[string]any)
	v, _ := all[name].(string)
	return v
}

func (m *configMap) annotate(name, value string) {
	all, ok := m.Metadata["annotations"].(map[string]any)
	if !ok {
		all = map[string]any{}
		m.Metadata["annotations"] = all
	}
	all[name] = value
}

// is tells whether it was made by plan, for this run and purpose.
func (m *configMap) is(id, part string) bool {
	return m.within("labels", managedBy) == "plan" && m.within("labels", component) == part && m.within("labels", runLabel) == id
}

// ownedBy tells whether m goes when another goes.
func (m *configMap) ownedBy(owner *configMap) bool {
	list, _ := m.Metadata["ownerReferences"].([]any)
	return slices.ContainsFunc(list, func(item any) bool {
		ref, _ := item.(map[string]any)
		return ref["uid"] == owner.text("uid")
	})
}

// own lets m go when its owner goes, whoever deletes that.
func (m *configMap) own(owner *configMap) {
	m.Metadata["ownerReferences"] = []any{map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "name": owner.text("name"), "uid": owner.text("uid")}}
}

// stamp names a write: no two have the same writer and number.
type stamp struct {
	writer string
	seq    int64
}

func (m *configMap) stamp() stamp {
	seq, _ := strconv.ParseInt(m.within("annotations", sequenceNote), 10, 64) // what is no number is not ours
	return stamp{m.within("annotations", writerNote), seq}
}

func (m *configMap) sign(s stamp) {
	m.annotate(writerNote, s.writer)
	m.annotate(sequenceNote, strconv.FormatInt(s.seq, 10))
}
