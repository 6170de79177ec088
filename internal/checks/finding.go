// Package checks is what all checks have in common: findings, their verdict, what an error means, and how old is too old.
//
// A check looks at one or many things and adds a finding for each to a Report, which folds them to one verdict: the worst of fail,
// unknown and pass. What kept a check from looking is a finding too (Broken), always unknown: no error reads as "there is no
// backup", and none as a pass. A report that nothing was added to is unknown as well.
package checks

// Name says what was found, in upper case: OK, STALE. A kind of step may have names of its own.
type Name string

// The findings that several checks share.
const (
	OK          Name = "OK"           // pass
	Stale       Name = "STALE"        // fail: older than the limit
	NoBackup    Name = "NO_BACKUP"    // fail: none at all, in a listing that was complete
	NoTimestamp Name = "NO_TIMESTAMP" // fail: the time that says when it last worked is empty
	FutureDated Name = "FUTURE_DATED" // fail: its time is yet to come, so its age is not known

	NotAllowed   Name = "NOT_ALLOWED"   // unknown: no right, or no valid credentials
	NotInstalled Name = "NOT_INSTALLED" // unknown: the server does not have the resource
	NoStore      Name = "NO_STORE"      // unknown: the bucket or directory itself is missing
	Unreachable  Name = "UNREACHABLE"   // unknown: no answer, or an answer that broke off; may pass by itself
	Unreadable   Name = "UNREADABLE"    // unknown: there is something, and it cannot be understood
	Unfinished   Name = "UNFINISHED"    // unknown: the time for the check ran out, or it was cancelled
)

// Verdict is what a finding means.
type Verdict string

// The verdicts. A Report never has None.
const (
	Pass    Verdict = "pass"
	Fail    Verdict = "fail"
	Unknown Verdict = "unknown"
	None    Verdict = "none" // listed, without influence
)

// severity orders verdicts: the worst first.
var severity = [...]Verdict{Fail, Unknown, Pass, None}

// Finding is what was found about one thing. Every finding that is not OK has a cause and a next step.
type Finding struct {
	Name    Name
	Verdict Verdict
	Object  string         // what was looked at, such as namespace/name or a key; empty when it is the check as a whole
	Message string         // what is the case, in one line
	Cause   string         // why, as far as it is known
	Next    string         // what to do about it
	Data    map[string]any // more for later steps: JSON-like values under lower-case names
	Err     error          // what kept the check from looking; not part of the output
}

// Output is the finding as an entry of a step's output: finding, verdict, object, message, cause, next (strings, empty where there is
// none) and data (a mapping).
func (f Finding) Output() map[string]any {
	data := f.Data
	if data == nil {
		data = map[string]any{}
	}
	return map[string]any{
		"finding": string(f.Name), "verdict": string(f.Verdict), "object": f.Object,
		"message": f.Message, "cause": f.Cause, "next": f.Next, "data": data,
	}
}
