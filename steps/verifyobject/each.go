package verifyobject

import "plan/internal/checks"

// eachObject judges every object for itself.
type eachObject struct {
	want  wanted
	limit checks.Limit
	found []checks.Finding

	deleted int // how many are being deleted
}

func (j *eachObject) look(e entry) { j.found = append(j.found, j.judge(e)) }

// end adds that nothing is there where everything is being deleted.
func (j *eachObject) end() []checks.Finding {
	if len(j.found) > 0 && j.deleted == len(j.found) {
		f := j.want.none()
		f.Message, f.Cause = "there is none but those being deleted", "all were deleted"
		return append(j.found, f)
	}
	return j.found
}

// judge gives one finding: of an object that is too old as well, the failed condition is the cause.
func (j *eachObject) judge(e entry) checks.Finding {
	switch {
	case e.deleted:
		j.deleted++
		return terminatingFinding(e)
	case e.bad != nil:
		return *e.bad
	case j.want.time == nil && e.unmet == "":
		return checks.Finding{Name: checks.OK, Verdict: checks.Pass, Object: e.object, Message: "it meets " + j.want.condition.text}
	case j.want.time == nil:
		return j.want.unmetFinding(e)
	}
	f := j.want.age(e, j.limit)
	switch {
	case e.unmet != "" && f.Verdict == checks.Pass:
		return j.want.unmetFinding(e)
	case e.unmet != "":
		f.Cause = e.unmet + "; " + f.Cause
	case f.Verdict == checks.Pass && j.want.condition != nil:
		f.Message += ", and meets " + j.want.condition.text
	}
	return f
}
