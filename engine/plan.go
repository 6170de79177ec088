// Package engine loads plans, checks them and walks their steps. It knows what a step is but not what it does: the work is
// handed in as a Do.
package engine

import (
	"time"

	"plan/schema"
)

// Plan is a checked plan file: references resolved, expressions compiled, parameters typed. It does not change after Load.
type Plan struct {
	Name        string
	Description string
	File        string // as the user named it; "-" is standard input
	Dir         string // what relative paths in the file are relative to

	MaxParallel    int           // steps running at once, at least 1
	Timeout        time.Duration // all of Steps
	FinallyTimeout time.Duration // all of Finally
	FailFast       bool
	Concurrency    *Concurrency // nil: runs may overlap

	Cluster      map[string]any // spec.cluster, expressions evaluated
	Stores       map[string]any // spec.stores by name, expressions evaluated
	Secrets      map[string]any // spec.secrets
	DefaultStore string         // spec.defaults.store, if set

	Steps   []*Step // in file order
	Finally []*Step // in file order

	Overrides []Applied // what replaced a value of the file, in the order it was applied
	Hash      string    // of the file, the parameters and the overrides; hex of SHA-256
}

// Applied is an override that is in force.
type Applied struct {
	Field  string `json:"field"`          // cluster.context
	Value  string `json:"value"`          // as people may see it
	Origin string `json:"from"`           // the variable, or the flag
	Over   string `json:"over,omitempty"` // "nightly.yaml:15", the place it replaced; empty when the file was silent
}

// Concurrency is spec.concurrency: which runs must not overlap, and what to do when one would.
type Concurrency struct {
	Group       string
	Namespace   string // "" is the plan's
	OnConflict  string // wait, skip or fail
	WaitTimeout time.Duration
}

// Step is one entry of steps or finally.
type Step struct {
	ID   string
	Name string // shown to people; may be empty
	Uses string // the kind

	Condition string            // the source of its if, for people
	Never     bool              // its condition is false whatever happens: parameters alone decide it
	Store     string            // the one it works on, or the default one; empty when the plan has no stores
	Stores    map[string]string // by the part of with that names one; "" is with itself

	Needs           []string // resolved: what runs before; empty means it starts at once
	ContinueOnError bool
	Retry           Retry
	Matrix          *Matrix // nil without one

	// If decides whether the step runs, once all its needs are terminal. nil is the default condition of the list the step
	// is in: success() in steps, always() in finally. A bare condition has that default already joined to it. It is asked once
	// for all instances of a matrix.
	If func(*Vars) (bool, error)

	// Inputs evaluates the expressions of with, timeout and deadline just before the first attempt of the step or instance.
	Inputs func(*Vars) (Inputs, error)

	// Preview is Inputs without a run, of which Vars has the id, the name and the matrix: an expression that reads more of the run
	// stands as the string UNKNOWN(the expression), or as a list of that one string where it is a list; one that reads a parameter without a
	// value, which is tolerated offline, stands as it is written. Where a field cannot be any string
	// the error is a schema.Problems; of kinds that render Load has told it.
	Preview func(*Vars) (Inputs, error)

	Pos schema.Pos // where the step begins in the file
}

// Inputs are a step's evaluated fields.
type Inputs struct {
	With     map[string]any // JSON-like: string, int64, float64, bool, nil, []any, map[string]any
	Timeout  time.Duration  // one attempt
	Deadline time.Duration  // all attempts and the waits between them; 0 means none
}

// Vars is what expressions can see while a plan runs.
type Vars struct {
	Run   RunVars
	Steps map[string]StepVars // terminal steps only

	Matrix map[string]any // of the instance; nil without a matrix

	// What success(), failure() and cancelled() answer for the step being decided.
	Success, Failure, Cancelled bool
}

// RunVars is `run` in expressions.
type RunVars struct {
	ID       string
	Name     string     // the plan's name
	Outcome  RunOutcome // of steps so far
	ExitCode int        // the code that steps alone would give so far
}

// StepVars is `steps.<id>` in expressions.
type StepVars struct {
	Outcome Outcome
	Verdict Verdict
	Outputs map[string]any // nil unless the step succeeded (or was ignored with outputs)

	// List stands for Outputs where the step has a matrix: {matrix, outputs} of each instance, in their order.
	List []any
}

// Retry says when and how often a failed attempt is repeated.
type Retry struct {
	Attempts  int           // total tries, at least 1
	Delay     time.Duration // before the second try
	Backoff   float64       // factor from one delay to the next, at least 1
	MaxDelay  time.Duration // no delay is longer, except that a server's Retry-After is honoured
	When      []RetryWhen
	ExitCodes []int // what counts as RetryFailure where the error tells exit codes and all are among these
}

// RetryWhen names a reason to repeat an attempt.
type RetryWhen string

// The reasons.
const (
	RetryTransient RetryWhen = "transient" // the error is one that passes by itself
	RetryTimeout   RetryWhen = "timeout"   // the attempt's timeout ran out
	RetryFailure   RetryWhen = "failure"   // any failed work but refusals and invalid input
)

// Kind is what the engine needs to know of a kind of step.
type Kind struct {
	Name     string
	Schema   []byte        // of with:
	Outputs  []Output      // what expressions may read
	Attempts int           // built-in total tries; 0 means 3
	Timeout  time.Duration // built-in timeout of an attempt; 0 means 10m

	// Declares gives the outputs that a step has beside those, from its with as it is written: ${{ }} is text, and what the schema refuses
	// may be in it. nil: none.
	Declares func(with map[string]any) []Output

	// ExitCodes says that an error of a Do may tell exit codes: it, or one that it wraps, has a method ExitCodes() []int. Empty is not known.
	ExitCodes bool

	// Renders says that what a step makes is shown before the run. What only the run can know may stand there as text, and nowhere else: where
	// a field cannot be any text it is a problem of the plan.
	Renders bool
}

// Output is a declared output; its type is string, integer, number, boolean, duration or list.
type Output struct{ Name, Type string }
