package main

import (
	"context"

	"plan/engine"
	"plan/internal/secrets"
)

// maskedJournal hides values in what steps said and gave before it is kept.
type maskedJournal struct {
	engine.Journal
	masker *secrets.Masker
}

// Append implements engine.Journal.
func (j maskedJournal) Append(ctx context.Context, records ...engine.Record) error {
	masked := make([]engine.Record, len(records))
	for i, r := range records {
		masked[i] = maskRecord(j.masker, r)
	}
	return j.Journal.Append(ctx, masked...)
}

func maskRecord(m *secrets.Masker, r engine.Record) engine.Record {
	switch r := r.(type) {
	case engine.AttemptFinishedRecord:
		r.Reason = m.Mask(r.Reason)
		return r
	case engine.StepFinishedRecord:
		r.Reason, r.Error = m.Mask(r.Reason), m.Mask(r.Error)
		if r.Outputs != nil {
			r.Outputs = maskValue(m, r.Outputs).(map[string]any)
		}
		return r
	case engine.SuspendedRecord:
		r.Reason = m.Mask(r.Reason)
		return r
	}
	return r
}

func maskValue(m *secrets.Masker, v any) any {
	switch v := v.(type) {
	case string:
		return m.Mask(v)
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = maskValue(m, v[i])
		}
		return list
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, value := range v {
			out[m.Mask(key)] = maskValue(m, value)
		}
		return out
	}
	return v
}
