package main

import (
	"encoding/json"
	"fmt"
	"maps"

	"plan/steps"
	"plan/steps/all"
)

// verifyAllParts are the parts of verify-all's with, each with the kind whose with it has.
var verifyAllParts = []struct {
	part, kind, applies string
	needed              string // by the other fields, which are of no use without it; "" when there is no such
}{
	{"nodeToken", "verify-node-token", "Left out, or without in, it does not apply.", "in"},
	{"etcd", "verify-etcd", "It does not apply where the datastore is not embedded etcd.", ""},
	{"longhorn", "verify-longhorn", "It does not apply where Longhorn is not installed.", ""},
	{"backups", "verify-backup", "Without artefact and key both artefacts are checked, and must be there. Left out, each is checked if it was ever made.", ""},
}

// needing are the dependencies of a part's fields, with one that all others but off depend on.
func needing(part map[string]any, needed string) map[string]any {
	all, _ := part["dependentRequired"].(map[string]any)
	out := map[string]any{}
	for name := range part["properties"].(map[string]any) {
		if name != needed && name != "off" {
			others, _ := all[name].([]any)
			out[name] = append([]any{needed}, others...)
		}
	}
	return out
}

// verifyAllSchema makes the schema of verify-all of those of the kinds that it runs, so that no field is described twice.
func verifyAllSchema() ([]byte, error) {
	byName := map[string]steps.Kind{}
	for _, k := range all.Kinds() {
		byName[k.Name] = k
	}
	properties := map[string]any{}
	for _, p := range verifyAllParts {
		var part map[string]any
		if err := json.Unmarshal(byName[p.kind].Schema, &part); err != nil {
			return nil, fmt.Errorf("read the schema of %s: %w", p.kind, err)
		}
		for _, taken := range []string{"if", "then", "else"} {
			if part[taken] != nil {
				return nil, fmt.Errorf("the schema of %s has a condition of its own, and off needs that place", p.kind)
			}
		}
		delete(part, "$schema")
		delete(part, "required")
		part["description"] = "As " + p.kind + ", or {\"off\": true}. " + p.applies
		fields := maps.Clone(part["properties"].(map[string]any))
		fields["off"] = map[string]any{"description": "Leave this check out; nothing else may stand beside it.", "type": "boolean", "default": false}
		part["properties"] = fields
		if p.needed != "" {
			part["dependentRequired"] = needing(part, p.needed)
		}
		part["if"] = map[string]any{"required": []string{"off"}, "properties": map[string]any{"off": map[string]any{"const": true}}}
		part["then"] = map[string]any{"maxProperties": 1}
		properties[p.part] = part
	}
	data, err := json.MarshalIndent(map[string]any{
		"$schema":     "https://json-schema.org/draft/2020-12/schema",
		"description": "Runs every check that applies and answers one question: would I get my cluster back?",
		"type":        "object", "additionalProperties": false, "properties": properties,
	}, "", "  ")
	return append(data, '\n'), err
}
