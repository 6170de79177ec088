package bundle

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"plan/internal/bundle/layout"
)

// What ConfigMaps carry: of each archive parts of workload.KubectlPart.
const (
	MaxTrees = 2 << 20   // all archives together
	maxNoted = 250 << 10 // what kubectl notes in an annotation, which hold 256 KiB together
)

// What the names of parts begin with that are not a file's own name, so no file has such a name.
const (
	archivePart = "archive-"
	filePart    = "file-"
)

// contents are the ConfigMaps, that of the plan first, and where what is in them goes.
type contents struct {
	maps  []*corev1.ConfigMap
	index layout.Index
}

// contents gives ConfigMaps names with a hash of what is in them, since they cannot be changed: a pod that runs goes on with what it was started
// with.
func (s *Spec) contents() (*contents, error) {
	plan := s.configMap()
	c := &contents{maps: []*corev1.ConfigMap{plan}}
	for i, f := range s.Files {
		part := partName(i, f.Path, plan)
		put(plan, part, f.Data)
		c.index.Files = append(c.index.Files, layout.File{Path: f.Path, Part: part})
	}
	for _, t := range s.Trees {
		s.addTree(c, t)
	}
	if len(s.Trees) > 0 {
		data, err := json.Marshal(c.index)
		if err != nil {
			return nil, fmt.Errorf("write the index of the parts: %w", err)
		}
		put(plan, layout.IndexName, data)
	}
	return c, errors.Join(s.namePlan(plan), distinct(c.maps))
}

// addTree adds the ConfigMaps of a tree, unless the same content is there already, for another place.
func (s *Spec) addTree(c *contents, t Tree) {
	tree := layout.Tree{Path: t.Path, Digest: t.Digest}
	for i := range t.Parts {
		tree.Parts = append(tree.Parts, fmt.Sprintf("%s%s-%04d", archivePart, short(t.Digest), i))
	}
	known := slices.ContainsFunc(c.index.Trees, func(other layout.Tree) bool { return other.Digest == t.Digest })
	if c.index.Trees = append(c.index.Trees, tree); known {
		return
	}
	for i, data := range t.Parts {
		m := s.configMap()
		m.Name, m.BinaryData = fmt.Sprintf("%s-source-%s-%d", s.Name, short(t.Digest), i), map[string][]byte{tree.Parts[i]: data}
		c.maps = append(c.maps, m)
	}
}

func (s *Spec) configMap() *corev1.ConfigMap {
	return &corev1.ConfigMap{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, ObjectMeta: s.meta(""), Immutable: new(true)}
}

// namePlan names the ConfigMap with the plan, and holds it against what kubectl can apply.
func (s *Spec) namePlan(m *corev1.ConfigMap) error {
	data, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode the configmap of the plan: %w", err)
	}
	sum := sha256.Sum256(data)
	m.Name = s.Name + "-plan-" + hex.EncodeToString(sum[:])[:10]
	if len(data) > maxNoted {
		return fmt.Errorf("the plan and the files that it names take %d bytes in a ConfigMap, and `kubectl apply` can handle %d: split the plan, give steps that are alike a matrix, or leave comments out", len(data), maxNoted)
	}
	return nil
}

// distinct refuses two contents under one name: their hashes are cut.
func distinct(list []*corev1.ConfigMap) error {
	seen := map[string]bool{}
	for _, m := range list {
		if seen[m.Name] {
			return fmt.Errorf("two directories would be in one ConfigMap %s, since the hashes of their content begin alike: change one of them", m.Name)
		}
		seen[m.Name] = true
	}
	return nil
}

// short is the beginning of a digest.
func short(digest string) string {
	digest = strings.TrimPrefix(digest, "sha256:")
	return digest[:min(10, len(digest))]
}

// partName is the file's own name where a ConfigMap can have such a key and has none yet.
func partName(i int, file string, m *corev1.ConfigMap) string {
	name := path.Base(file)
	_, text := m.Data[name]
	_, binary := m.BinaryData[name]
	ours := name == layout.IndexName || strings.HasPrefix(name, archivePart) || strings.HasPrefix(name, filePart)
	if text || binary || ours || len(validation.IsConfigMapKey(name)) > 0 {
		return fmt.Sprintf("%s%d", filePart, i)
	}
	return name
}

// put keeps what is text as such, for whoever reads the ConfigMap.
func put(m *corev1.ConfigMap, key string, data []byte) {
	if utf8.Valid(data) {
		if m.Data == nil {
			m.Data = map[string]string{}
		}
		m.Data[key] = string(data)
		return
	}
	if m.BinaryData == nil {
		m.BinaryData = map[string][]byte{}
	}
	m.BinaryData[key] = data
}

// Parts are the files that the init container finds, by name; none where the bundle has no trees and no init container.
func Parts(s *Spec) (map[string][]byte, error) {
	c, err := s.contents()
	if err != nil || len(s.Trees) == 0 {
		return nil, err
	}
	parts := map[string][]byte{}
	for _, m := range c.maps {
		maps.Copy(parts, m.BinaryData)
		for name, text := range m.Data {
			parts[name] = []byte(text)
		}
	}
	return parts, nil
}
