package schema

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// fault is one rule that a node of a document breaks.
type fault struct {
	v       *Validator
	doc     *Document
	node    *yaml.Node
	path    string
	keyword string         // the rule: required
	value   any            // what it asks for: a list of names
	parent  map[string]any // the schema that it stands in
	said    string         // the library's own words
}

// rule gives the keyword at a location of the bundle, its value, and the schema it stands in.
func (v *Validator) rule(location string) (keyword string, value any, parent map[string]any) {
	_, pointer, _ := strings.Cut(location, "#")
	var at any = v.raw
	for _, token := range pointerTokens(pointer) {
		switch node := at.(type) {
		case map[string]any:
			parent, keyword, at = node, token, node[token]
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i >= len(node) {
				return keyword, nil, parent
			}
			at = node[i]
		}
	}
	return keyword, at, parent
}

func (f *fault) problem(n *yaml.Node, path, format string, args ...any) Problem {
	return f.doc.Problem(n, path, fmt.Sprintf(format, args...))
}

func (f *fault) problems() Problems {
	switch f.keyword {
	case "additionalProperties":
		return f.unknownFields()
	case "required":
		return f.missingFields()
	case "enum":
		return Problems{f.notOneOf()}
	case "uniqueItems":
		return Problems{f.twice()}
	}
	if f.dependent() {
		return Problems{f.pointless()}
	}
	return Problems{f.problem(f.node, f.path, "%s", f.message())}
}

func (f *fault) comment() string {
	comment, _ := f.parent["$comment"].(string)
	return comment
}

// isSecret tells whether the schema is that of values that must not stand in a file: a mapping of from alone.
func (f *fault) isSecret() bool {
	fields := keys(f.parent["properties"])
	return f.parent["type"] == "object" && len(fields) == 1 && fields[0] == "from"
}

func (f *fault) unknownFields() (ps Problems) {
	known := keys(f.parent["properties"])
	for i := 0; i+1 < len(f.node.Content) && len(ps) < MaxProblems; i += 2 {
		if key := f.node.Content[i]; !slices.Contains(known, key.Value) {
			ps = append(ps, f.unknownField(key, known))
		}
	}
	return ps
}

func (f *fault) unknownField(key *yaml.Node, known []string) Problem {
	path := Join(f.path, key.Value)
	if f.v.isLater(path) {
		return f.problem(key, path, "%s is not in this version of plan", key.Value)
	}
	if f.isSecret() && slices.Contains(sources, key.Value) {
		return f.problem(key, path, "%s stands below from: write {from: {%[1]s: …}}", key.Value)
	}
	p := f.problem(key, path, "unknown field %q", key.Value)
	if p.Suggestion = Suggest(key.Value, known); p.Suggestion == "" && len(known) > 0 {
		p.Message += "; known are " + strings.Join(known, ", ")
	}
	return p
}

// sources are where values may come from.
var sources = []string{"env", "file", "kubernetes", "bitwarden", "exec"}

func (f *fault) missingFields() (ps Problems) {
	list, _ := f.value.([]any)
	for _, item := range list {
		name, _ := item.(string)
		if Field(f.node, name) != nil || f.misspelt(name) {
			continue
		}
		ps = append(ps, f.problem(f.node, f.path, "missing field %q%s", name, f.meaning(name)))
	}
	return ps
}

// dependent tells whether the rule is a dependentRequired. Its keyword is then the field that needs another, its value the other.
func (f *fault) dependent() bool {
	_, other := f.value.(string)
	_, rule := f.parent[f.keyword].([]any)
	return other && rule && Field(f.node, f.keyword) != nil
}

// pointless points at a field that means nothing without another.
func (f *fault) pointless() Problem {
	key, _ := entry(f.node, f.keyword)
	return f.problem(key, Join(f.path, f.keyword), "%s means nothing without %v", f.keyword, f.value)
}

// misspelt tells whether an unknown field, which is reported anyway, is probably the missing one.
func (f *fault) misspelt(name string) bool {
	known := keys(f.parent["properties"])
	for i := 0; i+1 < len(f.node.Content) && i < 200; i += 2 {
		key := f.node.Content[i].Value
		if slices.Contains(known, key) || len(known) == 0 {
			continue
		}
		if Suggest(key, known) == name || f.isSecret() && slices.Contains(sources, key) {
			return true
		}
	}
	return false
}

