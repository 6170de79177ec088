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

// maxPath bounds a path: the library reads it by recursion.
const maxPath = 500

// parsePath reads {.status.phase}, .status.phase or status.phase; a dot in a key is escaped: metadata.labels.velero\.io/schedule-name.
func parsePath(text string) (*path, error) {
	bare := text
	if inner, ok := strings.CutPrefix(text, "{"); ok {
		bare, ok = strings.CutSuffix(inner, "}")
		if !ok {
			return nil, fmt.Errorf("path %q does not end with }", text)
		}
	}
	if bare = strings.TrimPrefix(bare, "."); bare == "" || len(bare) > maxPath || strings.ContainsAny(bare, "{}") {
		return nil, fmt.Errorf("%q is not one path such as status.completionTimestamp", text)
	}
	braced := "{." + bare + "}"
	parsed, err := jsonpath.Parse("", braced)
	if err != nil {
		return nil, fmt.Errorf("read path %q: %w", text, err)
	}
	if len(parsed.Root.Nodes) != 1 || !plain(parsed.Root.Nodes[0]) {
		return nil, fmt.Errorf("%q is not a path of fields, indices and filters alone, such as status.completionTimestamp", text)
	}
	p := &path{text: text, find: jsonpath.New("").AllowMissingKeys(true)}
	return p, p.find.Parse(braced)
}

// plain tells what leads to one value from the other things that a template of kubectl may hold: text, range, and the unions and
// recursive descents whose results multiply. Filters compare with text and numbers.
func plain(node jsonpath.Node) bool {
	switch node := node.(type) {
	case *jsonpath.ListNode:
		for _, inner := range node.Nodes {
			if !plain(inner) {
				return false
			}
		}
		return true
	case *jsonpath.FilterNode:
		return operand(node.Left) && operand(node.Right)
	case *jsonpath.FieldNode, *jsonpath.ArrayNode, *jsonpath.WildcardNode:
		return true
	}
	return false
}

// operand is one side of a filter: a plain path or a literal.
func operand(list *jsonpath.ListNode) bool {
	if len(list.Nodes) == 1 {
		switch list.Nodes[0].Type() {
		case jsonpath.NodeText, jsonpath.NodeInt, jsonpath.NodeFloat, jsonpath.NodeBool:
			return true
		}
	}
	return plain(list)
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
