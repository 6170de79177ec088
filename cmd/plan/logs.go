package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"plan/engine"
	"plan/internal/pause"
	"plan/internal/printable"
	"plan/internal/runstore"
)

// LogsCmd shows what the steps of a run said.
type LogsCmd struct {
	RunID  string `arg:"" name:"run" help:"The run: its id, a beginning of it that is unique, or latest." placeholder:"RUN"`
	Step   string `arg:"" optional:"" help:"Only this step; with its instance as report[region=eu] only that." placeholder:"STEP"`
	Follow bool   `short:"f" help:"Go on until the run ends."`
	ManageFlags
}

// followEvery is how often a run's file is looked at for more.
const followEvery = 250 * time.Millisecond

// Run is `plan logs`.
func (c *LogsCmd) Run(a *app) error {
	signals := watchSignals()
	defer signals.stop()
	store, run, err := c.find(signals.ctx, a, c.RunID)
	if err != nil {
		return signals.instead(err)
	}
	var over func() bool
	if local, ok := store.(*runstore.LocalStore); ok {
		if err := c.events(signals.ctx, a, local, run.ID); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(a.err, "plan: run %s is kept in the cluster, with the logs of pods that its steps ran; what the steps themselves said is in the log of the pod that ran it (kubectl logs)\n", printable.String(run.ID))
		a.flush()
		if c.Follow {
			over = ended(signals.ctx, store, run.ID)
		}
	}
	return c.podLogs(signals.ctx, a, store, run.ID, over)
}

// ended tells whether a run that is kept in the cluster is at its end, as far as is known.
func ended(ctx context.Context, store runstore.Store, run string) func() bool {
	return func() bool {
		entries, err := store.Read(ctx, run)
		h, foldErr := engine.Fold(entries)
		return errors.Is(err, runstore.ErrNotFound) || foldErr == nil && h.Ended != nil
	}
}

// events shows what a run of this machine said.
func (c *LogsCmd) events(ctx context.Context, a *app, store *runstore.LocalStore, run string) error {
	file, err := os.Open(store.EventsFile(run))
	if errors.Is(err, fs.ErrNotExist) {
		return usage(fmt.Errorf("run %s has no log: it ended before its first step", run))
	}
	if err != nil {
		return fmt.Errorf("read the log of run %s: %w", run, err)
	}
	defer file.Close()
	return c.print(ctx, a, file, func() bool {
		list, err := store.List(ctx)
		if err != nil {
			return false
		}
		now, err := runstore.Find(list, run)
		return err != nil || !now.Running
	})
}

// podLogs shows the logs of pods that are kept and those that come until the run is over. Without over those that are kept are all.
func (c *LogsCmd) podLogs(ctx context.Context, a *app, store runstore.Store, run string, over func() bool) error {
	shown := map[string]time.Time{}
	for ending := over == nil || over(); ; {
		last := ending
		logs, err := store.Logs(ctx, run)
		for _, l := range logs {
			name := fmt.Sprintf("pod %s of %s, attempt %d", printable.String(l.Name), printable.String(l.Of), l.Attempt)
			if !c.wants(l.Of) || shown[name].Equal(l.Time) {
				continue
			}
			shown[name] = l.Time
			if err := showLog(a, name, string(l.Data)); err != nil {
				return err
			}
		}
		if err != nil || last {
			return err
		}
		a.flush()
		ending = over() // what is on its way by then is there after the pause
		if err := pause.For(ctx, cancelEvery); err != nil {
			return context.Cause(ctx)
		}
	}
}

// showLog prints a pod's log, each line behind a mark, so that none can look like something else.
func showLog(a *app, name, text string) error {
	if _, err := fmt.Fprintf(a.out, "log of %s:\n", name); err != nil {
		return err
	}
	for line := range strings.Lines(text) {
		if _, err := fmt.Fprintf(a.out, "  | %s\n", printable.Line(strings.TrimRight(line, "\n"))); err != nil {
			return err
		}
	}
	return nil
}

// wants tells whether a step or instance was asked for.
func (c *LogsCmd) wants(of string) bool {
	step, _, _ := strings.Cut(of, "[")
	return c.Step == "" || c.Step == of || c.Step == step
}

// logLine is what of an event's line is shown.
type logLine struct {
	Type     string          `json:"type"`
	Time     time.Time       `json:"time"`
	Step     string          `json:"step"`
	ID       string          `json:"id"` // of step-finished
	Instance json.RawMessage `json:"matrix"`
	Message  string          `json:"message"`
	Reason   string          `json:"reason"`
	Error    string          `json:"error"`
	Outcome  engine.Outcome  `json:"outcome"`
	Attempt  int             `json:"attempt"`
	Of       int             `json:"of"`
}

// print shows the lines that are there and, when it follows, those that come until the run is over.
func (c *LogsCmd) print(ctx context.Context, a *app, file io.Reader, over func() bool) error {
	in := bufio.NewReader(file)
	var part []byte
	for ended := false; ; {
		line, err := in.ReadBytes('\n')
		part = append(part, line...)
		if err == nil {
			if err := c.show(a, part); err != nil {
				return err
			}
			part = part[:0]
			continue
		}
		if !errors.Is(err, io.EOF) {
			return fmt.Errorf("read the log: %w", err)
		}
		if !c.Follow || ended {
			return nil
		}
		a.flush()
		ended = over() // what was written before that is still read
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(followEvery):
		}
	}
}

func (c *LogsCmd) show(a *app, line []byte) error {
	var l logLine
	if json.Unmarshal(line, &l) != nil {
		return nil // the torn end of a process that was killed
	}
	name := engine.InstanceID(l.Step+l.ID, string(l.Instance))
	if !c.wants(name) {
		return nil
	}
	text := ""
	switch l.Type {
	case "step-log":
		text = l.Message
	case "step-started":
		text = fmt.Sprintf("attempt %d of %d", l.Attempt, l.Of)
	case "attempt-failed":
		text = "failed: " + l.Error
	case "step-finished":
		text = string(l.Outcome)
		for _, more := range []string{l.Reason, l.Error} {
			if more != "" {
				text += ": " + more
				break
			}
		}
	default:
		return nil
	}
	_, err := fmt.Fprintf(a.out, "%s %s  %s\n", l.Time.Format("15:04:05"), printable.String(name), printable.String(text))
	return err
}
