package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/dustin/go-humanize/english"

	"plan/engine"
	"plan/internal/printable"
	"plan/internal/report"
	"plan/schema"
)

// ValidateCmd checks plans offline.
type ValidateCmd struct {
	Files    []string `arg:"" optional:"" help:"Plan files; - is standard input." placeholder:"FILE"`
	Filename []string `short:"f" name:"filename" help:"A plan file." placeholder:"FILE" sep:"none"`
	SetFlags
	Output string `short:"o" help:"text, json or github (annotations of a workflow); ndjson is json." enum:"text,json,ndjson,github" default:"text" env:"PLAN_OUTPUT" placeholder:"FORMAT"`
}

// Run is `plan validate`. All problems of all files come at once.
func (c *ValidateCmd) Run(a *app) error {
	files := append(c.Files, c.Filename...)
	if len(files) == 0 {
		return usage(errors.New("which plan? Name a file, or - for standard input"))
	}
	set, err := c.values()
	if err != nil {
		return err
	}
	problems, valid := schema.Problems{}, []string{}
	for _, name := range files {
		src, err := a.source(name)
		if err != nil {
			return err
		}
		l, err := a.load(&request{src: src, set: set, offline: true})
		if found, ok := engine.AsProblems(err); ok {
			problems = append(problems, found...)
		} else if err != nil {
			return err
		} else {
			valid = append(valid, fmt.Sprintf("%s is valid: plan %s, %s", name, l.Name, english.Plural(len(l.Steps)+len(l.Finally), "step", "")))
		}
	}
	return c.print(a, valid, problems)
}

// print tells what was found. Machines get problems on stdout, people on stderr.
func (c *ValidateCmd) print(a *app, valid []string, problems schema.Problems) error {
	invalid := exit{}
	if len(problems) > 0 {
		invalid.code = engine.ExitInvalid
	}
	switch c.Output {
	case "json", "ndjson":
		err := report.WriteJSON(a.out, struct {
			SchemaVersion int             `json:"schemaVersion"`
			Kind          string          `json:"kind"`
			Problems      schema.Problems `json:"problems"`
		}{report.SchemaVersion, "Validation", problems})
		return errors.Join(err, invalid.orNil())
	case "github":
		a.annotate(problems)
		return invalid.orNil()
	}
	for _, line := range valid {
		fmt.Fprintln(a.out, printable.String(line))
	}
	if len(problems) > 0 {
		return problems
	}
	return nil
}

// annotation is a problem as a workflow command of GitHub Actions.
func annotation(p schema.Problem) string {
	_, message, _ := strings.Cut(p.Headline(), ": ")
	return report.Annotation("error", p.File, p.Pos(), message)
}
