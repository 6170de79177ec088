package engine

import (
	"context"
	"time"
)

// Journal keeps what a run did, for what comes after a crash. Append returns only when its records would survive one: they are
// there all together or not at all. After an error nothing more is appended. Values of secrets must not be in records: whoever
// writes an error or an output masks it.
type Journal interface {
	Append(ctx context.Context, records ...Record) error
	Close() error
}

// Record is one thing worth remembering. The set is closed; the types' JSON is a format on disk, so fields are only ever added.
type Record interface{ recordType() string }

// The records of a run, in the order in which they come. A run that is resumed goes on in the same journal with another
// RunStartedRecord.
type (
	// RunStartedRecord comes first in each invocation. Host, PID, BootID and PIDStarted together name one process for ever.
	RunStartedRecord struct {
		Run        string    `json:"run"`
		Invocation int       `json:"invocation"` // from 1
		Plan       string    `json:"plan"`
		File       string    `json:"file"`
		PlanHash   string    `json:"planHash"` // over file, resolved parameters and overrides
		Started    time.Time `json:"started"`  // of the run; the same in every invocation
		Cluster    string    `json:"cluster,omitempty"`
		ClusterUID string    `json:"clusterUID,omitempty"`
		Host       string    `json:"host,omitempty"`
		PID        int       `json:"pid,omitempty"`
		BootID     string    `json:"bootID,omitempty"`
		PIDStarted uint64    `json:"pidStarted,omitempty"` // clock ticks after boot, as in /proc/PID/stat
		Dir        string    `json:"dir,omitempty"`        // the folder that relative paths are relative to
		Source     string    `json:"source,omitempty"`     // the plan itself, where it did not come from a file

		LeftOut map[string]string `json:"leftOut,omitempty"` // steps that do not run, with the reason
		Again   []string          `json:"again,omitempty"`   // steps that were done and are to run again
	}
	// AttemptStartedRecord is on disk before the attempt begins.
	AttemptStartedRecord struct {
		Step     string `json:"step"`
		Instance string `json:"instance,omitempty"`
		Final    bool   `json:"final,omitempty"`
		Attempt  int    `json:"attempt"`
	}
	// StepNotedRecord is a word of an attempt to those after it at the same step or instance. A later one of the same key replaces it.
	StepNotedRecord struct {
		Step     string `json:"step"`
		Instance string `json:"instance,omitempty"`
		Attempt  int    `json:"attempt"` // that noted it
		Key      string `json:"key"`
		Value    string `json:"value"`
	}
	// AttemptFinishedRecord tells what one attempt came to, before continueOnError.
	AttemptFinishedRecord struct {
		Step     string        `json:"step"`
		Instance string        `json:"instance,omitempty"`
		Final    bool          `json:"final,omitempty"`
		Attempt  int           `json:"attempt"`
		Outcome  Outcome       `json:"outcome"`
		Verdict  Verdict       `json:"verdict,omitempty"`
		Reason   string        `json:"reason,omitempty"`
		RetryIn  time.Duration `json:"retryIn,omitempty"` // nanoseconds until the next attempt
	}
	// StepFinishedRecord tells what a step came to, or an instance of its matrix. The one of the step as a whole follows those
	// of its instances and has no outputs: they are in theirs.
	StepFinishedRecord struct {
		Step      string         `json:"step"`
		Instance  string         `json:"instance,omitempty"`
		Instances int            `json:"instances,omitempty"` // of the step as a whole
		Final     bool           `json:"final,omitempty"`
		Outcome   Outcome        `json:"outcome"`
		Verdict   Verdict        `json:"verdict,omitempty"`
		OwnIf     bool           `json:"ownIf,omitempty"`
		Attempts  int            `json:"attempts"`
		Reason    string         `json:"reason,omitempty"`
		Error     string         `json:"error,omitempty"`
		Cause     []string       `json:"cause,omitempty"`
		Started   time.Time      `json:"started,omitzero"`
		Outputs   map[string]any `json:"outputs,omitempty"` // read back as they were, but for integers of other types: int64
	}
	// SuspendedRecord says that an invocation stopped so that another goes on.
	SuspendedRecord struct {
		Reason string `json:"reason"`
	}
	// RunFinishedRecord comes last in an invocation that got to its end.
	RunFinishedRecord struct {
		Outcome  RunOutcome `json:"outcome"`
		ExitCode int        `json:"exitCode"`
	}
)

func (RunStartedRecord) recordType() string      { return "run-started" }
func (AttemptStartedRecord) recordType() string  { return "attempt-started" }
func (StepNotedRecord) recordType() string       { return "step-noted" }
func (AttemptFinishedRecord) recordType() string { return "attempt-finished" }
func (StepFinishedRecord) recordType() string    { return "step-finished" }
func (SuspendedRecord) recordType() string       { return "suspended" }
func (RunFinishedRecord) recordType() string     { return "run-finished" }

func attemptStartedRecord(r *StepResult) AttemptStartedRecord {
	return AttemptStartedRecord{Step: r.ID, Instance: r.Instance, Final: r.Final, Attempt: r.Attempts}
}

func attemptFinishedRecord(r *StepResult, j *judgement, delay time.Duration) AttemptFinishedRecord {
	return AttemptFinishedRecord{
		Step: r.ID, Instance: r.Instance, Final: r.Final, Attempt: r.Attempts,
		Outcome: j.outcome, Verdict: j.verdict, Reason: j.reason, RetryIn: delay,
	}
}

func stepFinishedRecord(r *StepResult) StepFinishedRecord {
	rec := StepFinishedRecord{
		Step: r.ID, Instance: r.Instance, Instances: r.Instances, Final: r.Final, Outcome: r.Outcome, Verdict: r.Verdict, OwnIf: r.OwnIf,
		Attempts: r.Attempts, Reason: r.Reason, Cause: r.Cause, Started: r.Started, Outputs: r.Outputs,
	}
	if r.Err != nil {
		rec.Error = r.Err.Error()
	}
	return rec
}
