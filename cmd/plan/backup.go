package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/tidwall/gjson"

	"plan/internal/backup"
	"plan/internal/printable"
	"plan/internal/report"
)

// BackupCmd looks at the backups that steps have made.
type BackupCmd struct {
	Ls     BackupLsCmd     `cmd:"" help:"List backups, newest first, and whatever else lies beside them."`
	Show   BackupShowCmd   `cmd:"" help:"Show what a backup holds, after reading all of it."`
	Diff   BackupDiffCmd   `cmd:"" help:"Compare two backups, or a backup with the cluster as it is (live)."`
	Verify BackupVerifyCmd `cmd:"" help:"Read backups back and check them, as a step verify-backup does."`
}

// OutputFlag is the format of what is not a run.
type OutputFlag struct {
	Output string `short:"o" help:"text or json; ndjson is json." enum:"text,json,ndjson" default:"text" env:"PLAN_OUTPUT" placeholder:"FORMAT"`
}

// BackupLsCmd lists backups.
type BackupLsCmd struct {
	ArtefactFlags
	OutputFlag
}

// listed is a line of `plan backup ls`.
type listed struct {
	Key      string      `json:"key"`
	Store    string      `json:"store"`
	Sort     backup.Sort `json:"sort"`
	Artefact string      `json:"artefact,omitempty"`
	Cluster  string      `json:"cluster,omitempty"`
	UID      string      `json:"clusterUID,omitempty"`
	Time     time.Time   `json:"time"`
	Size     int64       `json:"size"`
	Objects  int64       `json:"objects,omitempty"`
	Count    int64       `json:"count,omitempty"`
	SHA256   string      `json:"sha256,omitempty"`
	Problem  string      `json:"problem,omitempty"`
}

// Run is `plan backup ls`.
func (c *BackupLsCmd) Run(a *app) error {
	signals := watchSignals()
	defer signals.stop()
	t, err := c.open(signals.ctx, a, false)
	if err != nil {
		return signals.instead(err)
	}
	found, err := t.catalog(signals.ctx)
	if err != nil {
		return signals.instead(err)
	}
	list := make([]listed, len(found))
	for i, l := range found {
		list[i] = listed{Key: l.Key, Store: t.storeName(l.store), Sort: l.Sort, Time: l.Time().UTC(), Size: l.Size, Problem: l.Problem}
		if l.Sort == backup.Sound {
			m := l.Meta
			list[i].Artefact, list[i].Cluster, list[i].UID = string(m.Artefact), m.Cluster, m.ClusterUID
			list[i].Objects, list[i].Count, list[i].SHA256 = m.Objects, m.Count, hex.EncodeToString(m.SHA256[:])
		}
	}
	if c.Output != "text" {
		return report.WriteJSON(a.maskedJSON(), struct {
			SchemaVersion int      `json:"schemaVersion"`
			Kind          string   `json:"kind"`
			Backups       []listed `json:"backups"`
		}{report.SchemaVersion, "Backups", list})
	}
	if len(list) == 0 {
		fmt.Fprintf(a.err, "plan: there is nothing in %s\n", printable.String(t.where()))
		return nil
	}
	return printListed(a.out, list, time.Now())
}

func printListed(out io.Writer, list []listed, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KEY\tAGE\tSIZE\tCLUSTER\tUID\tHOLDS")
	for _, l := range list {
		holds := l.Problem
		if l.Sort == backup.Sound {
			holds = fmt.Sprintf("%d %s, %d objects", l.Count, l.Artefact, l.Objects)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", printable.String(l.Key), humanize.RelTime(l.Time, now, "ago", "ahead"), humanize.IBytes(uint64(l.Size)),
			dash(l.Cluster), dash(l.UID[:min(8, len(l.UID))]), printable.String(holds))
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write the output: %w", err)
	}
	return nil
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return printable.String(s)
}

// BackupShowCmd shows one backup.
type BackupShowCmd struct {
	Key string `arg:"" help:"A key, the last part of one, or the eight digits in it." placeholder:"KEY"`
	Raw bool   `help:"Print the whole document: a v1 List, as kubectl reads it."`
	ArtefactFlags
	OutputFlag
}

