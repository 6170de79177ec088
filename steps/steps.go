// Package steps is the contract between plan and the kinds of step it can run.
//
// A kind is a folder below this one. Its action is a struct whose fields are the step's `with:` and whose Run is its work.
// Plan and Run share one computation: Plan names the changes, Run makes exactly those. Run may be called again with the same
// Scope, after a crash or a lost answer, and then changes nothing that is already as it should be (notify alone may repeat).
//
// What the caller promises: an action is decoded, validated against the kind's schema and by Validate before anything else is
// called; Env is complete for what the action's fields ask for; one action value serves one attempt.
//
// What a kind promises: New returns the defaults; Permissions names every API call that Plan and Run may make; Render opens no
// socket and gives the same bytes for the same Scope; Plan writes nothing; every method returns soon after its context is done;
// no value that came from a secret source appears in a Change, a Result, an error or a log line.
package steps

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/runtime"

	"plan/internal/bitwarden"
	"plan/internal/kube"
	"plan/internal/objectstore"
	"plan/internal/secrets"
)

// Kind describes one kind of step.
type Kind struct {
	Name    string        // the word after uses:
	Schema  []byte        // JSON Schema of with:
	Doc     string        // README.md of its folder
	Outputs []Output      // what steps.<id>.outputs has
	New     func() Action // a new action with the defaults

	// Declares gives the outputs that a step has beside those of its kind, from its with: as it is written: strings with ${{ }} are
	// not evaluated yet, and what does not fit the schema may be there too. nil: a step declares none.
	Declares func(with map[string]any) []Output

	Attempts int           // built-in total tries; 0: 3
	Timeout  time.Duration // built-in, of one attempt; 0: 10 minutes

	// Settle does what a Result's Settle may not have come to do: it gets what attempts that are at their end noted in an earlier process of the
	// run. It may be called for what was settled already. nil: there is nothing to do.
	Settle func(ctx context.Context, client *kube.Client, noted map[string]string) error

	// Once tells of a step as it is written whether it can have one attempt and no matrix only, and by which field; "" if it can have more.
	Once func(with map[string]any) (field string)

	// Early looks at an action in which UNKNOWN(…) stands for what only the run can know. Its objects are shown before the run, so that numbers,
	// names and labels in them cannot wait for it; only text can. nil: steps of the kind make no objects.
	Early func(Action) error

	// Check says that the result is a verdict, and that nothing is changed. What the step may not read makes the verdict unknown.
	Check bool

	// ExitCodes says that an error of Run may tell exit codes, so that steps may name some in retry.exitCodes: the error, or one that it
	// wraps, has a method ExitCodes() []int with that of each failed pod's main container; empty where they are not known.
	ExitCodes bool
}

// Output is a declared output.
type Output struct {
	Name string
	Type Type
	Doc  string
}

// Type is the type of an output or a parameter.
type Type string

// The types.
const (
	String   Type = "string"
	Integer  Type = "integer"
	Number   Type = "number"
	Boolean  Type = "boolean"
	Duration Type = "duration"
	List     Type = "list"
)

// Action is a decoded step.
type Action interface {
	// Validate finds what the schema cannot see. Fields whose values are known only at run time still have their defaults.
	Validate() error
	// Needs tells what is opened, and asked whether it answers, before the first step starts.
	Needs(Scope) Needs
	// Permissions lists every Kubernetes API call that Plan and Run may make.
	Permissions(Scope) []Permission
	// Render gives the Kubernetes objects that Run would create.
	Render(Scope) ([]runtime.Object, error)
	// Plan reads and tells what Run would change; with an error, what Run would do all the same before it fails.
	Plan(context.Context, *Env) ([]Change, error)
	// Run makes the changes.
	Run(context.Context, *Env) (Result, error)
}

// Needs is what an action works with besides the cluster, which its permissions speak of.
type Needs struct {
	Places    []Place // each is listed once before the first step
	Bitwarden bool    // a session of spec.secrets.bitwarden

	// What only a preflight looks at; a run finds out when it comes to it.
	Images  []Image  // what is run, or built on
	Pushes  []Image  // the repositories that images are pushed to
	Sources []Source // what the work is made of
}

// Place is a part of a store. Keys that the action reads or writes begin with the prefix.
type Place struct {
	Store   string // "" is the step's default
	Prefix  string
	Puts    bool // objects are put there
	Deletes bool // objects are deleted there
}

// Image is an image of a container registry, or a repository of one.
type Image struct {
	Name string
	Here bool // the action itself reads or pushes it; else nodes or a builder do, whose logins, routes and trust may be others
}

