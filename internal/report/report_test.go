package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plan/engine"
	"plan/internal/report"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with a file of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func now() time.Time { return at(0).Time }

func TestAllEventsAsText(t *testing.T) {
	var out, talk bytes.Buffer
	if err := play(&report.Text{Out: &out, Talk: &talk}, everything()...); err != nil {
		t.Fatal(err)
	}
	golden(t, "text.out", out.Bytes())
	golden(t, "text.talk", talk.Bytes())
}

func TestAllEventsAsColouredLiveText(t *testing.T) {
	var both bytes.Buffer
	if err := play(&report.Text{Out: &both, Talk: &both, Color: true, Live: true, Width: 60}, everything()...); err != nil {
		t.Fatal(err)
	}
	golden(t, "live.out", []byte(strings.ReplaceAll(both.String(), "\x1b", "␛")))
}

func TestAllEventsAsNDJSON(t *testing.T) {
	var out bytes.Buffer
	if err := play(&report.NDJSON{Out: &out, Now: now}, everything()...); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		var event struct {
			SchemaVersion int
			Type          string
			Time          time.Time
		}
		if err := json.Unmarshal([]byte(line), &event); err != nil || event.SchemaVersion != report.SchemaVersion || event.Type == "" || event.Time.IsZero() {
			t.Errorf("not an event: %v: %s", err, line)
		}
	}
	golden(t, "events.ndjson", out.Bytes())
}

func TestRunAsJSON(t *testing.T) {
	var out bytes.Buffer
	if err := play(&report.JSON{Out: &out}, everything()...); err != nil {
		t.Fatal(err)
	}
	if !json.Valid(out.Bytes()) {
		t.Error("not JSON")
	}
	golden(t, "run.json", out.Bytes())
}

// What a server or a volume is called cannot steer a terminal, whatever the format.
func TestHostileTextIsInert(t *testing.T) {
	for name, open := range map[string]func(*bytes.Buffer) report.Printer{
		"text":          func(b *bytes.Buffer) report.Printer { return &report.Text{Out: b, Talk: b} },
		"single":        func(b *bytes.Buffer) report.Printer { return &report.Text{Out: b, Talk: b, Single: true} },
		"follow":        func(b *bytes.Buffer) report.Printer { return &report.Text{Out: b, Talk: b, Follow: true} },
		"follow ndjson": func(b *bytes.Buffer) report.Printer { return &report.NDJSON{Out: b, Now: now, Follow: true} },
		"json":          func(b *bytes.Buffer) report.Printer { return &report.JSON{Out: b} },
		"ndjson":        func(b *bytes.Buffer) report.Printer { return &report.NDJSON{Out: b, Now: now} },
	} {
		t.Run(name, func(t *testing.T) {
			const bad = "a\x1b[2J\u009b31m\u202eb\r\n✓ forged"
			r := engine.StepResult{ID: "x", Uses: "notify", Outcome: engine.Failed, Reason: bad, Err: errors.New(bad), Outputs: map[string]any{"name": bad, "list": []any{bad}}}
			var b bytes.Buffer
			p := open(&b)
			p.Header(report.Header{Plan: bad, File: bad, Run: bad, Journal: bad, Cluster: &report.Cluster{Name: bad, Server: bad, Context: bad},
				Stores: []report.Store{{Name: bad, Location: bad}}, Overrides: []engine.Applied{{Field: bad, Value: bad, Origin: bad, Over: bad}}})
			for _, e := range []engine.Event{
				engine.RunStarted{Stamp: at(0), Steps: []engine.StepInfo{{ID: "x"}}}, engine.StepStarted{Stamp: at(0), Step: "x"},
				engine.StepLog{Stamp: at(1), Step: "x", Message: bad}, engine.PodLog{Stamp: at(1), Step: "x", PodLine: engine.PodLine{Pod: bad, Container: bad, Text: bad}},
				engine.StepProgress{Stamp: at(60), Step: "x", Progress: engine.Progress{What: bad, Unit: bad}},
				engine.AttemptFailed{Stamp: at(61), Step: "x", Err: errors.New(bad)}, engine.StepFinished{Stamp: at(62), Result: r},
				engine.RunCancelling{Stamp: at(62), Reason: bad}, engine.RunFinished{Stamp: at(63), Result: engine.RunResult{Steps: []engine.StepResult{r}}},
			} {
				p.Event(e)
			}
			if strings.ContainsAny(b.String(), "\x1b\u009b\u202e\r") {
				t.Errorf("%q", b.String())
			}
			for line := range strings.Lines(b.String()) {
				if strings.HasPrefix(line, "✓ forged") {
					t.Errorf("a forged line:\n%s", b.String())
				}
			}
		})
	}
}

func TestProgressMakesALineAtMostEveryTenSeconds(t *testing.T) {
	var talk bytes.Buffer
	p := &report.Text{Out: &talk, Talk: &talk}
	p.Event(engine.RunStarted{Stamp: at(0), Steps: []engine.StepInfo{{ID: "a"}}})
	p.Event(engine.StepStarted{Stamp: at(0), Step: "a"})
	for second := range 35 {
		p.Event(engine.StepProgress{Stamp: at(float64(second)), Step: "a", Progress: engine.Progress{What: "listing", Done: int64(second), Unit: "objects"}})
	}
	want := "  a  listing 10 objects\n  a  listing 20 objects\n  a  listing 30 objects\n"
	if diff := cmp.Diff(want, talk.String()); diff != "" {
		t.Error(diff)
	}
}

