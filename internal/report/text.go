package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"

	"plan/engine"
	"plan/internal/printable"
)

// progressEvery is how often a step's progress makes a line where the output is no terminal.
const progressEvery = 10 * time.Second

// Text prints for people: results to out, everything else to talk.
type Text struct {
	Out, Talk io.Writer
	Color     bool // escape sequences for colour
	Live      bool // talk is a terminal: one line at the bottom shows what runs
	Width     int  // of the terminal, for the live line; 0 is 80
	Single    bool // the run is one step by itself: what it says is what was asked for, and goes to out
	Follow    bool // logs of pods were asked for, too

	running map[string]string // what each running step is at
	started map[string]time.Time
	said    map[string]time.Time // when a step's progress was last shown
	began   time.Time            // the run, to the millisecond
	width   int                  // of the longest id
	live    bool                 // a live line stands
	err     error                // the first one of writing to out
}

// Header prints what the run works with.
func (t *Text) Header(h Header) {
	fmt.Fprintf(t.Talk, "plan %s  run %s\n", printable.String(h.Plan), printable.String(h.Run))
	for _, o := range h.Overrides {
		line := fmt.Sprintf("  %s = %s  from %s", o.Field, o.Value, o.Origin)
		if o.Over != "" {
			line += ", over " + o.Over
		}
		fmt.Fprintln(t.Talk, printable.String(line))
	}
	if c := h.Cluster; c != nil {
		from := ""
		if c.Context != "" {
			from = ", context " + c.Context
		}
		fmt.Fprintln(t.Talk, printable.String(fmt.Sprintf("  cluster %s at %s%s, uid %s", c.Name, c.Server, from, c.UID)))
	}
	for _, s := range h.Stores {
		fmt.Fprintln(t.Talk, printable.String(fmt.Sprintf("  store %s is %s", s.Name, s.Location)))
	}
	if h.Journal != "" {
		fmt.Fprintln(t.Talk, printable.String("  journal "+h.Journal))
	}
}

// Event prints an event.
func (t *Text) Event(e engine.Event) {
	if _, ok := e.(engine.PodLog); ok && !t.Follow {
		return
	}
	t.clear()
	switch e := e.(type) {
	case engine.RunStarted:
		t.began = e.Time
		t.running, t.said, t.started = map[string]string{}, map[string]time.Time{}, map[string]time.Time{}
		for _, s := range e.Steps {
			t.width = max(t.width, nameWidth(s))
		}
	case engine.StepStarted:
		t.running[stepName(e.Step, e.Instance)] = ""
		t.started[stepName(e.Step, e.Instance)] = e.Time
	case engine.StepProgress:
		t.progress(stepName(e.Step, e.Instance), e)
	case engine.StepLog:
		t.say(stepName(e.Step, e.Instance), e.Message)
	case engine.PodLog:
		t.podLog(e)
	case engine.AttemptFailed:
		fmt.Fprintf(t.Talk, "%s  attempt %d of %d: %s; the next in %s\n", t.pad(stepName(e.Step, e.Instance)), e.Attempt, e.Of, oneLine(e.Err.Error()), span(e.Delay))
	case engine.StepFinished:
		delete(t.running, stepName(e.Result.ID, e.Result.Instance))
		t.finished(e.Result)
	case engine.RunCancelling:
		fmt.Fprintf(t.Talk, "stopping: %s\n", oneLine(e.Reason))
	case engine.RunFinished:
		t.summary(e.Result)
	}
	t.draw()
}

// Close ends the live line, and tells whether all results could be written.
func (t *Text) Close() error { t.clear(); return t.err }

// result prints a line to out. After a failed write nothing more is tried: the reader is gone.
func (t *Text) result(line string) {
	if t.err != nil {
		return
	}
	if _, err := fmt.Fprintln(t.Out, line); err != nil {
		t.err = fmt.Errorf("write the output: %w", err)
	}
}

// say prints a line that a step said. Blanks stay as they are: it may be a row of a table.
func (t *Text) say(name, message string) {
	line := printable.String(strings.TrimRight(message, " \n"))
	if t.Single {
		t.result(line)
		return
	}
	fmt.Fprintf(t.Talk, "%s  %s\n", t.pad(name), line)
}

// podLog prints a line of a pod's log. It begins with which pod it is, behind which nothing can look like another line.
func (t *Text) podLog(e engine.PodLog) {
	line := printable.Line(strings.TrimRight(e.Text, " "))
	if !t.Single {
		line = t.pad(stepName(e.Step, e.Instance)) + "  " + line
	}
	t.result(line)
}

