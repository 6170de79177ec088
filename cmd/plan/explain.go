package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"plan/schema"
	"plan/steps"
)

// ExplainCmd documents kinds and fields, like kubectl explain.
type ExplainCmd struct {
	Path   string `arg:"" optional:"" help:"A kind or a field of it (prune.keep.last), or a field of the plan (spec.steps.retry). Without it: the kinds." placeholder:"KIND[.FIELD]"`
	Readme bool   `help:"Print all there is to know of a kind, as Markdown."`
}

// planFields are the words that a path into the plan itself begins with.
var planFields = []string{"apiVersion", "kind", "metadata", "spec"}

// Run is `plan explain`.
func (c *ExplainCmd) Run(a *app) error {
	lang, err := newLanguage()
	if err != nil {
		return err
	}
	if c.Path == "" {
		return explainKinds(a, lang)
	}
	name, below, _ := strings.Cut(c.Path, ".")
	kind, known := lang.kinds[name]
	switch path, inPlan := planPath(lang, c.Path); {
	case known && c.Readme:
		_, err := fmt.Fprint(a.out, kind.Doc)
		return err
	case known:
		return explainKind(a, lang, kind, below)
	case inPlan && !c.Readme:
		e := explained{app: a, lang: lang, what: "PLAN", name: "plan", description: "A plan: typed steps for Kubernetes clusters.", properties: lang.Properties("")}
		return e.print(path)
	}
	return unknownKind(lang, name)
}

func explainKinds(a *app, lang *language) error {
	for _, name := range slices.Sorted(maps.Keys(lang.kinds)) {
		fmt.Fprintf(a.out, "%-16s %s\n", name, summary(lang.kinds[name]))
	}
	_, err := fmt.Fprintln(a.out, "\n`plan explain KIND` tells a kind's fields and outputs, `plan explain spec` the fields of the plan itself.")
	return err
}

func unknownKind(lang *language, name string) error {
	names := append(slices.Sorted(maps.Keys(lang.kinds)), "spec", "metadata")
	err := fmt.Errorf("there is no kind %q", name)
	if suggestion := schema.Suggest(name, names); suggestion != "" {
		err = fmt.Errorf("%w (did you mean %q?)", err, suggestion)
	}
	return usage(fmt.Errorf("%w; known are %s", err, strings.Join(names, ", ")))
}

// planPath reads a path into the plan. "plan" is the plan itself, and spec may be left out, as with --set.
func planPath(lang *language, path string) (string, bool) {
	first, _, _ := strings.Cut(path, ".")
	first, _, _ = strings.Cut(first, "[")
	switch {
	case first == "plan":
		return strings.TrimPrefix(strings.TrimPrefix(path, "plan"), "."), true
	case slices.Contains(planFields, first):
		return path, true
	}
	_, ok := findProperty(lang.Properties(""), "spec."+first)
	return "spec." + path, ok
}

func explainKind(a *app, lang *language, kind steps.Kind, below string) error {
	e := explained{app: a, lang: lang, what: "KIND", name: kind.Name, description: summary(kind), properties: lang.Properties("kind." + kind.Name)}
	if err := e.print(below); err != nil || below != "" {
		return err
	}
	if len(kind.Outputs) > 0 {
		fmt.Fprintln(a.out, "\nOUTPUTS")
		for _, o := range kind.Outputs {
			fmt.Fprintf(a.out, "  %s <%s>\n      %s\n", o.Name, o.Type, o.Doc)
		}
	}
	_, err := fmt.Fprintf(a.out, "\n`plan explain %s --readme` tells more; it is steps/%s/README.md.\n", kind.Name, strings.ReplaceAll(kind.Name, "-", ""))
	return err
}

// explained is a kind or the plan, whose fields are to be printed.
type explained struct {
	app         *app
	lang        *language
	what, name  string
	description string
	properties  []schema.Property
}

// print prints one field with what stands directly below it, or all at the top.
func (e explained) print(below string) error {
	if below == "" {
		fmt.Fprintf(e.app.out, "%s  %s\n\n  %s\n", e.what, e.name, e.description)
		e.fields("FIELDS", e.properties, nil)
		return nil
	}
	own, ok := findProperty(e.properties, below)
	if !ok {
		return e.unknown(below)
	}
	name := own.Name()
	if e.what == "KIND" {
		name = e.name + "." + name
	}
	fmt.Fprintf(e.app.out, "%s  %s\nTYPE  %s\n\n  %s\n", e.what, name, typeText(own), own.Description)
	switch {
	case own.Secret || own.Value:
		e.fields("FROM, one of", e.lang.Properties("source"), nil)
	case own.Mapping:
		e.fields("FIELDS", e.properties, own.Path)
	default:
		e.fields("FIELDS of each", e.properties, own.Path)
	}
	return nil
}

// fields lists those directly below a path, required ones first.
func (e explained) fields(header string, properties []schema.Property, base []string) {
	var list []schema.Property
	for _, p := range properties {
		if len(p.Path) == len(base)+1 && slices.Equal(p.Path[:len(base)], base) {
			list = append(list, p)
		}
	}
	if len(list) == 0 {
		return
	}
	slices.SortStableFunc(list, func(a, b schema.Property) int { return rank(a) - rank(b) })
	fmt.Fprintf(e.app.out, "\n%s\n", header)
	for _, p := range list {
		fmt.Fprintf(e.app.out, "  %s <%s>\n      %s\n", p.Path[len(base)], typeText(p), p.Description)
	}
}

func rank(p schema.Property) int {
	if p.Required {
		return 0
	}
	return 1
}

func (e explained) unknown(below string) error {
	var names []string
	for _, p := range e.properties {
		names = append(names, p.Name())
	}
	err := fmt.Errorf("%s has no field %q", e.name, below)
	if suggestion := schema.Suggest(below, names); suggestion != "" {
		return usage(fmt.Errorf("%w (did you mean %q?)", err, suggestion))
	}
	return usage(fmt.Errorf("%w; `plan explain %s` lists what there is", err, e.name))
}

// index is how people point at an entry of a list.
var index = regexp.MustCompile(`\[\d*\]`)

// findProperty finds a field by a path as it stands in messages and --set: indices do not count, nor does a name that the plan's author
// gave (stores.main.s3 is stores.s3).
func findProperty(properties []schema.Property, path string) (schema.Property, bool) {
	var found schema.Property
	given := false
	for _, part := range strings.Split(index.ReplaceAllString(path, ""), ".") {
		want := slices.Concat(found.Path, []string{part})
		i := slices.IndexFunc(properties, func(p schema.Property) bool { return slices.Equal(p.Path, want) })
		switch {
		case i >= 0:
			found, given = properties[i], false
		case given || found.Mapping || !slices.Contains(found.Types, "object"):
			return schema.Property{}, false
		default:
			given = true
		}
	}
	return found, true
}

// typeText is a field's type, the values it may have, whether it is required, and its default.
func typeText(p schema.Property) string {
	text := p.TypeName()
	if len(p.Enum) > 0 {
		var values []string
		for _, v := range p.Enum {
			values = append(values, fmt.Sprint(v))
		}
		text += " (" + strings.Join(values, ", ") + ")"
	}
	if p.Required {
		text += ", required"
	}
	if p.Default != nil {
		text += fmt.Sprintf(", default %v", p.Default)
	}
	return text
}
