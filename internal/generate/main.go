// Command generate writes the files that are made from the kinds of step, the schema and the command tree: the published schema and the
// reference below docs/reference. `make generate` runs it.
package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"plan/engine"
	"plan/schema"
	"plan/steps/all"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: generate ROOT")
		os.Exit(2)
	}
	if err := generate(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

// generate writes the files below root, the repository.
func generate(root string) error {
	made, err := files(root)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(made)) {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, made[name], 0o644); err != nil {
			return err
		}
	}
	return nil
}

// files makes every generated file, by its path below root. It reads the sources there and writes nothing.
func files(root string) (map[string][]byte, error) {
	bundle, err := all.Bundle()
	if err != nil {
		return nil, err
	}
	lang, err := language(bundle)
	if err != nil {
		return nil, err
	}
	made := map[string][]byte{
		"schema/plan.schema.json":    append(bundle, '\n'),
		"docs/reference/language.md": languageReference(lang),
	}
	if made["docs/reference/kinds.md"], err = kindsReference(root, lang); err != nil {
		return nil, err
	}
	if made["steps/verifyall/schema.json"], err = verifyAllSchema(); err != nil {
		return nil, err
	}
	made["docs/reference/variables.md"], err = variablesReference(root, lang)
	return made, err
}

func language(bundle []byte) (*engine.Language, error) {
	var kinds []engine.Kind
	for _, k := range all.Kinds() {
		known := engine.Kind{Name: k.Name, Schema: k.Schema, ExitCodes: k.ExitCodes}
		for _, o := range k.Outputs {
			known.Outputs = append(known.Outputs, engine.Output{Name: o.Name, Type: string(o.Type)})
		}
		kinds = append(kinds, known)
	}
	return engine.NewLanguage(kinds, bundle, nil)
}

const header = "<!-- made by `make generate`; do not edit -->\n\n"

// row is a line of a Markdown table.
func row(b *strings.Builder, cells ...string) {
	escape := strings.NewReplacer("|", `\|`, "\n", " ")
	for i, cell := range cells {
		cells[i] = escape.Replace(cell)
	}
	b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
}

func tableHead(b *strings.Builder, cells ...string) {
	row(b, cells...)
	b.WriteString(strings.Repeat("|---", len(cells)) + "|\n")
}

func code(s string) string { return "`" + s + "`" }

// typeCell is a field's type with the values it may have.
func typeCell(p schema.Property) string {
	text := p.TypeName()
	if len(p.Enum) > 0 {
		values := make([]string, len(p.Enum))
		for i, v := range p.Enum {
			values[i] = code(fmt.Sprint(v))
		}
		text += ": " + strings.Join(values, ", ")
	}
	return text
}

// defaultCell is a field's default, or that it must be given.
func defaultCell(p schema.Property) string {
	switch {
	case p.Required:
		return "required"
	case p.Default != nil:
		return code(fmt.Sprint(p.Default))
	}
	return ""
}
