package checks

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"plan/internal/errclass"
	"plan/internal/printable"
)

// most is how many findings of each verdict a report keeps; the others are counted. Thousands of objects may be checked, and a
// report travels through logs, outputs and the record of the run.
const most = 250

// maxText bounds message and cause in runes: both may quote what somebody else wrote.
const maxText = 600

// Report folds findings. The zero value is ready. It is not safe for concurrent use.
type Report struct {
	FailOn FailOn // to be set before the first Add

	kept   [len(severity)][]Finding
	counts [len(severity)]map[Name]int
	over   error // the caller's context ended
	again  error // may pass by itself
}

// Add takes findings in. A verdict that is none of the four counts as unknown, as does OK beside an error.
func (r *Report) Add(findings ...Finding) {
	for _, f := range findings {
		if !slices.Contains(severity[:], f.Verdict) || f.Verdict != Unknown && f.Err != nil {
			f.Verdict = Unknown
		}
		if f.Err != nil {
			r.remember(f.Err)
		}
		f = r.FailOn.apply(f)
		f.Message, f.Cause, f.Next = plain(f.Message), plain(f.Cause), plain(f.Next)
		i := slices.Index(severity[:], f.Verdict)
		if r.counts[i] == nil {
			r.counts[i] = map[Name]int{}
		}
		r.counts[i][f.Name]++
		if len(r.kept[i]) < most {
			r.kept[i] = append(r.kept[i], f)
		}
	}
}

func plain(s string) string {
	return clip(printable.String(strings.Join(strings.Fields(s), " ")), maxText)
}

// Verdict is the worst of fail, unknown and pass; unknown when nothing that counts was added.
func (r *Report) Verdict() Verdict {
	for i, v := range severity {
		if v != None && len(r.kept[i]) > 0 {
			return v
		}
	}
	return Unknown
}

// Count is how many findings of that name were added, whatever their verdict.
func (r *Report) Count(name Name) (n int) {
	for _, counts := range r.counts {
		n += counts[name]
	}
	return n
}

// Reason says in one line what the verdict comes from.
func (r *Report) Reason() string {
	words := []string{}
	total := 0
	for _, counts := range r.counts {
		for _, name := range slices.Sorted(maps.Keys(counts)) {
			words = append(words, fmt.Sprintf("%d %s", counts[name], name))
			total += counts[name]
		}
	}
	summary := strings.Join(words, ", ")
	worst, counts := r.worst()
	switch {
	case total == 0:
		return "nothing was checked"
	case !counts:
		return "nothing that counts was checked: " + summary
	case total > 1 && worst.Verdict == Pass && r.Count(OK) > 1:
		return summary
	case total > 1:
		return summary + ": " + worst.sentence()
	case worst.Verdict == Pass:
		return worst.sentence()
	}
	return string(worst.Name) + ": " + worst.sentence()
}

// worst is the first of the worst findings that count.
func (r *Report) worst() (Finding, bool) {
	for i, v := range severity {
		if v != None && len(r.kept[i]) > 0 {
			return r.kept[i][0], true
		}
	}
	return Finding{}, false
}

func (f Finding) sentence() string {
	parts := []string{}
	for _, part := range []string{plain(f.Object), f.Message, f.Cause} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ": ")
}

// Lines are the findings for people, one line each, the worst first, without those that are OK.
func (r *Report) Lines() []string {
	const shown = 50
	var lines []string
	for i, v := range severity {
		for _, f := range r.kept[i] {
			if v == Pass {
				continue
			}
			line := fmt.Sprintf("%s (%s) %s", f.Name, f.Verdict, f.sentence())
			if f.Next != "" {
				line += "; next: " + f.Next
			}
			lines = append(lines, line)
		}
	}
	if len(lines) > shown {
		lines = append(lines[:shown], fmt.Sprintf("… and %d more; the output findings has them", len(lines)-shown))
	}
	return lines
}

// Outputs are the findings for later steps, the worst first, as Finding.Output has them. Those beyond the first 250 of a verdict are
// one entry named MORE, which counts them.
func (r *Report) Outputs() []any {
	out := []any{}
	for _, findings := range r.kept {
		for _, f := range findings {
			out = append(out, f.Output())
		}
	}
	more := map[string]any{}
	left := int64(0)
	for i, v := range severity {
		n := int64(-len(r.kept[i]))
		for _, count := range r.counts[i] {
			n += int64(count)
		}
		if n > 0 {
			more[string(v)] = n
			left += n
		}
	}
	if left > 0 {
		out = append(out, Finding{Name: "MORE", Verdict: None, Message: fmt.Sprintf("%d more findings are counted and not listed", left),
			Cause: fmt.Sprintf("a report lists the first %d of each verdict", most), Next: "narrow what is checked", Data: more}.Output())
	}
	return out
}

// Err is what the caller of a step has to know besides the verdict: the end of its own context, or an error that may pass by itself,
// so that the check is worth another try. A report that fails has no use for another try.
func (r *Report) Err() error {
	if r.over != nil {
		return r.over
	}
	if r.Verdict() == Unknown {
		return r.again
	}
	return nil
}

// remember keeps one error of each sort that Err gives: the first end of a context, the one that asks for the longest wait.
func (r *Report) remember(err error) {
	fault := errclass.Classify(err)
	switch {
	case ended(err, fault):
		r.over = cmp.Or(r.over, err)
	case fault.Class == errclass.Transient && (r.again == nil || fault.RetryAfter > errclass.Classify(r.again).RetryAfter):
		r.again = err
	}
}