func (t *Text) progress(name string, e engine.StepProgress) {
	t.running[name] = e.What + " " + amount(e.Progress)
	if t.Live {
		return
	}
	last, ok := t.said[name]
	if !ok {
		last = t.started[name]
	}
	if e.Time.Sub(last) < progressEvery {
		return
	}
	t.said[name] = e.Time
	fmt.Fprintf(t.Talk, "%s  %s\n", t.pad(name), oneLine(t.running[name]))
}

func (t *Text) pad(name string) string { return fmt.Sprintf("  %-*s", t.width, name) }

// mark is an outcome's sign and its colour (ECMA-48 SGR).
func mark(o engine.Outcome) (sign, color string) {
	switch o {
	case engine.Succeeded:
		return "✓", "32"
	case engine.Failed, engine.TimedOut:
		return "✗", "31"
	case engine.Lost:
		return "?", "31"
	case engine.Ignored:
		return "⚠", "33"
	case engine.Skipped:
		return "-", "2"
	}
	return "-", "33"
}

func (t *Text) finished(r engine.StepResult) {
	line := t.paint(mark(r.Outcome)) + " " + fmt.Sprintf("%-*s", t.width, stepName(r.ID, r.Instance)) + "  " + Describe(r)
	switch {
	case r.Recorded:
		line += "  (from an earlier run of the step)"
	case !r.Started.IsZero():
		line += "  (" + span(r.Finished.Sub(r.Started)) + ")"
	}
	t.result(line)
}

// Describe tells in one line what became of a step.
func Describe(r engine.StepResult) string {
	words := []string{}
	r.Outcome, r.Verdict = engine.Outcome(oneLine(string(r.Outcome))), engine.Verdict(oneLine(string(r.Verdict))) // they may come from a journal
	switch {
	case r.Outcome == engine.Succeeded && r.Verdict == engine.NoVerdict:
	case r.Verdict != engine.NoVerdict:
		words = append(words, string(r.Outcome)+", verdict "+string(r.Verdict)+":")
	case r.Reason == "" && r.Err == nil:
		words = append(words, string(r.Outcome))
	default:
		words = append(words, string(r.Outcome)+":")
	}
	reason := oneLine(r.Reason)
	if r.Err != nil {
		if message := oneLine(r.Err.Error()); !strings.Contains(reason, message) {
			reason = strings.TrimPrefix(reason+"; "+message, "; ")
		}
	}
	if reason == "" && r.Outcome == engine.Succeeded {
		reason = "done"
	}
	if reason != "" {
		words = append(words, reason)
	}
	if r.Attempts > 1 && r.Instances == 0 {
		words = append(words, fmt.Sprintf("[attempt %d]", r.Attempts))
	}
	return strings.Join(words, " ")
}

// summary counts steps, and in the place of one with a matrix its instances.
func (t *Text) summary(r engine.RunResult) {
	counts, all := map[engine.Outcome]int{}, 0
	for _, s := range r.Steps {
		if s.Instances > 0 { // its instances speak for it
			continue
		}
		counts[s.Outcome]++
		all++
	}
	parts := []string{}
	for _, outcome := range []engine.Outcome{engine.Succeeded, engine.Failed, engine.TimedOut, engine.Lost, engine.Ignored, engine.Skipped, engine.Cancelled} {
		if counts[outcome] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[outcome], outcome))
		}
	}
	color := "32"
	if r.ExitCode != 0 {
		color = "31"
	}
	t.result(fmt.Sprintf("%s in %s: %s of %s; exit %d", t.paint(string(r.Outcome), color), span(r.Finished.Sub(t.began)), strings.Join(parts, ", "), english.Plural(all, "step", ""), r.ExitCode))
}

func (t *Text) paint(s, color string) string {
	if !t.Color {
		return s
	}
	return "\x1b[" + color + "m" + s + "\x1b[0m"
}

// draw puts the live line at the bottom: what runs now.
func (t *Text) draw() {
	if !t.Live || len(t.running) == 0 {
		return
	}
	parts := []string{}
	for _, name := range slices.Sorted(maps.Keys(t.running)) {
		parts = append(parts, strings.TrimSpace(name+" "+oneLine(t.running[name])))
	}
	width := t.Width
	if width == 0 {
		width = 80
	}
	line := []rune("… " + strings.Join(parts, " · "))
	fmt.Fprint(t.Talk, string(line[:min(len(line), width-1)]))
	t.live = true
}

func (t *Text) clear() {
	if t.live {
		fmt.Fprint(t.Talk, "\r\x1b[K")
		t.live = false
	}
}