// Source is something outside the cluster that the work is made of.
type Source struct {
	Name string // "directory ./report", "git https://…"

	// Look finds out whether the source is there and can be used. It reads, and leaves nothing behind. value gives what came by from:. The text
	// says what was found, never a secret. nil: only pods come to it.
	Look func(ctx context.Context, value func(secrets.Value) (string, error)) (found string, err error)
}

// Permission is one kind of API call, as the authorizer sees it.
type Permission struct {
	Verb        string // get, list, create, …
	Group       string // "" is the core group
	Version     string // the one that is asked for, such as v1beta2; "" is any. No right depends on it
	Resource    string
	Subresource string
	Namespace   string // "" is cluster-wide
	Name        string // "" is any; always empty for create

	// Optional says that the call is made only where the API server has the resource, and that the action does without it where it has not.
	Optional bool
}

// UnknownResource is the resource of a permission where only a run can know it. Nothing grants it, and nobody asks for it.
const UnknownResource = "*"

// Change is one thing that Run would do.
type Change struct {
	Op     Op
	Target string // "s3://bucket/key", "configmap ns/name", "https://host"
	Detail string // one line; never a secret value

	// Before and After are the object without and with the change, as JSON, where a reader can use them; never of a Secret.
	Before, After json.RawMessage
}

// Op is the kind of a change.
type Op string

// The operations.
const (
	Create  Op = "create"
	Update  Op = "update"
	Replace Op = "replace"
	Delete  Op = "delete"
	Send    Op = "send"
)

// Result is what an attempt brought.
type Result struct {
	Outputs map[string]any // as declared: string, int64, float64, bool, time.Duration, []any; lists hold JSON-like values
	Verdict Verdict        // checks only
	Reason  string         // one line for people

	// Settle tidies up what may go once the result is recorded, and only then. A crash in between leaves it undone until the run is resumed: see
	// Kind. It has 10 seconds; its error is told and changes nothing. nil: there is nothing to do.
	Settle func(context.Context) error
}

// ErrOver says that an earlier process has ended this very attempt, for good, and did not live to record it: what it made is gone, and another
// attempt takes its place.
var ErrOver = errors.New("an earlier process has ended this attempt")

// Verdict is what a check found.
type Verdict string

// The verdicts.
const (
	Pass    Verdict = "pass"
	Fail    Verdict = "fail"
	Unknown Verdict = "unknown"
)

// Env is what an action works with. A test's Env is a literal.
type Env struct {
	Scope   Scope
	Cluster Cluster
	Kube    *kube.Client                                 // nil when no step of the plan needs a cluster
	Store   func(name string) (objectstore.Store, error) // "" is the default store
	Secret  func(secrets.Value) (string, error)          // a literal as it is; what came by from: was read before the first step
	Hide    func(value string)                           // masks a secret that the action has read itself, from now on and everywhere
	Dir     string                                       // relative paths are relative to it: the plan file's folder

	// Bitwarden is the client of spec.secrets.bitwarden, one per run; for actions whose Needs say so.
	Bitwarden func() (*bitwarden.Client, error)

	Mask func(string) string // hides the values of secrets in a text

	// HandedOn tells whether an attempt's context was ended because another process of the run goes on: then what runs elsewhere stays.
	HandedOn func(context.Context) bool

	Run RunState
	Now func() time.Time

	Log      func(format string, args ...any)
	Progress func(what string, done, total int64, unit string) // total 0: unknown

	// Note keeps a word for later attempts of this step (of this instance of it), in this process or another that resumes the run. It
	// returns once the note would survive a crash; after an error it may or may not be kept, and nothing must be started that relies on
	// it. A key that is noted again has the later value; the attempt is no part of it. Not for values of secrets.
	Note  func(key, value string) error
	Noted map[string]string // what attempts before this one noted, and this one in an earlier process; what it notes now does not appear in it

	// PodLog tells a line of a pod's log to whoever follows the run. It is kept nowhere. It waits while the line is taken in.
	PodLog func(PodLine)
	// KeepLog keeps the end of a pod's log with the run: of data, which are whole lines, the last 64 KiB, under the pod's name, in place of
	// what this attempt kept under it before. It waits for no server, and may be called when the context is done.
	KeepLog func(name string, data []byte) error
}

// PodLine is a line of a pod's log. Text is the line as it is to be shown: behind what tells its pod from others, without a line end, and
// with nothing in it that a terminal would obey.
type PodLine struct{ Pod, Container, Text string }

// Cluster identifies the cluster a plan works on.
type Cluster struct {
	Name string // part of every backup key
	UID  string // of namespace kube-system; "" when the plan needs no cluster
}

// RunState is what the run has come to so far, for steps that report it.
type RunState struct {
	Outcome  string
	ExitCode int
}
