package verifyobject

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// condition is met by an object or not.
type condition struct {
	text string // as the plan has it

	path  *path // nil: a condition of status.conditions
	value string

	kind, status string // Ready, True
}

// parseCondition reads what kubectl wait takes: Ready, Ready=False, and as {.status.phase}=Completed or status.phase=Completed the
// value at a path.
func parseCondition(text string) (*condition, error) {
	left, right, has := cutEquals(text)
	c := &condition{text: text}
	if looksLikePath(text) {
		if !has || right == "" {
			return nil, fmt.Errorf("%q does not say which value: write PATH=VALUE", text)
		}
		if strings.HasSuffix(left, "!") || strings.HasPrefix(right, "=") {
			return nil, fmt.Errorf("%q: only PATH=VALUE is possible, with one equals sign", text)
		}
		var err error
		c.path, err = parsePath(left)
		c.value = right
		return c, err
	}
	c.kind, c.status = left, "True"
	if has {
		c.status = right
	}
	if c.kind == "" || c.status == "" || strings.ContainsAny(text, " \t\n{}()!") || strings.Contains(c.status, "=") {
		return nil, fmt.Errorf("%q is neither a condition such as Ready or Ready=False, nor a value at a path such as status.phase=Completed", text)
	}
	return c, nil
}

// cutEquals cuts at the first equals sign that is not inside brackets, braces or quotes.
func cutEquals(s string) (before, after string, found bool) {
	depth, quote := 0, rune(0)
	for i, r := range s {
		switch {
		case quote != 0:
			if r == quote {
				quote = 0
			}
		case depth > 0 && (r == '"' || r == '\''):
			quote = r
		case strings.ContainsRune("[{(", r):
			depth++
		case strings.ContainsRune("]})", r):
			depth--
		case r == '=' && depth <= 0:
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

// errOutdated means that the condition tells of an earlier version of the object.
var errOutdated = errors.New("the status is of an earlier version of the object")

// unmet says why an object does not meet the condition; empty when it does. An error means that it cannot be told.
func (c *condition) unmet(object map[string]any) (string, error) {
	if c.path != nil {
		got, err := c.path.value(object)
		switch {
		case err != nil || got == c.value:
			return "", err
		case got == "":
			return "nothing at " + c.path.text, nil
		}
		return fmt.Sprintf("%s is %s, not %s", c.path.text, quote(got), quote(c.value)), nil
	}
	found := c.find(object)
	if found == nil {
		return "it has no condition " + c.kind, nil
	}
	if observed, generation := observed(object, found), number(nested(object, "metadata", "generation")); observed > 0 && observed < generation {
		return "", fmt.Errorf("%w: condition %s is of generation %d, the object of %d", errOutdated, c.kind, observed, generation)
	}
	status, _ := found["status"].(string)
	if strings.EqualFold(status, c.status) {
		return "", nil
	}
	why := fmt.Sprintf("condition %s is %s, not %s", c.kind, quote(status), quote(c.status))
	for _, key := range []string{"reason", "message"} {
		if text, _ := found[key].(string); text != "" {
			why += "; " + key + " " + quote(text)
		}
	}
	return why, nil
}

// find is the entry of status.conditions with the type, or nil. kubectl does not mind the case of letters either.
func (c *condition) find(object map[string]any) map[string]any {
	list, _ := nested(object, "status", "conditions").([]any)
	for _, item := range list {
		entry, _ := item.(map[string]any)
		if kind, _ := entry["type"].(string); strings.EqualFold(kind, c.kind) {
			return entry
		}
	}
	return nil
}

// observed is the generation that a condition tells of, 0 when nobody says.
func observed(object, entry map[string]any) int64 {
	if n := number(entry["observedGeneration"]); n > 0 {
		return n
	}
	return number(nested(object, "status", "observedGeneration"))
}

func nested(object map[string]any, keys ...string) any {
	var at any = object
	for _, key := range keys {
		m, _ := at.(map[string]any)
		at = m[key]
	}
	return at
}

func number(v any) int64 {
	n, _ := v.(int64)
	return n
}

// quote shows a value of an object, cut short.
func quote(s string) string {
	if r := []rune(s); len(r) > 120 {
		s = string(r[:120]) + "…"
	}
	return strconv.Quote(s)
}
