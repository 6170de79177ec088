package main

import (
	"slices"
	"strings"

	"plan/engine"
	"plan/schema"
)

// languageReference lists every field of a plan's envelope.
func languageReference(lang *engine.Language) []byte {
	var b strings.Builder
	b.WriteString(header + `# Every field of a plan

What the words mean together is in [the plan file](../plan-file.md); the fields below ` + "`with`" + ` are those of the [kinds](kinds.md).
A part in capitals is a name that the plan gives, and ` + "`[]`" + ` an entry of a list. ` + "`plan explain PATH`" + ` tells the same.
`)
	all := placed(lang.Properties(""))
	for _, group := range []struct{ path, title, more string }{
		{"", "The file", ""},
		{"spec", "spec", ""},
		{"spec.cluster", "", ""},
		{"spec.params", "", ""},
		{"spec.secrets", "", ""},
		{"spec.stores", "", "A store has one of `s3` and `dir`."},
		{"spec.defaults", "", ""},
		{"spec.steps", "", "The entries of `spec.finally` have the same fields."},
	} {
		i := slices.IndexFunc(all, func(f placedField) bool { return f.Name() == group.path })
		base, title := "", group.title
		var path []string
		if i >= 0 {
			path, base = all[i].Path, all[i].inside
			if group.more = strings.TrimSpace(all[i].Description + " " + group.more); title == "" {
				title = base
			}
		}
		b.WriteString("\n## " + title + "\n\n")
		if group.more != "" {
			b.WriteString(group.more + "\n\n")
		}
		fieldTable(&b, all, path, base, group.path == "" || group.path == "spec")
	}
	b.WriteString("\n## from:\n\nWhere a field takes a value `from:` somewhere, exactly one of these says where.\n\n")
	fieldTable(&b, placed(lang.Properties("source")), nil, "", false)
	return []byte(b.String())
}

// placedField is a field with its path as it stands in a plan.
type placedField struct {
	schema.Property
	shown  string // spec.steps[].retry.when
	inside string // what the paths of fields below it begin with: spec.steps[], spec.stores.NAME
}

func placed(properties []schema.Property) []placedField {
	list := make([]placedField, len(properties))
	inside := map[string]string{}
	for i, p := range properties {
		shown := p.Path[len(p.Path)-1]
		if parent := inside[strings.Join(p.Path[:len(p.Path)-1], ".")]; parent != "" {
			shown = parent + "." + shown
		}
		f := placedField{p, shown, shown}
		below := i+1 < len(properties) && len(properties[i+1].Path) > len(p.Path)
		switch {
		case !below || p.Mapping:
		case slices.Contains(p.Types, "array"):
			f.inside += "[]"
		default:
			f.inside += ".NAME"
		}
		inside[p.Name()] = f.inside
		list[i] = f
	}
	return list
}

// fieldTable lists what stands below a path, only directly below it where flat.
func fieldTable(b *strings.Builder, all []placedField, path []string, base string, flat bool) {
	tableHead(b, "field", "type", "default", "meaning")
	for _, f := range all {
		if len(f.Path) <= len(path) || !slices.Equal(f.Path[:len(path)], path) || flat && len(f.Path) > len(path)+1 && f.Path[0] != "metadata" {
			continue
		}
		row(b, code(strings.TrimPrefix(strings.TrimPrefix(f.shown, base), ".")), typeCell(f.Property), defaultCell(f.Property), f.Description)
	}
}
