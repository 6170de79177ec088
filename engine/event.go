package engine

import (
	"time"

	"plan/schema"
)

// Event is something that happened in a run, for printers and files outside the engine. Events of one run are delivered one at
// a time, in order. The set is closed: a printer switches over the types below.
type Event interface{ at() time.Time }

// Stamp is when an event happened.
type Stamp struct{ Time time.Time }

func (s Stamp) at() time.Time { return s.Time }

// The events.
type (
	// RunStarted comes first.
	RunStarted struct {
		Stamp
		Run, Plan, File string
		Steps           []StepInfo
	}
	// StepStarted comes once per attempt.
	StepStarted struct {
		Stamp
		Step, Instance string
		Attempt, Of    int
	}
	// StepProgress may come often.
	StepProgress struct {
		Stamp
		Step, Instance string
		Progress
	}
	// StepLog is a line that a step says.
	StepLog struct {
		Stamp
		Step, Instance string
		Message        string
	}
	// PodLog is a line of a pod's log, for those who follow. There may be very many.
	PodLog struct {
		Stamp
		Step, Instance string
		PodLine
	}
	// AttemptFailed comes when an attempt failed and another will follow after Delay.
	AttemptFailed struct {
		Stamp
		Step, Instance string
		Attempt, Of    int
		Err            error
		Delay          time.Duration
	}
	// StepFinished comes once per step, skipped and cancelled ones included; of a step with a matrix once per instance, and then
	// once for the step as a whole.
	StepFinished struct {
		Stamp
		Result StepResult
	}
	// RunCancelling comes when a run begins to stop: an interrupt, failFast or the run's timeout.
	RunCancelling struct {
		Stamp
		Reason string
	}
	// RunFinished comes last.
	RunFinished struct {
		Stamp
		Result RunResult
	}
)

// StepInfo introduces a step.
type StepInfo struct {
	ID, Name, Uses string
	Needs          []string
	Final          bool
	Pos            schema.Pos  // in the file
	Instances      []*Instance // of its matrix; not to be changed
}
