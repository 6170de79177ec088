package runjob

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"plan/internal/jobs"
	"plan/internal/objects"
	"plan/steps"
)

// declares gives what a step's outputs field adds: with one pod each by its name, with several a list of them.
func declares(with map[string]any) []steps.Output {
	declared, _ := with["outputs"].(map[string]any)
	if len(declared) == 0 {
		return nil
	}
	if !single(with) {
		return []steps.Output{{Name: "byIndex", Type: steps.List, Doc: "the declared outputs of each pod, by index"}}
	}
	var list []steps.Output
	for _, name := range slices.Sorted(maps.Keys(declared)) {
		kind, _ := declared[name].(string)
		list = append(list, steps.Output{Name: name, Type: steps.Type(kind), Doc: "declared by the step"})
	}
	return list
}

// single tells whether a step as it is written has one pod. What is known only at run time counts as several.
func single(with map[string]any) bool {
	for _, field := range []string{"completions", "parallelism"} {
		switch n := with[field].(type) {
		case nil:
			continue
		case int:
			return n == 1
		case int64:
			return n == 1
		case float64:
			return n == 1
		default:
			return false
		}
	}
	return true
}

// outputs puts the step's outputs together. Where the pods did not say what the step declares, the step has failed, whatever they did.
func (a *Action) outputs(h jobs.Handle, commit string, o *jobs.Outcome) (map[string]any, error) {
	pods := o.Last()
	codes := make([]any, 0, len(pods))
	digest := ""
	for _, p := range pods {
		codes = append(codes, int64(p.ExitCode))
		if _, after, ok := strings.Cut(p.ImageID, "sha256:"); ok {
			digest = "sha256:" + after
		}
	}
	if a.deployment() {
		codes = []any{}
	}
	all := map[string]any{
		"jobName": h.Name, "uid": h.UID, "imageDigest": digest, "commit": commit, "exitCodes": codes, "pods": int64(len(o.Pods)),
	}
	if len(a.Outputs) == 0 || o.Failed {
		return all, nil
	}
	var problems []error
	byIndex := make([]any, a.completions())
	for i := range byIndex {
		at := slices.IndexFunc(pods, func(p jobs.Pod) bool { return p.Index == i && p.OK() })
		if at < 0 {
			problems = append(problems, fmt.Errorf("the pod of index %d is gone, and its outputs with it", i))
			continue
		}
		said, err := a.said(pods[at].Output)
		if err != nil {
			problems = append(problems, fmt.Errorf("pod %s: %w", pods[at].Name, err))
		}
		byIndex[i] = said
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("read the outputs of job %s: %w", h.Name, errors.Join(problems[:min(len(problems), 5)]...))
	}
	if len(byIndex) > 1 {
		all["byIndex"] = byIndex
		return all, nil
	}
	maps.Copy(all, byIndex[0].(map[string]any))
	return all, nil
}

// said reads a termination message: an object with exactly the declared keys.
func (a *Action) said(message string) (map[string]any, error) {
	var object map[string]any
	decoder := json.NewDecoder(strings.NewReader(message))
	decoder.UseNumber()
	if err := decoder.Decode(&object); err != nil || decoder.More() || object == nil {
		return nil, fmt.Errorf("its termination message (%d bytes) is not one JSON object: write it to $PLAN_OUTPUT, at most 4096 bytes", len(message))
	}
	var problems []error
	out := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(a.Outputs)) {
		value, there := object[name]
		if !there {
			problems = append(problems, fmt.Errorf("output %s is missing", name))
			continue
		}
		typed, err := typed(steps.Type(a.Outputs[name]), value)
		if err != nil {
			problems = append(problems, fmt.Errorf("output %s: %w", name, err))
		}
		out[name] = typed
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if _, declared := a.Outputs[name]; !declared {
			problems = append(problems, fmt.Errorf("output %q is not declared", name))
		}
	}
	return out, errors.Join(problems...)
}

// typed takes a JSON value as the declared type. Nothing is converted.
func typed(kind steps.Type, value any) (any, error) {
	switch v := value.(type) {
	case string:
		if kind == steps.String {
			return v, nil
		}
	case bool:
		if kind == steps.Boolean {
			return v, nil
		}
	case json.Number:
		if n, err := v.Int64(); err == nil && kind == steps.Integer {
			return n, nil
		}
		if f, err := v.Float64(); err == nil && kind == steps.Number {
			return f, nil
		}
	case []any:
		if kind == steps.List {
			return objects.Numbers(v), nil
		}
	}
	return nil, fmt.Errorf("it is not of type %s", kind)
}
