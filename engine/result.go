package engine

import (
	"context"
	"time"
)

// Outcome is what happened to a step.
type Outcome string

// The outcomes. Waiting and Running are not terminal; all others are.
const (
	Waiting   Outcome = "waiting"
	Running   Outcome = "running"
	Succeeded Outcome = "succeeded"
	Failed    Outcome = "failed"
	TimedOut  Outcome = "timedOut"  // the attempt's timeout or the step's deadline ran out
	Lost      Outcome = "lost"      // an effect's outcome is unknown
	Ignored   Outcome = "ignored"   // failed or timed out under continueOnError
	Skipped   Outcome = "skipped"   // by its own if, or because a need was not met
	Cancelled Outcome = "cancelled" // by an interrupt, failFast or the run's timeout
)

// Verdict is what a check found. Work that is no check has none.
type Verdict string

// The verdicts.
const (
	NoVerdict Verdict = ""
	Pass      Verdict = "pass"
	Fail      Verdict = "fail"    // the check found a fault
	Unknown   Verdict = "unknown" // the check could not be made
)

// RunOutcome is what became of a run as a whole.
type RunOutcome string

// The run outcomes.
const (
	RunSucceeded RunOutcome = "succeeded"
	RunDegraded  RunOutcome = "degraded" // something was ignored
	RunFailed    RunOutcome = "failed"
	RunCancelled RunOutcome = "cancelled"
	RunTimedOut  RunOutcome = "timedOut"
	RunSkipped   RunOutcome = "skipped"   // another run held the lock
	RunSuspended RunOutcome = "suspended" // another process goes on with it
)

// Result is what one attempt brought.
type Result struct {
	Outputs map[string]any // JSON-like, as declared by the kind
	Verdict Verdict
	Reason  string // one line for people: what was done, or why the verdict is not pass

	// Settle is called once the attempt's end is recorded, beside whatever runs then, and has 10 seconds. Its error is told in a StepLog and
	// changes nothing. It is not called for an attempt that is lost, that goes on in another process, or whose end could not be recorded.
	Settle func(context.Context) error
}

// Do makes one attempt at a step. It returns when the work is done or soon after ctx is done. An error means that the work
// failed, or, with an Unknown verdict, why the check could not be made.
type Do func(ctx context.Context, call *Call) (Result, error)

// Call is one attempt at a step.
type Call struct {
	Step     *Step
	Instance string // canonical JSON of the matrix values; empty without a matrix
	Attempt  int    // from 1, counted on over retries
	With     map[string]any
	Timeout  time.Duration // of this attempt, as the plan says; a deadline may end it earlier
	Run      RunVars

	// Noted is what attempts at the step (or instance) noted before this one began, in earlier invocations too, where it may have been this
	// very attempt; of a key that was noted again the later.
	Noted map[string]string
	// Note records something for later attempts. It returns once that would survive a crash. On an error it may be recorded or not: the
	// journal could not be written, or the attempt was given up. It waits for nothing but the journal.
	Note func(key, value string) error

	// Progress reports how far long work has come. It may be called often and from several goroutines.
	Progress func(Progress)
	// Log says something to people about the step.
	Log func(format string, args ...any)
	// PodLog tells a line of a pod's log to those who follow.
	PodLog func(PodLine)
}

// PodLine is a line of the log of a container of a pod.
type PodLine struct{ Pod, Container, Text string }

// Progress is how far a piece of work has come.
type Progress struct {
	What  string // "listing persistentvolumes", "uploading"
	Done  int64
	Total int64  // 0 when unknown
	Unit  string // "objects", "bytes"
}

// Class says what an error means for a retry.
type Class int

// The classes.
const (
	ClassFailure   Class = iota // the work failed; repeated only with retry.when: failure
	ClassTransient              // passes by itself: throttling, a server error, a broken connection
	ClassFinal                  // refused or invalid: 400, 401, 403, 404, 422; never repeated
	ClassOver                   // an earlier process has ended this very attempt and not lived to record it: the next one follows, and does not count
	ClassLost                   // whether the effect took place cannot be known; never repeated
)

// Classify tells an error's class and, where a server asked for it, how long to wait before the next try.
type Classify func(error) (class Class, retryAfter time.Duration)

// StepResult is what became of a step, or of one instance of its matrix. A step with a matrix has a result as a whole, and each
// instance one of its own. A step that was skipped or cancelled before its matrix was begun has no instances.
type StepResult struct {
	ID        string
	Instance  string // canonical JSON of the matrix values; empty without a matrix, and for the step as a whole
	Instances int    // of the step as a whole: how many results of instances there are; their outputs are not repeated here
	Uses      string
	Final     bool // a step of finally

	Outcome Outcome
	Verdict Verdict
	Reason  string   // for people, one line
	Err     error    // of the last attempt
	Cause   []string // for skipped and cancelled: the steps that were not met, or the one (or report[region=eu]) that failed fast

	// OwnIf is set when the step was skipped because its own condition was false, which is no fault.
	OwnIf bool

	Recorded bool // from an earlier invocation of the run, or, of a step that is left out, from another run

	Attempts int       // of a step as a whole: of all its instances together
	Started  time.Time // zero when it never started
	Finished time.Time
	Outputs  map[string]any
}

// RunResult is what became of a run.
type RunResult struct {
	ID       string
	Plan     string
	Outcome  RunOutcome
	ExitCode int
	Started  time.Time
	Finished time.Time
	Steps    []StepResult // file order, each step before its instances; finally last
	Err      error        // what ended the run beside its steps: the journal could not be written
}
