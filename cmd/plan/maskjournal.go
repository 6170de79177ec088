package main

import (
	"context"

	"plan/engine"
	"plan/internal/secrets"
)

// maskedJournal hides values in what steps said before it is kept. Outputs and notes are sealed: a resumed run needs them as they were.
type maskedJournal struct {
	engine.Journal
	masker   *secrets.Masker
	resolver *secrets.Resolver
}

// Append implements engine.Journal.
func (j maskedJournal) Append(ctx context.Context, records ...engine.Record) error {
	masked := make([]engine.Record, len(records))
	for i, r := range records {
		masked[i] = j.mask(r)
	}
	return j.Journal.Append(ctx, masked...)
}

func (j maskedJournal) mask(r engine.Record) engine.Record {
	switch r := r.(type) {
	case engine.StepNotedRecord:
		r.Key = j.masker.Mask(r.Key)
		sealed, ok := j.resolver.Seal(r.Value)
		if r.Value = sealed; !ok { // it was added to the values since
			r.Value = secrets.Mask
		}
		return r
	case engine.AttemptFinishedRecord:
		r.Reason = j.masker.Mask(r.Reason)
		return r
	case engine.StepFinishedRecord:
		r.Reason, r.Error = j.masker.Mask(r.Reason), j.masker.Mask(r.Error)
		if r.Outputs != nil {
			r.Outputs = engine.MapOutputs(r.Outputs, j.resolver.Seal)
		}
		return r
	case engine.SuspendedRecord:
		r.Reason = j.masker.Mask(r.Reason)
		return r
	}
	return r
}