// A single step's words are what was asked for; blanks are a table's.
func TestSingleStepSpeaksOnStdout(t *testing.T) {
	var out, talk bytes.Buffer
	p := &report.Text{Out: &out, Talk: &talk, Single: true}
	p.Event(engine.RunStarted{Stamp: at(0), Steps: []engine.StepInfo{{ID: "list-pvs"}}})
	p.Event(engine.StepStarted{Stamp: at(0), Step: "list-pvs"})
	p.Event(engine.StepLog{Stamp: at(0), Step: "list-pvs", Message: "NAME   STATUS"})
	if out.String() != "NAME   STATUS\n" || talk.String() != "" {
		t.Errorf("out %q, talk %q", out.String(), talk.String())
	}
}

// Lines of pods' logs are data where they were asked for, and nothing where they were not.
func TestLogsOfPodsAreForThoseWhoFollow(t *testing.T) {
	line := engine.PodLog{Stamp: at(1), Step: "report", Instance: `{"region":"eu"}`, PodLine: engine.PodLine{Pod: "nightly-report-0-x7k2p", Container: "main", Text: "[0-x7k2p] 3 rows\t "}}
	begin := engine.RunStarted{Stamp: at(0), Steps: []engine.StepInfo{{ID: "report", Instances: []*engine.Instance{{Key: line.Instance}}}, {ID: "of-all-the-longest-name-there-is"}}}
	for name, tc := range map[string]struct {
		open func(io.Writer) report.Printer
		want string
	}{
		"text": {func(w io.Writer) report.Printer { return &report.Text{Out: w, Talk: io.Discard} }, ""},
		"text, followed": {func(w io.Writer) report.Printer { return &report.Text{Out: w, Talk: io.Discard, Follow: true} },
			"  report[region=eu]                 [0-x7k2p] 3 rows\t\n"},
		"one step, followed": {func(w io.Writer) report.Printer {
			return &report.Text{Out: w, Talk: io.Discard, Follow: true, Single: true}
		}, "[0-x7k2p] 3 rows\t\n"},
		"json":   {func(w io.Writer) report.Printer { return &report.JSON{Out: w} }, ""},
		"github": {func(w io.Writer) report.Printer { return &report.GitHub{Out: w} }, ""},
		"ndjson": {func(w io.Writer) report.Printer { return &report.NDJSON{Out: w, Now: now} }, ""},
		"ndjson, followed": {func(w io.Writer) report.Printer { return &report.NDJSON{Out: w, Now: now, Follow: true} },
			`{"schemaVersion":1,"type":"pod-log","time":"2026-03-02T02:00:01Z","step":"report","matrix":{"region":"eu"},"pod":"nightly-report-0-x7k2p","container":"main","text":"[0-x7k2p] 3 rows\t "}` + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var all bytes.Buffer
			p := tc.open(&all)
			p.Event(begin)
			all.Reset()
			p.Event(line)
			if diff := cmp.Diff(tc.want, all.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A live line never wraps: a line that wraps cannot be taken back.
func TestLiveLineFitsTheTerminal(t *testing.T) {
	var talk bytes.Buffer
	p := &report.Text{Out: &talk, Talk: &talk, Live: true, Width: 20}
	p.Event(engine.RunStarted{Stamp: at(0), Steps: []engine.StepInfo{{ID: "a"}}})
	p.Event(engine.StepStarted{Stamp: at(0), Step: "a"})
	p.Event(engine.StepProgress{Stamp: at(1), Step: "a", Progress: engine.Progress{What: strings.Repeat("schön ", 20), Unit: "objects"}})
	for _, line := range strings.Split(talk.String(), "\r\x1b[K") {
		if n := len([]rune(line)); n > 19 {
			t.Errorf("%d characters: %q", n, line)
		}
	}
	if err := p.Close(); err != nil || !strings.HasSuffix(talk.String(), "\r\x1b[K") {
		t.Errorf("a live line is left behind: %q, %v", talk.String(), err)
	}
}

type broken struct{ writes int }

func (b *broken) Write([]byte) (int, error) { b.writes++; return 0, errors.New("broken pipe") }

func TestLostOutputIsAnErrorAndIsNotTriedAgain(t *testing.T) {
	for name, open := range map[string]func(*broken) report.Printer{
		"text":   func(b *broken) report.Printer { return &report.Text{Out: b, Talk: &bytes.Buffer{}} },
		"json":   func(b *broken) report.Printer { return &report.JSON{Out: b} },
		"ndjson": func(b *broken) report.Printer { return &report.NDJSON{Out: b, Now: now} },
	} {
		t.Run(name, func(t *testing.T) {
			b := &broken{}
			if err := play(report.Multi{open(b)}, everything()...); err == nil || b.writes != 1 {
				t.Errorf("%d writes, error %v", b.writes, err)
			}
		})
	}
}
