// Package report prints what happens in a run: for people as text, for programs as JSON.
package report

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"plan/engine"
	"plan/internal/printable"
	"plan/schema"
)

// SchemaVersion is the version of all JSON output. It grows when a field changes its meaning or goes; new fields may come at any time.
const SchemaVersion = 1

// Header is what a run works with, known before its first step.
type Header struct {
	Plan      string           `json:"plan"`
	File      string           `json:"file"` // "-" is standard input
	Run       string           `json:"run"`
	Journal   string           `json:"journal,omitempty"`
	Cluster   *Cluster         `json:"cluster,omitempty"` // nil when no step needs one
	Stores    []Store          `json:"stores,omitempty"`
	Overrides []engine.Applied `json:"overrides,omitempty"`
}

// Cluster is the cluster a run works on.
type Cluster struct {
	Name    string `json:"name"`
	UID     string `json:"uid"`
	Context string `json:"context,omitempty"`
	Server  string `json:"server"`
}

// Store is a store a run works on.
type Store struct {
	Name     string `json:"name"`
	Location string `json:"location"`
}

// Printer shows one run. Event is called for each event, in order; Close ends the output.
type Printer interface {
	Header(Header)
	Event(engine.Event)
	Close() error
}

// stepName is how a step or instance is called in text.
func stepName(id, instance string) string { return printable.String(engine.InstanceID(id, instance)) }

// maxName is how wide a column of names gets on account of instances.
const maxName = 40

// nameWidth is the width of the longest name of a step and its instances.
func nameWidth(s engine.StepInfo) int {
	width := len(s.ID)
	for _, i := range s.Instances {
		width = max(width, min(len(engine.InstanceID(s.ID, i.Key)), maxName))
	}
	return width
}

// span is a time for people: 0.3s, 12.4s, 3m5s.
func span(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return schema.FormatDuration(d.Truncate(time.Second))
}

// amount is progress for people: "4,500 of 10,000 objects", "1.2 MiB".
func amount(p engine.Progress) string {
	show := func(n int64) string { return humanize.Comma(n) }
	unit := " " + p.Unit
	if p.Unit == "bytes" {
		show, unit = func(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }, ""
	}
	if p.Total > 0 {
		return show(p.Done) + " of " + show(p.Total) + unit
	}
	return show(p.Done) + unit
}

func oneLine(s string) string {
	return printable.String(strings.Join(strings.Fields(s), " "))
}

// Multi is several printers as one.
type Multi []Printer

// Header hands the header to each.
func (m Multi) Header(h Header) {
	for _, p := range m {
		p.Header(h)
	}
}

// Event hands the event to each.
func (m Multi) Event(e engine.Event) {
	for _, p := range m {
		p.Event(e)
	}
}

// Close closes each.
func (m Multi) Close() error {
	var errs []error
	for _, p := range m {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}
