package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/dustin/go-humanize/english"

	"plan/internal/printable"
	"plan/internal/report"
	"plan/schema"
	"plan/steps"
)

// diffSummary counts what a run would do.
type diffSummary struct {
	Create  int `json:"create"`
	Update  int `json:"update"`
	Replace int `json:"replace"`
	Delete  int `json:"delete"`
	Send    int `json:"send"`
	Unknown int `json:"unknown"` // steps that only the run can tell of
	Failed  int `json:"failed"`  // steps that would fail, or could not be looked at
}

func summaryOf(list []planned) (sum diffSummary) {
	counts := map[steps.Op]*int{steps.Create: &sum.Create, steps.Update: &sum.Update, steps.Replace: &sum.Replace, steps.Delete: &sum.Delete, steps.Send: &sum.Send}
	for _, one := range list {
		for _, c := range one.changes {
			*counts[c.Op]++
		}
		switch one.status {
		case statusUnknown:
			sum.Unknown++
		case statusFailed:
			sum.Failed++
		}
	}
	return sum
}

// String is the summary in a line. What goes of a plan's own accord are keys.
func (s diffSummary) String() string {
	var parts []string
	for _, part := range []struct {
		n    int
		text string
	}{
		{s.Create, fmt.Sprintf("%d to create", s.Create)}, {s.Update, fmt.Sprintf("%d to change", s.Update)}, {s.Replace, fmt.Sprintf("%d to replace", s.Replace)},
		{s.Delete, english.Plural(s.Delete, "key", "") + " to delete"}, {s.Send, english.Plural(s.Send, "message", "") + " to send"},
	} {
		if part.n > 0 {
			parts = append(parts, part.text)
		}
	}
	text := "No changes"
	if len(parts) > 0 {
		text = strings.Join(parts, ", ")
	}
	if s.Unknown > 0 {
		text += "; " + english.Plural(s.Unknown, "step", "") + " not knowable"
	}
	if s.Failed > 0 {
		text += "; " + english.Plural(s.Failed, "step", "") + " would fail"
	}
	return text
}

func (c *DiffCmd) print(a *app, d *differ) error {
	header := d.header(d.run, "")
	if c.Output != "text" {
		return report.WriteJSON(a.maskedJSON(), d.document(header))
	}
	(&report.Text{Talk: a.err}).Header(header)
	var b strings.Builder
	for _, one := range d.steps {
		text := report.Changes{Color: a.color, Full: c.Full}.Text(one.changes)
		for _, remark := range one.remarks {
			text += "note: " + printable.String(remark) + "\n"
		}
		b.WriteString(one.title() + "\n" + indented(text))
	}
	if _, err := fmt.Fprintf(a.out, "%s\n%s\n", b.String(), summaryOf(d.steps)); err != nil {
		return fmt.Errorf("write the output: %w", err)
	}
	return nil
}

// title says which step it is, and why no changes follow.
func (p *planned) title() string {
	one := p.rendered
	one.remark = map[diffStatus]string{
		statusUnchanged: "no changes", statusUnknown: "not knowable before the run: " + p.reason, statusSkipped: p.reason, statusFailed: "would fail",
	}[p.status]
	return one.title()
}

func indented(text string) string {
	if text == "" {
		return ""
	}
	return "  " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n  ") + "\n"
}

// diffDocument is the JSON output.
type diffDocument struct {
	SchemaVersion int    `json:"schemaVersion"`
	Kind          string `json:"kind"`
	report.Header
	Steps   []diffStep  `json:"steps"`
	Summary diffSummary `json:"summary"`
}

type diffStep struct {
	ID       string                  `json:"id"`
	Instance json.RawMessage         `json:"matrix,omitempty"`
	Uses     string                  `json:"uses"`
	Finally  bool                    `json:"finally,omitempty"`
	If       string                  `json:"if,omitempty"`
	Status   diffStatus              `json:"status"`
	Reason   string                  `json:"reason,omitempty"` // of unknown and skipped
	Error    string                  `json:"error,omitempty"`
	Changes  []report.ChangeDocument `json:"changes"`
	Remarks  []string                `json:"remarks,omitempty"`
}

func (d *differ) document(header report.Header) diffDocument {
	doc := diffDocument{SchemaVersion: report.SchemaVersion, Kind: "Diff", Header: header, Steps: []diffStep{}, Summary: summaryOf(d.steps)}
	for _, one := range d.steps {
		step := diffStep{
			ID: one.step.ID, Instance: json.RawMessage(one.instance), Uses: one.step.Uses, Finally: slices.Contains(d.Finally, one.step), If: one.step.Condition, Status: one.status, Reason: one.reason,
			Changes: report.NewChangesDocument(one.changes).Changes, Remarks: one.remarks,
		}
		if one.err != nil {
			step.Error = one.err.Error()
		}
		doc.Steps = append(doc.Steps, step)
	}
	return doc
}

// problemsInLine are problems of fields, one after the other.
func problemsInLine(list schema.Problems) string {
	var parts []string
	for _, p := range list {
		parts = append(parts, p.Path+": "+p.Message)
	}
	return strings.Join(parts, "; ")
}
