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
	"time"

	"plan/engine"
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
	local, ok := store.(*runstore.LocalStore)
	if !ok {
		return usage(fmt.Errorf("run %s is kept in the cluster, which has its results and not what its steps said: that is in the log of the pod that ran it (kubectl logs)", run.ID))
	}
	file, err := os.Open(local.EventsFile(run.ID))
	if errors.Is(err, fs.ErrNotExist) {
		return usage(fmt.Errorf("run %s has no log: it ended before its first step", run.ID))
	}
	if err != nil {
		return fmt.Errorf("read the log of run %s: %w", run.ID, err)
	}
	defer file.Close()
	over := func() bool {
		list, err := store.List(signals.ctx)
		if err != nil {
			return false
		}
		now, err := runstore.Find(list, run.ID)
		return err != nil || !now.Running
	}
	return c.print(signals.ctx, a, file, over)
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
	if c.Step != "" && c.Step != l.Step+l.ID && c.Step != name {
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