// meaning says what a field is for, in the first sentence of its description.
func (f *fault) meaning(name string) string {
	properties, _ := f.parent["properties"].(map[string]any)
	property, _ := properties[name].(map[string]any)
	if ref, ok := property["$ref"].(string); ok && name == "with" {
		kind := strings.TrimPrefix(ref, "#/$defs/kind.")
		defs, _ := f.v.raw["$defs"].(map[string]any)
		with, _ := defs["kind."+kind].(map[string]any)
		return fmt.Sprintf(": %s needs %s", kind, strings.Join(needs(with), " and "))
	}
	description, _ := property["description"].(string)
	if description == "" {
		return ""
	}
	first, _, _ := strings.Cut(description, ". ")
	return ": " + strings.TrimRight(first, ".")
}

func (f *fault) notOneOf() Problem {
	list, _ := f.value.([]any)
	names := texts(list)
	if strings.HasSuffix(f.path, ".uses") && f.v.later["uses: "+f.node.Value] {
		return f.problem(f.node, f.path, "the kind %s is not in this version of plan", f.node.Value)
	}
	p := f.problem(f.node, f.path, "%s is not one of %s", show(f.node), strings.Join(names, ", "))
	if f.node.Kind == yaml.ScalarNode {
		p.Suggestion = Suggest(f.node.Value, names)
	}
	return p
}

// twice points at the second of two equal entries.
func (f *fault) twice() Problem {
	seen := map[string]bool{}
	for i, item := range f.node.Content {
		text := fmt.Sprintf("%T %[1]v", Value(item))
		if seen[text] {
			return f.problem(item, fmt.Sprintf("%s[%d]", f.path, i), "%s stands twice in the list", show(item))
		}
		seen[text] = true
	}
	return f.problem(f.node, f.path, "an entry stands twice in the list")
}

func (f *fault) message() string {
	if strings.HasSuffix(f.keyword, "Properties") && f.parent["minProperties"] == 1.0 && f.parent["maxProperties"] == 1.0 {
		return "must have exactly one of " + strings.Join(keys(f.parent["properties"]), ", ")
	}
	switch f.keyword {
	case "type":
		return f.wrongType()
	case "const":
		return fmt.Sprintf("must be %v, got %s", f.value, show(f.node))
	case "pattern", "not", "minLength", "maxLength":
		return f.wrongText()
	case "minimum":
		return fmt.Sprintf("must be at least %s, got %s", inFull(f.value), f.node.Value)
	case "maximum":
		return fmt.Sprintf("must be at most %s, got %s", inFull(f.value), f.node.Value)
	case "minItems", "minProperties":
		return fmt.Sprintf("must have at least %v %s", f.value, unit(f.keyword, f.value))
	case "maxItems", "maxProperties":
		return fmt.Sprintf("must have at most %v %s", f.value, unit(f.keyword, f.value))
	}
	return f.said
}

func (f *fault) wrongType() string {
	if f.isSecret() && f.node.Kind == yaml.ScalarNode && f.node.Tag != "!!null" && f.comment() != "" {
		return f.comment()
	}
	message := "expected " + typeNames(f.value) + ", got " + show(f.node)
	if strings.HasPrefix(f.comment(), "expected ") { // the words of what the type follows from
		message = f.comment()
	}
	switch {
	case f.node.Kind == yaml.ScalarNode && f.node.Tag == "!!null":
		return message + "; give it a value, or remove the key"
	case f.value == "string" && f.node.Kind == yaml.ScalarNode, f.keyword == "type" && f.node.Tag == "!!float" && f.admitsString():
		return message + "; quote it"
	}
	return message
}

// admitsString tells whether a value would do as a string.
func (f *fault) admitsString() bool {
	list, ok := f.value.([]any)
	return ok && slices.Contains(list, any("string")) && !slices.Contains(list, any("number"))
}

func (f *fault) wrongText() string {
	if _, err := ParseDuration(f.node.Value); err != nil && (f.value == DurationPattern || f.parent["pattern"] == DurationPattern) {
		return err.Error()
	}
	comment := f.comment()
	if never, ok := f.value.(map[string]any); ok && len(never) == 0 && comment != "" { // not: {}
		return comment
	}
	if comment == "" {
		switch f.keyword {
		case "minLength":
			return fmt.Sprintf("must have at least %v %s", f.value, unit(f.keyword, f.value))
		case "maxLength":
			return fmt.Sprintf("must have at most %v %s", f.value, unit(f.keyword, f.value))
		}
		comment, _ = f.parent["description"].(string)
	}
	if comment == "" {
		comment = fmt.Sprintf("it must match %v", f.value)
	}
	return show(f.node) + " is not valid: " + comment
}
