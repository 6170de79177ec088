package main

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"plan/schema"
)

//go:embed templates/*.yaml
var templates embed.FS

// InitCmd writes a plan to begin with.
type InitCmd struct {
	Template string `arg:"" optional:"" default:"backup" help:"The template; --list names them." placeholder:"TEMPLATE"`
	Output   string `short:"o" help:"The file to write; - is standard output." default:"plan.yaml" placeholder:"FILE"`
	List     bool   `help:"Print the templates."`
}

// Run is `plan init`. It never overwrites a file.
func (c *InitCmd) Run(a *app) error {
	names := templateNames()
	if c.List {
		for _, name := range names {
			text, err := template(name)
			if err != nil {
				return err
			}
			first, _, _ := strings.Cut(text, "\n")
			fmt.Fprintf(a.out, "%-12s %s\n", name, strings.TrimPrefix(first, "# "))
		}
		return nil
	}
	text, err := template(c.Template)
	if errors.Is(err, fs.ErrNotExist) {
		hint := ""
		if suggestion := schema.Suggest(c.Template, names); suggestion != "" {
			hint = fmt.Sprintf(" (did you mean %q?)", suggestion)
		}
		return usage(fmt.Errorf("there is no template %q%s; there are %s", c.Template, hint, strings.Join(names, ", ")))
	}
	if err != nil {
		return err
	}
	if c.Output == "-" {
		_, err := a.out.Write([]byte(text))
		return err
	}
	f, err := os.OpenFile(c.Output, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return usage(fmt.Errorf("%s exists and is left as it is; name another file with --output", c.Output))
	}
	if err != nil {
		return usage(fmt.Errorf("write the plan: %w", err))
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write the plan: %w", err)
	}
	fmt.Fprintf(a.err, "wrote %s; `plan validate %[1]s` checks it\n", c.Output)
	return nil
}

func template(name string) (string, error) {
	data, err := templates.ReadFile("templates/" + name + ".yaml")
	return string(data), err
}

func templateNames() []string {
	entries, err := templates.ReadDir("templates")
	if err != nil {
		return nil // embedded: there is always a folder
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	return names
}
