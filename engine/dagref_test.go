package engine

import (
	"math"
	"slices"
	"time"
)

// A reference for Run that shares nothing with it: no queue, no clock, no goroutine. Each step's own timeline is computed in one
// go, and the plan's by going over all steps again and again until nothing changes.

// The ends that an attempt can come to.
const (
	endOK = iota
	endPass
	endFail
	endUnknown
	endUnknownTransient
	endPlain
	endTransient
	endRefused
	endLost
	endPanic
	endUnknownPlain
	endCoded         // fails and tells an exit code, which the step may list
	endStubborn      // succeeds after its time, whatever its context says
	endStubbornFails // fails after its time
	endKinds
)

// The conditions that a step can have.
const (
	ifNone = iota
	ifSuccess
	ifFailure
	ifAlways
	ifNever        // its own if: false whatever happened
	ifSuccessFalse // success() && false
	ifBroken       // cannot be evaluated
	ifKinds
)

type dagTry struct {
	kind int
	dur  time.Duration
}

type dagStep struct {
	id       string
	needs    []int
	cond     int
	coe      bool
	badInput bool
	tries    []dagTry
	more     [][]dagTry    // with a matrix: those of each instance, in the place of tries
	abreast  int           // the matrix's maxParallel; 0: none
	hasty    bool          // the matrix's failFast
	skew     time.Duration // by which an instance's timeout and deadline are longer than those of the one before
	when     []RetryWhen
	listed   bool // the exit code of endCoded is worth another try
	delay    time.Duration
	maxDelay time.Duration
	timeout  time.Duration
	deadline time.Duration
}

type dagSpec struct {
	steps    []dagStep
	finally  []dagStep // each without needs, with one try of its own
	width    int
	failFast bool
	strict   bool
	signal   Signal        // sent at cut; 0: cut is the run's timeout
	cut      time.Duration // 0: none
}

const forever = time.Duration(math.MaxInt64)

type dagEnd struct {
	outcome  Outcome
	verdict  Verdict
	ownIf    bool
	attempts int
	at       time.Duration
	cause    []string
	parts    []dagEnd // of a matrix that was begun
}

var dagTable = map[int]struct {
	outcome Outcome
	verdict Verdict
	retry   []RetryWhen
}{
	endOK:               {Succeeded, NoVerdict, nil},
	endPass:             {Succeeded, Pass, nil},
	endFail:             {Failed, Fail, nil},
	endUnknown:          {Failed, Unknown, nil},
	endUnknownTransient: {Failed, Unknown, []RetryWhen{RetryTransient, RetryFailure}},
	endPlain:            {Failed, NoVerdict, []RetryWhen{RetryFailure}},
	endTransient:        {Failed, NoVerdict, []RetryWhen{RetryTransient, RetryFailure}},
	endRefused:          {Failed, NoVerdict, nil},
	endLost:             {Lost, NoVerdict, nil},
	endPanic:            {Failed, NoVerdict, nil},
	endUnknownPlain:     {Failed, Unknown, nil},
	endCoded:            {Failed, NoVerdict, []RetryWhen{RetryFailure}},
	endStubborn:         {Succeeded, NoVerdict, nil},
	endStubbornFails:    {Failed, NoVerdict, []RetryWhen{RetryFailure}},
}

// alone is what becomes of a step, or of an instance, that starts at start, when everything is stopped at stop and left alone at
// giveUp.
func (s dagStep) alone(tries []dagTry, start, stop, giveUp time.Duration) dagEnd {
	const late = 5 * time.Second
	if s.badInput {
		return dagEnd{outcome: Failed, at: start}
	}
	last := forever
	if s.deadline > 0 {
		last = start + s.deadline
	}
	for n, now, delay := 1, start, s.delay; ; n++ {
		try := tries[n-1]
		limit := min(now+s.timeout, last)
		done := now + try.dur
		end := dagEnd{attempts: n}
		var again []RetryWhen
		end.at = min(done, limit, stop)
		if try.kind >= endStubborn {
			end.at = min(done, limit+late, giveUp)
		}
		switch row := dagTable[try.kind]; {
		case try.kind >= endStubborn && end.at < done:
			end.outcome = Lost
		case done < limit && done <= stop, try.kind == endStubborn:
			end.outcome, end.verdict, again = row.outcome, row.verdict, row.retry
		case stop < limit:
			end.outcome = Cancelled
		default:
			end.outcome = TimedOut
			if limit != last {
				again = []RetryWhen{RetryTimeout}
			}
		}
		wanted := s.listed && try.kind == endCoded && end.outcome == Failed || slices.ContainsFunc(s.when, func(w RetryWhen) bool { return slices.Contains(again, w) })
		next := end.at + min(delay, s.maxDelay)
		if n == len(tries) || !wanted || next >= last || stop < end.at {
			return end
		}
		if stop < next {
			return dagEnd{outcome: Cancelled, attempts: n, at: stop}
		}
		now, delay = next, delay*2
	}
}