// shown is one object of a backup.
type shown struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace,omitempty"`
	Name       string `json:"name"`
	Phase      string `json:"phase,omitempty"`
}

// Run is `plan backup show`. Nothing is printed of a backup that is not sound.
func (c *BackupShowCmd) Run(a *app) error {
	signals := watchSignals()
	defer signals.stop()
	t, err := c.open(signals.ctx, a, false)
	if err != nil {
		return signals.instead(err)
	}
	l, err := t.find(signals.ctx, c.Key)
	if err != nil {
		return signals.instead(err)
	}
	if l.Sort == backup.Older {
		s, err := backup.ReadOlder(signals.ctx, t.storeOf(l), l.Key)
		if err != nil {
			return signals.instead(err)
		}
		fmt.Fprintf(a.err, "plan: %s is %s\n", printable.String(l.Key), l.Problem)
		return report.WriteJSON(a.maskedJSON(), s.Document)
	}
	verified, err := backup.Verify(signals.ctx, t.storeOf(l), l.Key)
	if err != nil {
		return signals.instead(err)
	}
	if c.Raw {
		return c.raw(signals, a, t, l)
	}
	var list []shown
	for o, err := range backup.Objects(signals.ctx, t.storeOf(l), l.Key) {
		if err != nil {
			return signals.instead(err)
		}
		meta := gjson.GetBytes(o.Raw, "metadata")
		list = append(list, shown{o.APIVersion, o.Kind, meta.Get("namespace").String(), meta.Get("name").String(), gjson.GetBytes(o.Raw, "status.phase").String()})
	}
	if c.Output != "text" {
		return report.WriteJSON(a.maskedJSON(), struct {
			SchemaVersion int          `json:"schemaVersion"`
			Kind          string       `json:"kind"`
			Key           string       `json:"key"`
			Size          int64        `json:"size"`
			SHA256        string       `json:"sha256"`
			Index         backup.Index `json:"index"`
			Objects       []shown      `json:"objects"`
		}{report.SchemaVersion, "Backup", l.Key, verified.Size, hex.EncodeToString(verified.Meta.SHA256[:]), verified.Index, list})
	}
	return c.print(a.out, verified, list)
}

func (c *BackupShowCmd) print(out io.Writer, v backup.Verified, list []shown) error {
	var b bytes.Buffer
	i := v.Index
	fmt.Fprintf(&b, "%s\n  of cluster %s, uid %s, Kubernetes %s\n", v.Key, i.Cluster.Name, i.Cluster.UID, i.KubernetesVersion)
	fmt.Fprintf(&b, "  made %s by run %s\n  %s, SHA-256 %x: read to its end, sound\n\n", i.CreatedAt.Format(time.RFC3339), i.Run, humanize.IBytes(uint64(v.Size)), v.Meta.SHA256)
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KIND\tNAMESPACE\tNAME\tPHASE")
	for _, o := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", printable.String(o.Kind), dash(o.Namespace), printable.String(o.Name), dash(o.Phase))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if _, err := out.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write the output: %w", err)
	}
	return nil
}

// raw prints the objects as a List. The backup was read once and found sound.
func (c *BackupShowCmd) raw(signals *signals, a *app, t *artefacts, l located) error {
	items := []json.RawMessage{}
	for o, err := range backup.Objects(signals.ctx, t.storeOf(l), l.Key) {
		if err != nil {
			return signals.instead(err)
		}
		items = append(items, bytes.Clone(o.Raw))
	}
	return report.WriteJSON(a.maskedJSON(), map[string]any{"apiVersion": "v1", "kind": "List", "items": items})
}

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
		signals.stop()
		return signals.instead(err)
	}
	list, err := c.steps(signals, t)
	signals.stop()
	if err != nil {
		return signals.instead(err)
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
			list = append(list, verifyStep(common, root.store, root.prefix, string(root.artefact), ""))
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
