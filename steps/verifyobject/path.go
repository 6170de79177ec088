package verifyobject

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"k8s.io/client-go/util/jsonpath"
)

// path is a JSONPath as kubectl has it. It is not safe for concurrent use.
type path struct {
	text string // as the plan has it
	find *jsonpath.JSONPath
}

// parsePath reads {.status.phase}, .status.phase or status.phase; a dot in a key is escaped: metadata.labels.velero\.io/schedule-name.
func parsePath(text string) (*path, error) {
	braced := text
	switch {
	case strings.HasPrefix(text, "{"):
	case strings.HasPrefix(text, "."), strings.HasPrefix(text, "["):
		braced = "{" + text + "}"
	default:
		braced = "{." + text + "}"
	}
	parsed, err := jsonpath.Parse("", braced)
	if err != nil {
		return nil, fmt.Errorf("read path %q: %w", text, err)
	}
	if !single(parsed.Root) {
		return nil, fmt.Errorf("%q is not one path such as status.completionTimestamp", text)
	}
	p := &path{text: text, find: jsonpath.New("").AllowMissingKeys(true)}
	return p, p.find.Parse(braced)
}

// single tells a plain path from the other things that a template of kubectl may hold: text, range, several paths.
func single(root *jsonpath.ListNode) bool {
	if len(root.Nodes) != 1 {
		return false
	}
	list, ok := root.Nodes[0].(*jsonpath.ListNode)
	if !ok || len(list.Nodes) == 0 {
		return false
	}
	for _, node := range list.Nodes {
		switch node.Type() {
		case jsonpath.NodeField, jsonpath.NodeArray, jsonpath.NodeFilter, jsonpath.NodeWildcard, jsonpath.NodeRecursive, jsonpath.NodeUnion:
		default:
			return false
		}
	}
	return true
}

var (
	errSeveral = errors.New("there are several values")
	errNoText  = errors.New("there is a mapping or a list")
)

// value is the one value at the path, as text; empty when there is none, or null. The error holds nothing of the object.
func (p *path) value(object map[string]any) (string, error) {
	results, err := p.find.FindResults(object)
	if err != nil {
		return "", fmt.Errorf("find %s: %w", p.text, err)
	}
	text, seen := "", false
	for _, list := range results {
		for _, v := range list {
			if seen {
				return "", fmt.Errorf("read %s: %w", p.text, errSeveral)
			}
			seen = true
			if !v.IsValid() || !v.CanInterface() {
				continue
			}
			if text, err = scalar(v.Interface()); err != nil {
				return "", fmt.Errorf("read %s: %w", p.text, err)
			}
		}
	}
	return text, nil
}

func scalar(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64), nil
	}
	return "", errNoText
}
