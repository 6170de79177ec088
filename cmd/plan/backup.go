package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
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
	fmt.Fprintf(&b, "%s\n  of cluster %s, uid %s, Kubernetes %s\n", v.Key, i.Cluster.Name, printable.String(i.Cluster.UID), printable.String(i.KubernetesVersion))
	fmt.Fprintf(&b, "  made %s by run %s\n  %s, SHA-256 %x: read to its end, sound\n\n", i.CreatedAt.Format(time.RFC3339), printable.String(i.Run), humanize.IBytes(uint64(v.Size)), v.Meta.SHA256)
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
