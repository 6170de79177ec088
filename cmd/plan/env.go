package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"plan/engine"
	"plan/internal/printable"
	"plan/internal/report"
)

// EnvCmd lists the variables that override fields of a plan.
type EnvCmd struct {
	FileArg
	SetFlags
	ClusterFlags
	MaxParallel *int   `help:"As of apply." env:"PLAN_MAX_PARALLEL" placeholder:"N"`
	Timeout     string `help:"As of apply." env:"PLAN_TIMEOUT" placeholder:"DURATION"`

	Changed bool   `help:"Only fields that are not as the file or the default says."`
	Output  string `short:"o" help:"text or json; ndjson is json." enum:"text,json,ndjson" default:"text" env:"PLAN_OUTPUT" placeholder:"FORMAT"`
}

// Run is `plan env`. It is offline.
func (c *EnvCmd) Run(a *app) error {
	r, err := a.offlineRequest(c.FileArg, c.SetFlags)
	if err != nil {
		return err
	}
	r.flags = slices.Concat(c.ClusterFlags.overrides(), RunFlags{MaxParallel: c.MaxParallel, Timeout: c.Timeout}.overrides())
	lang, err := newLanguage()
	if err != nil {
		return err
	}
	options := a.loadOptions(r)
	list, err := lang.Environment(r.src, options, flagSettings(lang)...)
	if err != nil && c.Output == "text" { // who mistyped a variable wants to see the others
		options.Variables = nil
		if list, again := lang.Environment(r.src, options, flagSettings(lang)...); again == nil {
			return errors.Join(printEnvironment(a.out, list), err)
		}
	}
	if err != nil {
		return err
	}
	if c.Changed {
		kept := list[:0]
		for _, s := range list {
			if s.Overridden {
				kept = append(kept, s)
			}
		}
		list = kept
	}
	if c.Output != "text" {
		return report.WriteJSON(a.out, struct {
			SchemaVersion int              `json:"schemaVersion"`
			Kind          string           `json:"kind"`
			Settings      []engine.InForce `json:"settings"`
		}{report.SchemaVersion, "Environment", list})
	}
	return printEnvironment(a.out, list)
}

// flagSettings are the fields of a plan that flags with variables replace.
func flagSettings(lang *language) (list []engine.Setting) {
	properties := lang.Properties("")
	for _, f := range []struct{ variable, field string }{
		{"PLAN_KUBECONFIG", "cluster.kubeconfig"}, {"PLAN_CONTEXT", "cluster.context"}, {"PLAN_NAMESPACE", "cluster.namespace"},
		{"PLAN_MAX_PARALLEL", "maxParallel"}, {"PLAN_TIMEOUT", "timeout"},
	} {
		if p, ok := findProperty(properties, "spec."+f.field); ok {
			list = append(list, engine.Setting{Variable: f.variable, Field: f.field, Property: p, Paths: [][]string{p.Path}})
		}
	}
	return list
}

func printEnvironment(out io.Writer, list []engine.InForce) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "VARIABLE\tFIELD\tVALUE\tFROM")
	for _, s := range list {
		fmt.Fprintln(w, s.Variable+"\t"+cmp.Or(s.Field, "every "+s.Every)+"\t"+valueText(s.Value)+"\t"+printable.String(cmp.Or(s.Source, "-")))
	}
	return w.Flush()
}

// valueText is a value in a cell.
func valueText(v any) string {
	switch v := v.(type) {
	case nil:
		return "-"
	case string:
		return printable.String(v)
	}
	data, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	return printable.String(string(data))
}
