package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
	"gopkg.in/yaml.v3"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"plan/internal/objects"
	"plan/schema"
)

// printManifests prints objects as documents of YAML, as kubectl takes them.
func (a *app) printManifests(objects []runtime.Object) error {
	for _, object := range objects {
		text, err := manifest(object)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(a.out, "---\n%s", text); err != nil {
			return err
		}
	}
	return nil
}

// printList prints objects as a List, as kubectl takes it.
func (a *app) printList(objects []runtime.Object) error {
	if objects == nil {
		objects = []runtime.Object{}
	}
	encoder := json.NewEncoder(a.maskedJSON())
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(struct {
		APIVersion string           `json:"apiVersion"`
		Kind       string           `json:"kind"`
		Items      []runtime.Object `json:"items"`
	}{"v1", "List", objects})
}

// manifest is an object as YAML: the same as its JSON, keys sorted.
func manifest(object any) ([]byte, error) {
	value, err := plainValue(object)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	if err := encoder.Encode(manifestNode(value)); err != nil {
		return nil, fmt.Errorf("write a manifest: %w", err)
	}
	return b.Bytes(), encoder.Close()
}

// manifestNode is a value as YAML that all readers take for the same.
func manifestNode(value any) *yaml.Node {
	switch v := value.(type) {
	case string:
		return textNode(v, false)
	case []any:
		n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for _, item := range v {
			n.Content = append(n.Content, manifestNode(item))
		}
		return n
	case map[string]any:
		n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			n.Content = append(n.Content, textNode(key, true), manifestNode(v[key]))
		}
		return n
	}
	return schema.Node(value)
}

var (
	plainText = regexp.MustCompile(`^[A-Za-z/]([A-Za-z0-9_./@:-]*[A-Za-z0-9_./@-])?$`)
	lineText  = regexp.MustCompile(`^[!-~][ -~\n]*$`)
	notTexts  = []string{"true", "false", "yes", "no", "on", "off", "y", "n", "null"} // to one reader or another
)

// textNode is a text: plain where nobody can take it for anything else, a block where it has lines, else in quotes.
func textNode(s string, key bool) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s, Style: yaml.DoubleQuotedStyle}
	switch {
	case plainText.MatchString(s) && !slices.Contains(notTexts, strings.ToLower(s)):
		n.Style = 0
	case !key && strings.Contains(s, "\n") && lineText.MatchString(s):
		n.Style = yaml.LiteralStyle
	}
	return n
}

// plainValue is an object as JSON has it, with whole numbers as integers.
func plainValue(object any) (any, error) {
	data, err := json.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("encode an object: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil && err != io.EOF {
		return nil, fmt.Errorf("read an object again: %w", err)
	}
	return objects.Numbers(value), nil
}

// stopped says what does nothing before a run starts it.
func stopped(objects []runtime.Object) string {
	var job, deployment bool
	for _, object := range objects {
		switch o := object.(type) {
		case *batchv1.Job:
			job = job || o.Spec.Suspend != nil && *o.Spec.Suspend
		case *appsv1.Deployment:
			deployment = deployment || o.Spec.Replicas != nil && *o.Spec.Replicas == 0
		}
	}
	switch {
	case job && deployment:
		return "jobs are suspended, deployments have no replicas"
	case job:
		return "jobs are suspended"
	case deployment:
		return "deployments have no replicas"
	}
	return ""
}

const unknownMark = "UNKNOWN("

// unknowns lists the strings of an object in which something only a run can know stands: where, and what.
func unknowns(object runtime.Object) (lines []string, err error) {
	value, err := plainValue(object)
	if err != nil {
		return nil, err
	}
	o, _ := value.(map[string]any)
	meta, _ := o["metadata"].(map[string]any)
	delete(o, "binaryData") // base64
	who := strings.ToLower(fmt.Sprint(o["kind"])) + " " + fmt.Sprint(meta["name"])
	walkStrings("", value, func(path, text string) {
		for _, found := range marked(text) {
			lines = append(lines, who+": "+path+": "+found)
		}
	})
	return lines, nil
}

// walkStrings visits the strings below a value with their paths, in order.
func walkStrings(path string, value any, visit func(path, text string)) {
	switch v := value.(type) {
	case string:
		visit(path, v)
	case []any:
		for i, item := range v {
			walkStrings(fmt.Sprintf("%s[%d]", path, i), item, visit)
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			walkStrings(strings.TrimPrefix(path+"."+key, "."), v[key], visit)
		}
	}
}

// marked cuts the marks out of a text, to the bracket that closes each.
func marked(text string) (found []string) {
	for {
		_, rest, ok := strings.Cut(text, unknownMark)
		if !ok {
			return found
		}
		depth, end := 1, len(rest)
		for i, r := range rest {
			switch r {
			case '(':
				depth++
			case ')':
				depth--
			}
			if depth == 0 {
				end = i + 1
				break
			}
		}
		found = append(found, unknownMark+rest[:end])
		text = rest[end:]
	}
}

// checkKnown refuses objects whose name, namespace or labels only a run can know.
func checkKnown(r rendered) error {
	for _, object := range r.objects {
		data, err := json.Marshal(object)
		if err != nil {
			return fmt.Errorf("render step %s: %w", r.name(), err)
		}
		for _, path := range []string{"metadata.name", "metadata.namespace", "metadata.labels", "spec.template.metadata.labels"} {
			if strings.Contains(gjson.GetBytes(data, path).String(), unknownMark) {
				return fmt.Errorf("render step %s: %s depends on what only a run can know: %s", r.name(), path, gjson.GetBytes(data, path))
			}
		}
	}
	return nil
}
