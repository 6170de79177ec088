package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"plan/engine"
)

// olderSetting is a variable of the older tool that sets fields of steps.
type olderSetting struct {
	variable string
	read     func(variable, value string) (any, error)
	fields   []stepField
}

// stepField is a field below with of the steps of a kind; with an artefact only of the steps for that.
type stepField struct{ kind, artefact, path string }

// olderSettings are the settings of steps.
var olderSettings = []olderSetting{
	{"S3_PV_BACKUP_PREFIX", asItIs, []stepField{{"backup-pvs", "", "prefix"}, {"prune", "pvs", "prefix"}, {"verify-backup", "pvs", "prefix"}}},
	{"S3_NODES_BACKUP_PREFIX", asItIs, []stepField{{"backup-nodes", "", "prefix"}, {"prune", "nodes", "prefix"}, {"verify-backup", "nodes", "prefix"}}},
	{"RETENTION_PV_BACKUPS", retention, []stepField{{"backup-pvs", "", "keep.last"}, {"prune", "pvs", "keep.last"}}},
	{"RETENTION_NODE_BACKUPS", retention, []stepField{{"backup-nodes", "", "keep.last"}, {"prune", "nodes", "keep.last"}}},
	{"K3S_NODE_TOKEN_PATH", ofThisMachine, []stepField{{"backup-node-token", "", "path"}, {"verify-node-token", "", "path"}, {"verify-all", "", "nodeToken.path"}}},
	{"BWS_PROJECT", asItIs, []stepField{{"backup-node-token", "", "to.bitwarden.project"}, {"verify-node-token", "", "in.bitwarden.project"}, {"verify-all", "", "nodeToken.in.bitwarden.project"}}},
	{"BWS_NODE_TOKEN_KEY", asItIs, []stepField{{"backup-node-token", "", "to.bitwarden.key"}, {"verify-node-token", "", "in.bitwarden.key"}, {"verify-all", "", "nodeToken.in.bitwarden.key"}}},
	{"S3_ETCD_PREFIX", asItIs, []stepField{{"verify-etcd", "", "prefix"}, {"verify-all", "", "etcd.prefix"}}},
	{"ETCD_BACKUP_MAX_AGE_HOURS", hours, []stepField{{"verify-etcd", "", "maxAge"}, {"verify-all", "", "etcd.maxAge"}}},
	{"LONGHORN_NAMESPACE", asItIs, []stepField{{"verify-longhorn", "", "namespace"}, {"verify-all", "", "longhorn.namespace"}}},
	{"LONGHORN_BACKUP_MAX_AGE_HOURS", hours, []stepField{{"verify-longhorn", "", "maxAge"}, {"verify-all", "", "longhorn.maxAge"}}},
}

// narrow are the parts of a step that a variable never brings into a file which has them not: a rule for deleting, a place for the node's
// token, a check that is off.
var narrow = []string{"keep", "to.bitwarden", "in.bitwarden", "nodeToken.in.bitwarden"}

func asItIs(_, value string) (any, error) { return value, nil }

// ofThisMachine is a path that is relative to the working directory.
func ofThisMachine(_, value string) (any, error) { return absolute(value), nil }

// hours reads a number of hours as a duration.
func hours(variable, value string) (any, error) {
	n, err := strconv.ParseInt(value, 10, 32)
	if err != nil || n < 1 {
		return nil, fmt.Errorf("variable %s: %q is not a number of hours; it must be at least 1", variable, value)
	}
	return strconv.FormatInt(n, 10) + "h", nil
}

// retention reads how many backups the older tool kept.
func retention(variable, value string) (any, error) {
	n, err := strconv.ParseInt(value, 10, 32)
	if err != nil || n < 1 {
		return nil, fmt.Errorf("variable %s: %q is not a number of backups to keep; it must be at least 1", variable, value)
	}
	return n, nil
}

// eachStep calls f with the path of each step's with, and the step.
func (t *olderTool) eachStep(f func(with []string, step map[string]any) error) error {
	for _, section := range []string{"steps", "finally"} {
		list, _ := t.at("spec")[section].([]any)
		for i, item := range list {
			if step, ok := item.(map[string]any); ok {
				if err := f([]string{"spec", section, strconv.Itoa(i), "with"}, step); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// steps sets what the older tool's variables say of steps. A step of a file without keep gets none: a variable never makes a plan delete
// that does not. On the command line it does, as it did for the older tool.
func (t *olderTool) steps() error {
	if !slices.ContainsFunc(olderSettings, func(s olderSetting) bool { return t.getenv(s.variable) != "" }) {
		return nil // without a look at every step
	}
	return t.eachStep(t.step)
}

func (t *olderTool) step(with []string, step map[string]any) error {
	for _, s := range olderSettings {
		value := t.getenv(s.variable)
		if value == "" {
			continue
		}
		for _, f := range s.fields {
			if !f.of(step) || !t.mayBring(step, f.path) {
				continue
			}
			read, err := s.read(s.variable, value)
			if err != nil {
				return err
			}
			t.add(engine.Override{Path: slices.Concat(with, strings.Split(f.path, ".")), Value: read, Origin: s.variable, Shown: value})
		}
	}
	return nil
}

func (f stepField) of(step map[string]any) bool {
	with, _ := step["with"].(map[string]any)
	return step["uses"] == f.kind && (f.artefact == "" || with["artefact"] == f.artefact)
}

// mayBring tells whether a variable may set a field of a step. Below a narrow part: in a file that has the part; on the command line where
// no flag chose another (a token's place is one of several) or set the same.
func (t *olderTool) mayBring(step map[string]any, path string) bool {
	with, _ := step["with"].(map[string]any)
	for _, part := range narrow {
		if !strings.HasPrefix(path, part+".") {
			continue
		}
		words := strings.Split(part, ".")
		if !t.flags {
			return dig(with, words) != nil
		}
		if part == "keep" {
			return dig(with, words) == nil
		}
		parent := dig(with, words[:len(words)-1])
		return len(parent) == 0 || parent["bitwarden"] != nil
	}
	return true
}

// dig gives a mapping in a mapping; nil if it is not there.
func dig(m map[string]any, path []string) map[string]any {
	for _, key := range path {
		m, _ = m[key].(map[string]any)
	}
	return m
}

// keepsToken tells whether a step keeps the node's token in Bitwarden, by the file or by a variable.
func (t *olderTool) keepsToken() (keeps bool) {
	_ = t.eachStep(func(_ []string, step map[string]any) error {
		with, _ := step["with"].(map[string]any)
		for _, part := range narrow[1:] {
			keeps = keeps || dig(with, strings.Split(part, ".")) != nil
		}
		return nil
	})
	return keeps || slices.ContainsFunc(t.list, func(o engine.Override) bool {
		return slices.Contains(o.Path, "bitwarden") && slices.Contains(o.Path, "with")
	})
}
