package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Signal asks a run to end early.
type Signal int

// The signals.
const (
	SignalInterrupt Signal = iota + 1 // SIGINT, or a request to cancel
	SignalTerminate                   // SIGTERM
	SignalSuspend                     // SIGTERM to one of several processes that carry a run on: another goes on
	SignalBereft                      // the lock was lost: nobody may go on here
)

// Options are what a run needs beside its plan.
type Options struct {
	RunID   string
	Started time.Time // in the results; whole seconds, UTC. The run's timeout counts from the call of Run.

	Do       Do       // the work; required
	Classify Classify // nil: every error is a ClassFailure

	// Events gets every event; nil is allowed. It is called by one goroutine at a time, in order. While it works the run waits.
	Events func(Event)
	// Journal gets every start, note and end before it takes effect; nil is allowed. The caller has already written the run's
	// first record and closes the journal.
	Journal Journal

	// History is what earlier invocations came to, whose journal this one goes on with; nil for the first. What is done is not run again.
	// Of all else the attempts count on, and the retries begin anew; one that was begun and did not end is made again under its number.
	History *History
	// LeaveOut has the steps that do not run, with the reason for people. They count as done where History has a result, else as
	// skipped by their own condition.
	LeaveOut map[string]string
	// Since is when the budget of steps began; zero is now.
	Since time.Time

	Strict bool // ignored work exits 1

	// Interrupt brings signals: the first stops the run, which still does its finally; the second ends it at once.
	Interrupt <-chan Signal

	Grace     time.Duration // how long running steps get to return after a cancel, before they count as lost; 0 is 10s
	LateGrace time.Duration // how long an attempt gets to return after a timeout; 0 is 5s

	// Jitter chooses a delay from 0 to most, both included; nil chooses evenly at random.
	Jitter func(most time.Duration) time.Duration
}

// Run walks the steps of p, then those of finally, and tells what became of them. It returns when every step is terminal and
// every attempt has returned or was given up.
//
// At most p.MaxParallel steps are under way at once; one that waits for its next attempt is under way and keeps its place. A
// step is decided as soon as all its needs are terminal, and ready steps start in the order in which they became ready, ties
// in file order.
//
// A step with a matrix is decided as a whole. Its instances are then ready, or, when the matrix has a MaxParallel, so many of them,
// and another whenever one is terminal. Each counts for p.MaxParallel and has attempts, timeout and deadline of its own. The step is
// terminal when all are: its outcome is the worst of lost, failed, timedOut, cancelled, ignored, succeeded; its verdict the worst of
// fail, unknown, none, pass. Instances that the matrix's FailFast cancels get Grace to return, as after a cancel of the run.
//
// The end of ctx counts as a first SignalInterrupt: finally still runs, on a context of its own.
//
// No Do holds a run up. An attempt that has not returned LateGrace after its own timeout or its step's deadline, Grace after
// the run was cancelled or failed fast, or half of LateGrace after the budget of steps or of finally ran out (they share one
// LateGrace), is given up: its step is lost, is never tried again, and what the attempt does later is not seen. So Run takes at
// most p.Timeout + p.FinallyTimeout + LateGrace, and what Events and Journal take. An attempt that succeeds although its context is done has succeeded.
// Within that time it waits, at its end, up to 10 seconds for what settles results.
//
// When the journal cannot be written nothing starts any more, not even finally; what runs is cancelled, and RunResult.Err says why.
func Run(ctx context.Context, p *Plan, o Options) RunResult {
	r := &runState{plan: p, opts: o.withDefaults(), parent: ctx.Done(), steps: make(map[string]StepVars, len(p.Steps)+len(p.Finally))}
	r.out = &eventSink{to: o.Events}
	r.late = newEventGate(r.out)
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()

	began := time.Now()
	r.out.send(RunStarted{Stamp{time.Now()}, r.opts.RunID, p.Name, p.File, planSteps(p)})
	main := newWalker(r, p.Steps, nil)
	main.walk(own)
	finally := newWalker(r, p.Finally, main)
	if r.handedOn() {
		finally.abandon()
	} else {
		finally.walk(own)
	}
	r.awaitSettlers(r.leeway(began))
	return r.end(own, main, finally)
}

