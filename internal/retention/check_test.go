package retention_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"plan/internal/backup"
	"plan/internal/objectstore"
	"plan/internal/retention"
	"plan/internal/retention/retentiontest"
)

// TestCheckSaysWhetherExecuteWouldBegin: a preview that named keys which a run then leaves would be believed once.
func TestCheckSaysWhetherExecuteWouldBegin(t *testing.T) {
	cases := map[string]struct {
		keep   int
		newest error // of reading it back
		assume bool
		reads  int
		fails  bool
		reason string
	}{
		"sound":            {keep: 2, reads: 1, reason: "it is read as Execute reads it"},
		"damaged":          {keep: 2, newest: backup.ErrDamaged, reads: 1, fails: true, reason: "Execute deletes nothing then"},
		"yet to come":      {keep: 2, newest: fmt.Errorf("get: %w", retention.ErrAhead), reads: 1, reason: "who writes it reads it back"},
		"own, to come":     {keep: 2, newest: backup.ErrDamaged, assume: true, reason: "there is nothing to read yet"},
		"nothing to do":    {keep: 9, newest: backup.ErrDamaged, reason: "Execute does not look either"},
		"store is refused": {keep: 2, newest: objectstore.ErrDenied, reads: 1, fails: true, reason: "what cannot be read back is not known to be sound"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var s retentiontest.Store
			nights(&s, 1, 5)
			o, reads := options(), 0
			o.Keep.Last = tc.keep
			o.Verify = func(context.Context, objectstore.Store, string) error { reads++; return tc.newest }
			if tc.assume {
				o.Assume = []retention.Candidate{{Key: key("k3s", backup.PVs, 6), Time: o.Now.Add(-time.Second), Count: 5}}
			}
			plan, err := retention.Survey(t.Context(), &s, o)
			if err != nil {
				t.Fatal(err)
			}
			err = retention.Check(t.Context(), &s, plan)
			if (err != nil) != tc.fails || tc.fails && !errors.Is(err, tc.newest) || reads != tc.reads {
				t.Errorf("%d reads, %v: %s", reads, err, tc.reason)
			}
			wantNothingDeleted(t, &s)
		})
	}
}
