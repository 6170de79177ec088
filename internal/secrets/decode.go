package secrets

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"gopkg.in/yaml.v3"

	"plan/internal/printable"
)

// UnmarshalYAML reads a string, or `{from: {…}}` with exactly one source. All that is wrong comes as one *yaml.TypeError.
// (yaml.v3 does not call it for null, which leaves the field as it was.)
func (v *Value) UnmarshalYAML(n *yaml.Node) error {
	var d decoder
	switch {
	case n.Kind == yaml.MappingNode:
		v.Literal, v.From = "", d.from(n)
	case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str":
		v.Literal, v.From = n.Value, nil
	case n.Kind == yaml.ScalarNode:
		d.add(n, "want a string, not %s: put it in quotes", n.ShortTag())
	default:
		d.add(n, "want a string or {from: …}")
	}
	return d.err()
}

// UnmarshalYAML reads `{from: {…}}` with exactly one source. A literal is refused, and never repeated in the message.
func (s *Secret) UnmarshalYAML(n *yaml.Node) error {
	var d decoder
	if n.Kind == yaml.MappingNode {
		s.From = d.from(n)
	} else {
		d.add(n, "a secret is never written into a plan: take it by from:, for example {from: {env: NAME}}")
	}
	return d.err()
}

// UnmarshalYAML reads what stands below `from:`.
func (s *Source) UnmarshalYAML(n *yaml.Node) error {
	var d decoder
	if src := d.source(n); src != nil {
		*s = *src
	}
	return d.err()
}

// decoder collects problems, so that all come at once.
type decoder struct{ problems []string }

func (d *decoder) add(n *yaml.Node, format string, args ...any) {
	d.problems = append(d.problems, fmt.Sprintf("line %d: column %d: ", n.Line, n.Column)+fmt.Sprintf(format, args...))
}

func (d *decoder) err() error {
	if len(d.problems) == 0 {
		return nil
	}
	return &yaml.TypeError{Errors: d.problems}
}

func (d *decoder) from(n *yaml.Node) *Source {
	fields := d.mapping(n, "", "from")
	if fields["from"] == nil {
		if len(n.Content) == 0 {
			d.add(n, "want from:")
		}
		return nil
	}
	return d.source(fields["from"])
}

const sourceNames = "env, file, kubernetes, bitwarden, exec"

func (d *decoder) source(n *yaml.Node) *Source {
	if n.Kind != yaml.MappingNode || len(n.Content) != 2 {
		d.add(n, "from: want exactly one of %s", sourceNames)
		return nil
	}
	before := len(d.problems)
	var s Source
	switch key, value := n.Content[0], n.Content[1]; key.Value {
	case "env":
		s.Env = d.text(value, "from.env")
	case "file":
		s.File = d.text(value, "from.file")
	case "kubernetes":
		s.Kubernetes = d.kubernetes(value)
	case "bitwarden":
		s.Bitwarden = d.bitwarden(value)
	case "exec":
		s.Exec = d.exec(value)
	default:
		d.add(key, "from: unknown source %q; want one of %s", key.Value, sourceNames)
	}
	if len(d.problems) > before {
		return nil
	}
	return &s
}

func (d *decoder) kubernetes(n *yaml.Node) Kubernetes {
	const path = "from.kubernetes"
	f := d.mapping(n, path, "namespace", "name", "key")
	var k Kubernetes
	if f == nil {
		return k
	}
	k.Name, k.Key = d.required(n, f, path, "name"), d.required(n, f, path, "key")
	if f["namespace"] != nil {
		k.Namespace = d.text(f["namespace"], path+".namespace")
	}
	return k
}

func (d *decoder) bitwarden(n *yaml.Node) Bitwarden {
	const path = "from.bitwarden"
	f := d.mapping(n, path, "id", "project", "key")
	var b Bitwarden
	switch {
	case f == nil:
	case f["id"] != nil && (f["project"] != nil || f["key"] != nil):
		d.add(n, "%s: want id, or project and key, not both", path)
	case f["id"] != nil:
		b.ID = d.text(f["id"], path+".id")
		if id, ok := canonicalUUID(b.ID); ok {
			b.ID = id
		} else if b.ID != "" {
			d.add(f["id"], "%s.id: %q is not a UUID", path, b.ID)
		}
	case f["project"] == nil && f["key"] == nil:
		d.add(n, "%s: want id, or project and key", path)
	default:
		b.Project, b.Key = d.required(n, f, path, "project"), d.required(n, f, path, "key")
		if id, ok := canonicalUUID(b.Project); ok {
			b.Project = id
		}
	}
	return b
}

// mapping gives the fields of a mapping by name, nil if it is none. Unknown and repeated keys are problems.
func (d *decoder) mapping(n *yaml.Node, path string, allowed ...string) map[string]*yaml.Node {
	if path != "" {
		path += ": "
	}
	if n.Kind != yaml.MappingNode {
		d.add(n, "%swant a mapping with %s", path, strings.Join(allowed, ", "))
		return nil
	}
	fields := make(map[string]*yaml.Node, len(allowed))
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		switch {
		case !slices.Contains(allowed, key.Value):
			d.add(key, "%sunknown field %q; want %s", path, key.Value, strings.Join(allowed, ", "))
		case fields[key.Value] != nil:
			d.add(key, "%sfield %q twice", path, key.Value)
		default:
			fields[key.Value] = n.Content[i+1]
		}
	}
	return fields
}

func (d *decoder) required(n *yaml.Node, fields map[string]*yaml.Node, path, name string) string {
	if fields[name] == nil {
		d.add(n, "%s: %s is missing", path, name)
		return ""
	}
	return d.text(fields[name], path+"."+name)
}

// text reads a name: a string that is not empty. Names end up in messages and requests, so control characters are refused.
func (d *decoder) text(n *yaml.Node, path string) string {
	switch {
	case n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str":
		d.add(n, "%s: want a string", path)
	case n.Value == "":
		d.add(n, "%s: is empty", path)
	case printable.String(n.Value) != n.Value:
		d.add(n, "%s: has a control or invisible character", path)
	case strings.Contains(n.Value, "${{"):
		d.add(n, "%s: ${{ }} is not evaluated in from:", path)
	default:
		return n.Value
	}
	return ""
}

// canonicalUUID is id in lower case, with dashes. Braces and the urn: form are not taken.
func canonicalUUID(id string) (string, bool) {
	if len(id) != 36 {
		return "", false
	}
	u, err := uuid.Parse(id)
	return u.String(), err == nil
}
