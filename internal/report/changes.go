package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/aymanbagabas/go-udiff"
	"sigs.k8s.io/yaml"

	"plan/internal/printable"
	"plan/steps"
)

// maxDiffLines bounds what is shown of one object; JSON output has all of it.
const maxDiffLines = 200

// Changes prints what would happen, for people: a line for each change, below it the difference of the object where it is known, and at
// the end how many there are.
type Changes struct {
	Out   io.Writer
	Color bool
	Full  bool // show whole objects that come or go, too
}

// signs are the first column and its colour (ECMA-48 SGR).
var signs = map[steps.Op][2]string{
	steps.Create: {"+", "32"}, steps.Update: {"~", "33"}, steps.Replace: {"±", "33"}, steps.Delete: {"-", "31"}, steps.Send: {"→", "36"},
}

// Print prints a list of changes in its order.
func (c Changes) Print(list []steps.Change) error {
	if _, err := fmt.Fprintln(c.Out, c.Text(list)+Tally(list)); err != nil {
		return fmt.Errorf("write the output: %w", err)
	}
	return nil
}

// Text is what Print prints, without how many there are.
func (c Changes) Text(list []steps.Change) string {
	var b bytes.Buffer
	for _, change := range list {
		c.line(&b, change)
		if text := c.difference(change); text != "" {
			c.diff(&b, text)
		}
	}
	return b.String()
}

// Tally counts changes: "2 to create, 1 to update".
func Tally(list []steps.Change) string {
	counts := map[steps.Op]int{}
	for _, change := range list {
		counts[change.Op]++
	}
	var parts []string
	for _, op := range []steps.Op{steps.Create, steps.Update, steps.Replace, steps.Delete, steps.Send} {
		if counts[op] > 0 {
			parts = append(parts, fmt.Sprintf("%d to %s", counts[op], op))
		}
	}
	if len(parts) == 0 {
		return "no changes"
	}
	return strings.Join(parts, ", ")
}

func (c Changes) line(b *bytes.Buffer, change steps.Change) {
	sign, known := signs[change.Op]
	if !known {
		sign = [2]string{"?", ""}
	}
	line := fmt.Sprintf("%s %s %s", sign[0], change.Op, oneLine(change.Target))
	if change.Detail != "" {
		line += "  (" + oneLine(change.Detail) + ")"
	}
	b.WriteString(c.paint(line, sign[1]) + "\n")
}

// difference is the unified difference of the object as YAML, without its head; empty where there is none to show.
func (c Changes) difference(change steps.Change) string {
	if !c.Full && (change.Before == nil || change.After == nil) {
		return ""
	}
	before, after := asYAML(change.Before), asYAML(change.After)
	text := udiff.Unified("before", "after", before, after)
	for range 2 { // the names of the two sides
		_, text, _ = strings.Cut(text, "\n")
	}
	return renumbered(text)
}

var hunkHead = regexp.MustCompile(`^@@ -([1-9][0-9]*)(,[0-9]+)? \+[1-9][0-9]*(,[0-9]+)? @@$`)

// renumbered corrects the line of the second side in the heads of hunks: go-udiff leaves out the lines between two edits of one hunk.
func renumbered(text string) string {
	lines, shift := strings.Split(text, "\n"), 0
	for i, line := range lines {
		switch head := hunkHead.FindStringSubmatch(line); {
		case head != nil:
			from, _ := strconv.Atoi(head[1]) // digits
			lines[i] = fmt.Sprintf("@@ -%d%s +%d%s @@", from, head[2], from+shift, head[3])
		case strings.HasPrefix(line, "+"):
			shift++
		case strings.HasPrefix(line, "-"):
			shift--
		}
	}
	return strings.Join(lines, "\n")
}

func asYAML(object json.RawMessage) string {
	if object == nil {
		return ""
	}
	text, err := yaml.JSONToYAML(object)
	if err != nil {
		return string(object) // what is not JSON is shown as it is
	}
	return string(text)
}

func (c Changes) diff(b *bytes.Buffer, text string) {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	left := len(lines) - maxDiffLines
	if left > 0 {
		lines = lines[:maxDiffLines]
	}
	for _, line := range lines {
		color := map[byte]string{'+': "32", '-': "31", '@': "36"}[(line + " ")[0]]
		b.WriteString("    " + c.paint(printable.String(strings.TrimRight(line, " ")), color) + "\n")
	}
	if left > 0 {
		fmt.Fprintf(b, "    … %d more lines; -o json has them\n", left)
	}
}

func (c Changes) paint(s, color string) string {
	if !c.Color || color == "" {
		return s
	}
	return "\x1b[" + color + "m" + s + "\x1b[0m"
}

// ChangeDocument is a change in JSON output.
type ChangeDocument struct {
	Op     steps.Op        `json:"op"`
	Target string          `json:"target"`
	Detail string          `json:"detail,omitempty"`
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
}

// ChangesDocument is the JSON output of a list of changes.
type ChangesDocument struct {
	SchemaVersion int              `json:"schemaVersion"`
	Kind          string           `json:"kind"`
	Changes       []ChangeDocument `json:"changes"`
}

// NewChangesDocument makes the JSON output of changes, in their order.
func NewChangesDocument(list []steps.Change) ChangesDocument {
	d := ChangesDocument{SchemaVersion: SchemaVersion, Kind: "Changes", Changes: make([]ChangeDocument, len(list))}
	for i, c := range list {
		d.Changes[i] = ChangeDocument{c.Op, c.Target, c.Detail, c.Before, c.After}
	}
	return d
}
