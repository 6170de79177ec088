package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"plan/internal/backup"
)

// BackupVerifyCmd checks backups.
type BackupVerifyCmd struct {
	Key      string `arg:"" optional:"" help:"A key, the last part of one, or the eight digits in it. Without it the newest of each sort." placeholder:"KEY"`
	MaxAge   string `help:"How old the newest may be. Default: that of the kind verify-backup." placeholder:"DURATION"`
	Rehearse bool   `help:"Also ask the API server whether it would take the objects (a dry run)."`
	ArtefactFlags
	Output string `short:"o" help:"text, json, ndjson or github." enum:"text,json,ndjson,github" default:"text" env:"PLAN_OUTPUT" placeholder:"FORMAT"`
	StateFlags
}

// Run is `plan backup verify`: a plan with a step for each sort of backup.
func (c *BackupVerifyCmd) Run(a *app) error {
	signals := watchSignals()
	t, err := c.open(signals.ctx, a, false)
	if err != nil {
		err = signals.instead(err)
		signals.stop()
		return err
	}
	list, err := c.steps(signals, t)
	err = signals.instead(err)
	signals.stop()
	if err != nil {
		return err
	}
	r, err := c.derived(a, "backup-verify", list...)
	if err != nil {
		return err
	}
	return a.apply(r, RunFlags{Output: c.Output, AllowExec: c.AllowExec, StateFlags: c.StateFlags})
}

// steps is one step for the key that is given, or one for each place and artefact.
func (c *BackupVerifyCmd) steps(signals *signals, t *artefacts) ([]map[string]any, error) {
	common := map[string]any{}
	if c.MaxAge != "" {
		common["maxAge"] = c.MaxAge
	}
	if c.Rehearse {
		common["rehearse"] = true
	}
	if c.Key != "" {
		l, err := t.find(signals.ctx, c.Key)
		if err != nil {
			return nil, err
		}
		if l.Sort != backup.Sound {
			return nil, usage(fmt.Errorf("%s: %w: %s", l.Key, errNotABackup, l.Problem))
		}
		return []map[string]any{verifyStep(common, l.store, l.Name.Prefix, string(l.Name.Artefact), l.Key)}, nil
	}
	roots, err := c.wanted(signals, t)
	if err != nil {
		return nil, err
	}
	var list []map[string]any
	for _, root := range roots {
		if root.artefact != "" {
			step := verifyStep(common, root.store, root.prefix, string(root.artefact), "")
			if n := len(list); n > 0 && slices.ContainsFunc(list, func(s map[string]any) bool { return s["id"] == step["id"] }) {
				step["id"] = fmt.Sprintf("%s-%d", step["id"], n+1) // the same artefact in two places
			}
			list = append(list, step)
		}
	}
	if len(list) == 0 {
		return nil, usage(errors.New("the plan has no step that makes backups, so which are meant? Give a key; `plan backup ls` lists them"))
	}
	return list, nil
}

// wanted are the places to check: those of a plan, or, in a store that no plan speaks of, those that have backups, if any has.
func (c *BackupVerifyCmd) wanted(signals *signals, t *artefacts) ([]root, error) {
	if c.Plan != "" {
		return t.roots, nil
	}
	list, err := t.catalog(signals.ctx)
	if err != nil {
		return nil, err
	}
	var found []root
	for _, r := range t.roots {
		if slices.ContainsFunc(list, func(l located) bool { return l.Name.Artefact == r.artefact && l.Name.Cluster == t.cluster.Name }) {
			found = append(found, r)
		}
	}
	if len(found) == 0 {
		return t.roots, nil // and say that there is none
	}
	return found, nil
}

// verifyStep is a step of a plan.
func verifyStep(common map[string]any, store, prefix, artefact, key string) map[string]any {
	with := maps.Clone(common)
	with["artefact"], with["prefix"] = artefact, prefix
	if store != "" {
		with["store"] = store
	}
	if key != "" {
		with["key"] = key
	}
	return map[string]any{"id": artefact, "uses": "verify-backup", "needs": []any{}, "with": with}
}
