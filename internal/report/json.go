package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"plan/engine"
	"plan/internal/printable"
	"plan/schema"
)

// WriteJSON prints one document, indented, with a new line at its end.
func WriteJSON(w io.Writer, document any) error {
	data, err := marshal(document)
	if err != nil {
		return fmt.Errorf("encode the output: %w", err)
	}
	var b bytes.Buffer
	if err := json.Indent(&b, data, "", "  "); err != nil {
		return fmt.Errorf("encode the output: %w", err)
	}
	b.WriteByte('\n')
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write the output: %w", err)
	}
	return nil
}

// marshal is JSON on one line in which no character is invisible: package json leaves C1 controls and bidi overrides as they are, and
// somebody may look at the output on a terminal. They can stand nowhere but in strings.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	data := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	if !bytes.ContainsFunc(data, printable.Hidden) {
		return data, nil
	}
	var out []byte
	for _, r := range string(data) {
		if printable.Hidden(r) {
			for _, half := range utf16.AppendRune(nil, r) {
				out = fmt.Appendf(out, `\u%04x`, half)
			}
			continue
		}
		out = utf8.AppendRune(out, r)
	}
	return out, nil
}

// JSON prints one document when the run is over.
type JSON struct {
	Out    io.Writer
	header Header
	err    error
}

// Header keeps the header for the document.
func (j *JSON) Header(h Header) { j.header = h }

// Event prints the document at the end of the run.
func (j *JSON) Event(e engine.Event) {
	done, ok := e.(engine.RunFinished)
	if !ok {
		return
	}
	j.err = WriteJSON(j.Out, struct {
		SchemaVersion int    `json:"schemaVersion"`
		Kind          string `json:"kind"`
		Header
		runJSON
		Steps []stepJSON `json:"steps"`
	}{SchemaVersion, "Run", j.header, runOf(done.Result), stepsOf(done.Result.Steps)})
}

// Close tells whether the document could be written.
func (j *JSON) Close() error { return j.err }

type runJSON struct {
	Outcome  engine.RunOutcome `json:"outcome"`
	ExitCode int               `json:"exitCode"`
	Started  time.Time         `json:"started"`
	Finished time.Time         `json:"finished"`
}

func runOf(r engine.RunResult) runJSON {
	return runJSON{r.Outcome, r.ExitCode, r.Started.UTC(), r.Finished.UTC()}
}

type stepJSON struct {
	ID       string          `json:"id"`
	Instance json.RawMessage `json:"matrix,omitempty"`
	Count    int             `json:"instances,omitempty"` // of a step as a whole; they follow it
	Uses     string          `json:"uses"`
	Finally  bool            `json:"finally,omitempty"`
	Outcome  engine.Outcome  `json:"outcome"`
	Verdict  engine.Verdict  `json:"verdict,omitempty"`
	Reason   string          `json:"reason,omitempty"`
	Error    string          `json:"error,omitempty"`
	Cause    []string        `json:"cause,omitempty"`
	Attempts int             `json:"attempts"`
	Recorded bool            `json:"recorded,omitempty"` // from an earlier process of the run, or the plan's last run
	Started  *time.Time      `json:"started,omitempty"`
	Finished *time.Time      `json:"finished,omitempty"`
	Outputs  any             `json:"outputs,omitempty"`
}

func stepsOf(results []engine.StepResult) []stepJSON {
	out := make([]stepJSON, len(results))
	for i, r := range results {
		out[i] = stepOf(r)
	}
	return out
}

func stepOf(r engine.StepResult) stepJSON {
	s := stepJSON{ID: r.ID, Instance: json.RawMessage(r.Instance), Count: r.Instances, Uses: r.Uses, Finally: r.Final, Outcome: r.Outcome, Verdict: r.Verdict,
		Reason: r.Reason, Cause: r.Cause, Attempts: r.Attempts, Recorded: r.Recorded, Started: moment(r.Started), Finished: moment(r.Finished)}
	if r.Err != nil {
		s.Error = r.Err.Error()
	}
	if len(r.Outputs) > 0 {
		s.Outputs = Outputs(r.Outputs)
	}
	return s
}

// Outputs is a value for JSON: durations in the grammar of plans.
func Outputs(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, value := range v {
			out[key] = Outputs(value)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = Outputs(v[i])
		}
		return out
	case time.Duration:
		return schema.FormatDuration(v)
	}
	return v
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