func (e *dagEnd) met() bool {
	return e.outcome == Succeeded || e.outcome == Ignored || e.outcome == Skipped && e.ownIf
}

func (e *dagEnd) bad() bool {
	return slices.Contains([]Outcome{Failed, TimedOut, Lost}, e.outcome)
}

// above is every step that i needs, directly or through others.
func (d *dagSpec) above(i int) map[int]bool {
	all := map[int]bool{}
	for _, n := range d.steps[i].needs {
		all[n] = true
		for m := range d.above(n) {
			all[m] = true
		}
	}
	return all
}

// blame names what was not met: needs, or what lies behind those that were.
func (d *dagSpec) blame(i int, ends map[int]dagEnd) map[string]bool {
	ids := map[string]bool{}
	for _, n := range d.steps[i].needs {
		if e := ends[n]; !e.met() {
			ids[d.steps[n].id] = true
			continue
		}
		for id := range d.blame(n, ends) {
			ids[id] = true
		}
	}
	return ids
}

// one is what becomes of step i, whose needs have all ended.
func (d *dagSpec) one(i int, ends map[int]dagEnd, stop, giveUp time.Duration) dagEnd {
	s := &d.steps[i]
	start := time.Duration(0)
	for _, n := range s.needs {
		start = max(start, ends[n].at)
	}
	if start >= stop {
		return dagEnd{outcome: Cancelled, at: stop}
	}
	success, failure := true, false
	for n := range d.above(i) {
		e := ends[n]
		success, failure = success && e.met(), failure || e.bad()
	}
	var end dagEnd
	runs := map[int]bool{ifNone: success, ifSuccess: success, ifFailure: failure, ifAlways: true}[s.cond]
	switch {
	case s.cond == ifBroken:
		end = dagEnd{outcome: Failed, at: start}
	case runs && s.more != nil:
		return s.together(start, stop, giveUp)
	case runs:
		end = s.alone(s.tries, start, stop, giveUp)
	case success, s.cond == ifFailure, s.cond == ifNever, s.cond == ifSuccessFalse:
		return dagEnd{outcome: Skipped, ownIf: true, at: start}
	default:
		end = dagEnd{outcome: Skipped, at: start}
		for id := range d.blame(i, ends) {
			end.cause = append(end.cause, id)
		}
		slices.Sort(end.cause)
	}
	return s.ignore(end)
}

func (s *dagStep) ignore(end dagEnd) dagEnd {
	if s.coe && (end.outcome == Failed || end.outcome == TimedOut) {
		end.outcome = Ignored
	}
	return end
}

// all goes over the steps until every one has an end.
func (d *dagSpec) all(stop, grace time.Duration) map[int]dagEnd {
	ends, giveUp := map[int]dagEnd{}, forever
	if stop < forever {
		giveUp = stop + grace
	}
	for len(ends) < len(d.steps) {
		for i, s := range d.steps {
			if !slices.ContainsFunc(s.needs, func(n int) bool { _, ok := ends[n]; return !ok }) {
				ends[i] = d.one(i, ends, stop, giveUp)
			}
		}
	}
	return ends
}

// expect is what Run must bring. A cut that comes after all steps is taken out of the plan.
func (d *dagSpec) expect() (ends map[int]dagEnd, outcome RunOutcome, exit int) {
	ends = d.all(forever, 0)
	first, culprit, lastEnd := forever, "", time.Duration(0)
	for i, e := range ends {
		lastEnd = max(lastEnd, e.at)
		for n, p := range e.leaves() {
			if p.bad() && p.at < first {
				first, culprit = p.at, d.steps[i].name(n, e)
			}
		}
	}
	if d.cut >= lastEnd {
		d.cut = 0
	}
	switch {
	case d.cut > 0 && d.signal != 0:
		ends = d.all(d.cut, 10*time.Second)
	case d.cut > 0:
		ends = d.all(d.cut, 2500*time.Millisecond)
	case d.failFast && first < forever:
		ends = d.all(first, 10*time.Second)
		for i, e := range ends {
			ends[i] = e.blamed(culprit)
		}
	}
	outcome, exit = d.sum(ends)
	return ends, outcome, exit
}
