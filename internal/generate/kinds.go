package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"plan/engine"
	"plan/steps"
	"plan/steps/all"
)

// kindsReference lists every kind with its fields, outputs and permissions.
func kindsReference(root string, lang *engine.Language) ([]byte, error) {
	var b strings.Builder
	b.WriteString(header + "# The kinds of step\n\nWhat stands below `with`, and what a step gives to later ones as `steps.ID.outputs`. `plan explain KIND` tells the same.\n\n")
	for _, k := range all.Kinds() {
		fmt.Fprintf(&b, "- [%s](#%[1]s)\n", k.Name)
	}
	for _, k := range all.Kinds() {
		if err := kindReference(&b, root, lang, k); err != nil {
			return nil, fmt.Errorf("%s: %w", k.Name, err)
		}
	}
	return []byte(b.String()), nil
}

func kindReference(b *strings.Builder, root string, lang *engine.Language, k steps.Kind) error {
	var described struct {
		Description string `json:"description"`
	}
	if err := json.Unmarshal(k.Schema, &described); err != nil {
		return err
	}
	folder := "steps/" + strings.ReplaceAll(k.Name, "-", "")
	fmt.Fprintf(b, "\n## %s\n\n%s More in [its README](../../%s/README.md).\n\n", k.Name, described.Description, folder)
	if fields := placed(lang.Properties("kind." + k.Name)); len(fields) > 0 {
		fieldTable(b, fields, nil, "", false)
		b.WriteByte('\n')
	}
	if len(k.Outputs) > 0 {
		tableHead(b, "output", "type", "meaning")
		for _, o := range k.Outputs {
			row(b, code(o.Name), string(o.Type), o.Doc)
		}
		b.WriteByte('\n')
	}
	rights, err := permissions(root, folder, lang, k)
	if err != nil {
		return err
	}
	if len(rights) == 0 {
		b.WriteString("It asks nothing of a cluster.\n")
		return nil
	}
	fmt.Fprintf(b, "[Its example](../../%s/example.yaml) needs the rights to %s.\n", folder, strings.Join(rights, ", "))
	return nil
}

// permissions are those of the kind's example, which names what the kind cannot know by itself.
func permissions(root, folder string, lang *engine.Language, k steps.Kind) (list []string, err error) {
	name := filepath.Join(root, filepath.FromSlash(folder), "example.yaml")
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	action := k.New()
	decode := func(step *engine.Step, with map[string]any) []engine.Fault {
		if step.Uses == k.Name {
			action = k.New()
			if err := steps.Decode(with, action); err != nil {
				return []engine.Fault{{Message: err.Error()}}
			}
		}
		return nil
	}
	if _, err := lang.Load(engine.Source{File: name, Data: data}, engine.LoadOptions{Offline: true, Check: decode}); err != nil {
		return nil, err
	}
	for _, p := range action.Permissions(steps.Scope{Plan: "plan", Run: "run", Step: "step", Cluster: "home", Namespace: "default"}) {
		resource := p.Resource
		if p.Subresource != "" {
			resource += "/" + p.Subresource
		}
		if p.Group != "" {
			resource += "." + p.Group
		}
		text := code(p.Verb + " " + resource)
		if p.Name != "" {
			text += " " + code(p.Name)
		}
		if p.Namespace != "" {
			text += " in " + code(p.Namespace)
		}
		list = append(list, text)
	}
	return list, nil
}
