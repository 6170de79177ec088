package main

import (
	"strings"

	"plan/engine"
	"plan/steps/all"
)

const variablesIntro = `# Variables

## Fields of a plan

A variable with ` + "`__`" + ` in its name replaces a field of the plan:

| variable | replaces |
|---|---|
| ` + "`PLAN_CLUSTER__FIELD`" + ` | a field of ` + "`spec.cluster`" + ` |
| ` + "`PLAN_STORE__NAME__FIELD`" + ` | a field of the store NAME; a store that the file has not is added |
| ` + "`PLAN_DEFAULTS__FIELD`" + ` | a field of ` + "`spec.defaults`" + ` |
| ` + "`PLAN_PARAM__NAME`" + ` | the value of a parameter; a parameter may name a variable of its own besides, ` + "`env: NAME`" + ` |
| ` + "`PLAN_KIND__KIND__FIELD`" + ` | a field of every step that uses the kind |
| ` + "`PLAN_STEP__ID__FIELD`" + ` | a field of the step ID, of ` + "`steps` or `finally`" + ` |

Parts are joined by ` + "`__`" + `. Inside a part a dash and a camel hump become ` + "`_`" + `: ` + "`minAge`" + ` of the step ` + "`old-pvs`" + ` is
` + "`PLAN_STEP__OLD_PVS__MIN_AGE`" + `. Fields in fields are parts of their own: ` + "`PLAN_STEP__PVS__KEEP__LAST`" + `. Two fields that would have one variable are an error.

The value is read by the field's type; lists and mappings are JSON. The variable of a secret holds the secret itself, and shows as
` + "`(set)`" + `. ` + "`${{ }}`" + ` is not evaluated. Empty is unset. A bad value is an error that names the variable, and so is a variable that fits nothing.

What wins, the strongest first: ` + "`--set`" + `, flags, the flags' variables, ` + "`PLAN_STEP__`, `PLAN_KIND__` and the other `PLAN_…__…`, the [older tool's variables](../migration.md)" + `,
the file, ` + "`KUBECONFIG`" + ` and the variables of the AWS SDK, defaults. ` + "`plan env FILE`" + ` lists the variables of a plan with the values in force
and where each comes from, ` + "`plan apply`" + ` tells in its first lines which are in force.

` + "`--set steps.ID.FIELD=VALUE`, `--set cluster.FIELD=VALUE`, `--set stores.NAME.FIELD=VALUE`, `--set defaults.FIELD=VALUE`" + ` set the same fields, but no
secrets: other users of the machine see arguments.
`

// variablesReference lists every variable, with names in capitals where the plan's own names stand.
func variablesReference(root string, lang *engine.Language) ([]byte, error) {
	var b strings.Builder
	b.WriteString(header + variablesIntro)
	sample := func(kind string) ([]engine.Setting, error) {
		return lang.Settings(map[string]any{"spec": map[string]any{
			"stores": map[string]any{"name": map[string]any{}},
			"steps":  []any{map[string]any{"id": "id", "uses": kind}},
		}}, nil)
	}
	settings, err := sample("list-pvs")
	if err != nil {
		return nil, err
	}
	for _, section := range []struct{ prefix, title string }{
		{"cluster.", "The cluster"}, {"stores.", "Stores"}, {"defaults.", "Defaults"}, {"steps.", "Every step"},
	} {
		settingTable(&b, "\n### "+section.title+"\n\n", settings, section.prefix, "", false)
	}
	for _, k := range all.Kinds() {
		settings, err := sample(k.Name)
		if err != nil {
			return nil, err
		}
		settingTable(&b, "\n### "+k.Name+"\n\n", settings, "steps.", k.Name, true)
	}
	flags, err := flagVariables(root)
	if err != nil {
		return nil, err
	}
	b.WriteString("\n## Flags\n\nA flag wins over its variable. Flags that select or destroy have none.\n\n")
	tableHead(&b, "variable", "flag", "of", "meaning")
	for _, f := range flags {
		row(&b, code(f.variable), code("--"+f.flag), strings.Join(f.commands, ", "), f.help)
	}
	b.WriteString("\n## The older tool's\n\nThey are in [coming from the older backup tool](../migration.md).\n")
	return []byte(b.String()), nil
}

// settingTable lists settings whose field begins with a prefix: those of with, or all others.
func settingTable(b *strings.Builder, title string, settings []engine.Setting, prefix, kind string, with bool) {
	began := false
	for _, s := range settings {
		ofWith := len(s.Paths[0]) > 3 && s.Paths[0][3] == "with" && s.Paths[0][1] == "steps"
		if !strings.HasPrefix(s.Field, prefix) || ofWith != with {
			continue
		}
		if !began {
			b.WriteString(title)
			tableHead(b, "variable", "field", "type")
			began = true
		}
		variable := code(s.Variable)
		if kind != "" {
			variable += ", " + code(strings.Replace(s.Variable, "PLAN_STEP__ID__", "PLAN_KIND__"+strings.ToUpper(strings.ReplaceAll(kind, "-", "_"))+"__", 1))
		}
		field := strings.Replace(strings.Replace(s.Field, "steps.id.", "steps.ID.", 1), "stores.name.", "stores.NAME.", 1)
		row(b, variable, code(field), s.Property.TypeName())
	}
}