// runState is what steps and finally share. The goroutine of Run owns it.
type runState struct {
	plan  *Plan
	opts  Options
	out   *eventSink
	late  *eventGate // of what settles results
	steps map[string]StepVars

	parent     <-chan struct{} // nil once seen
	signal     Signal          // the first one; 0 while there is none
	again      bool            // a second one came
	timedOut   bool            // the budget of steps ran out
	journalErr error

	settlers sync.WaitGroup
}

// handedOn tells whether the run goes on elsewhere: what was cut off here is not an end.
func (r *runState) handedOn() bool { return r.signal == SignalSuspend || r.signal == SignalBereft }

func (o Options) withDefaults() Options {
	if o.Started.IsZero() {
		o.Started = time.Now().UTC().Truncate(time.Second)
	}
	if o.Classify == nil {
		o.Classify = func(error) (Class, time.Duration) { return ClassFailure, 0 }
	}
	if o.Grace <= 0 {
		o.Grace = 10 * time.Second
	}
	if o.LateGrace <= 0 {
		o.LateGrace = 5 * time.Second
	}
	if o.Jitter == nil {
		o.Jitter = func(most time.Duration) time.Duration { return time.Duration(rand.Int64N(int64(most) + 1)) }
	}
	return o
}

// end puts the result together, records it and tells it.
func (r *runState) end(ctx context.Context, main, finally *walker) RunResult {
	all := main.tally
	all.merge(finally.tally)
	res := RunResult{ID: r.opts.RunID, Plan: r.plan.Name, Started: r.opts.Started, Finished: time.Now()}
	res.Steps = make([]StepResult, 0, len(main.states)+len(finally.states))
	for _, w := range []*walker{main, finally} {
		for _, s := range w.states {
			res.Steps = append(res.Steps, s.result)
			for _, i := range s.instances {
				res.Steps = append(res.Steps, i.result)
			}
		}
	}
	res.Outcome, res.ExitCode = all.runOutcome(r), all.exitCode(r)
	if r.opts.Journal != nil && r.journalErr == nil {
		last := Record(RunFinishedRecord{Outcome: res.Outcome, ExitCode: res.ExitCode})
		if r.handedOn() {
			last = SuspendedRecord{Reason: main.stopReason()}
		}
		r.append(ctx, []Record{last})
		res.Outcome, res.ExitCode = all.runOutcome(r), all.exitCode(r)
	}
	res.Err = r.journalErr
	r.out.send(RunFinished{Stamp{res.Finished}, res})
	return res
}

// append writes records and remembers the first failure, after which it writes nothing more. It reports whether the journal is sound.
func (r *runState) append(ctx context.Context, records []Record) bool {
	if r.opts.Journal == nil || r.journalErr != nil || len(records) == 0 {
		return r.journalErr == nil
	}
	if err := r.opts.Journal.Append(ctx, records...); err != nil {
		r.journalErr = fmt.Errorf("write the journal of run %s: %w", r.opts.RunID, err)
	}
	return r.journalErr == nil
}

func planSteps(p *Plan) []StepInfo {
	infos := make([]StepInfo, 0, len(p.Steps)+len(p.Finally))
	for i, s := range slices.Concat(p.Steps, p.Finally) {
		info := StepInfo{ID: s.ID, Name: s.Name, Uses: s.Uses, Needs: s.Needs, Pos: s.Pos, Final: i >= len(p.Steps)}
		if s.Matrix != nil {
			info.Instances = s.Matrix.Instances
		}
		infos = append(infos, info)
	}
	return infos
}
