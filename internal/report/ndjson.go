package report

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"plan/engine"
	"plan/schema"
)

// NDJSON prints a line of JSON for each event, the header first.
type NDJSON struct {
	Out    io.Writer
	Now    func() time.Time // of the header, which has no time of its own
	Follow bool             // with lines of pods' logs
	err    error
}

// Header prints the header line.
func (n *NDJSON) Header(h Header) { n.line("header", n.Now(), h) }

// Close tells whether every line could be written.
func (n *NDJSON) Close() error { return n.err }

// line prints one event. After a failed write nothing more is tried: the reader is gone.
func (n *NDJSON) line(kind string, at time.Time, fields any) {
	if n.err != nil {
		return
	}
	head, err := marshal(struct {
		SchemaVersion int       `json:"schemaVersion"`
		Type          string    `json:"type"`
		Time          time.Time `json:"time"`
	}{SchemaVersion, kind, at.UTC()})
	if err == nil {
		var body []byte
		if body, err = marshal(fields); len(body) > 2 { // two objects become one
			head = append(append(head[:len(head)-1], ','), body[1:]...)
		}
	}
	if err == nil {
		_, err = n.Out.Write(append(head, '\n'))
	}
	if err != nil {
		n.err = fmt.Errorf("write event %s: %w", kind, err)
	}
}

// Event prints an event.
func (n *NDJSON) Event(e engine.Event) {
	switch e := e.(type) {
	case engine.RunStarted:
		n.line("run-started", e.Time, runStarted(e))
	case engine.StepStarted:
		n.line("step-started", e.Time, attemptJSON{stepRef: refer(e.Step, e.Instance), Attempt: e.Attempt, Of: e.Of})
	case engine.StepProgress:
		n.line("step-progress", e.Time, progressJSON{refer(e.Step, e.Instance), e.What, e.Done, e.Total, e.Unit})
	case engine.StepLog:
		n.line("step-log", e.Time, logJSON{refer(e.Step, e.Instance), e.Message})
	case engine.PodLog:
		if n.Follow {
			n.line("pod-log", e.Time, podLogJSON{refer(e.Step, e.Instance), e.Pod, e.Container, e.Text})
		}
	case engine.AttemptFailed:
		n.line("attempt-failed", e.Time, attemptJSON{refer(e.Step, e.Instance), e.Attempt, e.Of, e.Err.Error(), schema.FormatDuration(e.Delay)})
	case engine.StepFinished:
		n.line("step-finished", e.Time, stepOf(e.Result))
	case engine.RunCancelling:
		n.line("run-cancelling", e.Time, reasonJSON{e.Reason})
	case engine.RunFinished:
		n.line("run-finished", e.Time, runOf(e.Result))
	}
}

// stepRef names a step in an event of its own.
type stepRef struct {
	Step     string          `json:"step"`
	Instance json.RawMessage `json:"matrix,omitempty"`
}

func refer(id, instance string) stepRef { return stepRef{id, json.RawMessage(instance)} }

type attemptJSON struct {
	stepRef
	Attempt int    `json:"attempt"`
	Of      int    `json:"of"`
	Error   string `json:"error,omitempty"`
	Delay   string `json:"delay,omitempty"` // until the next attempt
}

type progressJSON struct {
	stepRef
	What  string `json:"what"`
	Done  int64  `json:"done"`
	Total int64  `json:"total,omitempty"`
	Unit  string `json:"unit"`
}

type logJSON struct {
	stepRef
	Message string `json:"message"`
}

type podLogJSON struct {
	stepRef
	Pod       string `json:"pod"`
	Container string `json:"container,omitempty"`
	Text      string `json:"text"`
}

type reasonJSON struct {
	Reason string `json:"reason"`
}

type infoJSON struct {
	ID      string   `json:"id"`
	Name    string   `json:"name,omitempty"`
	Uses    string   `json:"uses"`
	Needs   []string `json:"needs,omitempty"`
	Finally bool     `json:"finally,omitempty"`

	Instances int `json:"instances,omitempty"` // of its matrix
}

type runStartedJSON struct {
	Run   string     `json:"run"`
	Plan  string     `json:"plan"`
	Steps []infoJSON `json:"steps"`
}

func runStarted(e engine.RunStarted) runStartedJSON {
	infos := make([]infoJSON, len(e.Steps))
	for i, s := range e.Steps {
		infos[i] = infoJSON{s.ID, s.Name, s.Uses, s.Needs, s.Final, len(s.Instances)}
	}
	return runStartedJSON{e.Run, e.Plan, infos}
}
