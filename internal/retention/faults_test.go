package retention_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plan/internal/backup"
	"plan/internal/objectstore"
	"plan/internal/retention"
	"plan/internal/retention/retentiontest"
)

var errFault = errors.New("injected")

func TestPruneDeletesNothingWhenItCannotBeSure(t *testing.T) {
	failOn := func(op string, call int64) func(context.Context, string, string) error {
		var n atomic.Int64
		return func(_ context.Context, o, _ string) error {
			if o == op && n.Add(1) == call {
				return errFault
			}
			return nil
		}
	}
	cases := map[string]struct {
		fault  func(context.Context, string, string) error
		change func(*retention.Options)
		want   string
	}{
		"listing refused":  {failOn("list", 1), nil, "injected"},
		"listing breaks":   {failOn("page", 9), nil, "injected"},
		"first head fails": {failOn("head", 1), nil, "injected"},
		"last head fails":  {failOn("head", 10), nil, "injected"},
		"newest is damaged": {nil, func(o *retention.Options) {
			o.Verify = func(context.Context, objectstore.Store, string) error { return errFault }
		}, "read back the newest"},
		"too many":         {nil, func(o *retention.Options) { o.MaxDelete = 7 }, "the rules remove 8 backups and maxDelete is 7, so nothing is deleted; if that is right, set maxDelete to 8"},
		"no UID":           {nil, func(o *retention.Options) { o.ClusterUID = "" }, "UID is not known"},
		"no cluster":       {nil, func(o *retention.Options) { o.Cluster = "" }, "cluster"},
		"climbing cluster": {nil, func(o *retention.Options) { o.Cluster = "../k3s" }, "prune"},
		"no rule":          {nil, func(o *retention.Options) { o.Keep = retention.Keep{} }, "keep"},
		"negative rule":    {nil, func(o *retention.Options) { o.Keep.Last = -1 }, "keep"},
		"no time":          {nil, func(o *retention.Options) { o.Now = time.Time{} }, "time"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := retentiontest.Store{Fault: tc.fault}
			nights(&s, 1, 10)
			o := options()
			if tc.change != nil {
				tc.change(&o)
			}
			report, err := retention.Prune(t.Context(), &s, o)
			if err == nil || !strings.Contains(err.Error(), tc.want) || len(report.Deleted) != 0 {
				t.Errorf("report %+v, error %v; want %q", report, err, tc.want)
			}
			wantNothingDeleted(t, &s)
		})
	}
}

func TestPruneReadsBackTheNewestFirst(t *testing.T) {
	var s retentiontest.Store
	keys := nights(&s, 1, 5)
	o := options()
	o.Verify = func(ctx context.Context, store objectstore.Store, key string) error {
		_, _, err := store.Get(ctx, key, 0, -1)
		return err
	}
	if _, err := retention.Prune(t.Context(), &s, o); err != nil {
		t.Fatal(err)
	}
	var got []retentiontest.Call
	for _, c := range s.Calls() {
		if c.Op == "get" || c.Op == "delete" {
			got = append(got, c)
		}
	}
	want := []retentiontest.Call{{Op: "get", Key: keys[4]}, {Op: "delete", Key: keys[0]}, {Op: "delete", Key: keys[1]}, {Op: "delete", Key: keys[2]}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestFailedPruneIsNeverSilent(t *testing.T) {
	var s retentiontest.Store
	keys := nights(&s, 1, 6)
	s.Fault = func(_ context.Context, op, k string) error {
		if op == "delete" && (k == keys[1] || k == keys[3]) {
			return objectstore.ErrDenied
		}
		return nil
	}
	report, err := retention.Prune(t.Context(), &s, options())
	var undeleted *retention.UndeletedError
	if !errors.As(err, &undeleted) || !errors.Is(err, objectstore.ErrDenied) {
		t.Fatalf("error %v", err)
	}
	if diff := cmp.Diff([]string{keys[1], keys[3]}, undeleted.Keys); diff != "" {
		t.Errorf("keys in the error (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{keys[0], keys[2]}, report.Deleted); diff != "" {
		t.Errorf("deleted (-want +got):\n%s", diff)
	}
	if !strings.Contains(err.Error(), keys[1]) || !strings.Contains(err.Error(), "2 of 4 old backups stay: ") {
		t.Errorf("the error does not name the keys: %v", err)
	}
	wantKeys(t, &s, keys[1], keys[3], keys[4], keys[5])
}

func TestPruneStopsAtABatchThatIsRefusedWhole(t *testing.T) {
	var s retentiontest.Store
	nights(&s, 1, 2500)
	o := options()
	o.Now, o.MaxDelete = start.AddDate(0, 0, 2501), 5000
	s.Fault = func(_ context.Context, op, _ string) error {
		if op == "delete" {
			return objectstore.ErrDenied
		}
		return nil
	}
	report, err := retention.Prune(t.Context(), &s, o)
	var undeleted *retention.UndeletedError
	if !errors.As(err, &undeleted) || len(undeleted.Keys) != 2498 || len(report.Deleted) != 0 {
		t.Fatalf("deleted %d, error %v", len(report.Deleted), err)
	}
	tried := 0
	for _, c := range s.Calls() {
		if c.Op == "delete" {
			tried++
		}
	}
	if tried != 1000 {
		t.Errorf("%d keys were tried", tried)
	}
}

func TestPruneStopsBetweenBatchesWhenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var s retentiontest.Store
	keys := nights(&s, 1, 2500)
	o := options()
	o.Now, o.MaxDelete = start.AddDate(0, 0, 2501), 5000
	o.Progress = func(what string, done, _ int64, _ string) {
		if what == "deleting old backups" && done == 1000 {
			cancel()
		}
	}
	report, err := retention.Prune(ctx, &s, o)
	if !errors.Is(err, context.Canceled) || !slices.Equal(report.Deleted, keys[:1000]) {
		t.Fatalf("deleted %d, error %v", len(report.Deleted), err)
	}
	if len(s.Keys()) != 1500 {
		t.Errorf("%d are left", len(s.Keys()))
	}
}

func TestPruneStopsWhileLookingWhenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := retentiontest.Store{Fault: func(ctx context.Context, op, _ string) error {
		if op == "head" {
			cancel()
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}}
	nights(&s, 1, 200)
	if _, err := retention.Prune(ctx, &s, options()); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	wantNothingDeleted(t, &s)
}

func TestBackupOfNothingPrunesNothing(t *testing.T) {
	cases := map[string]struct {
		counts []int64 // night by night
		held   bool
		reason string
	}{
		"emptied":     {[]int64{5, 5, 5, 5, 0}, true, "more likely a fault than the truth"},
		"still empty": {[]int64{5, 5, 5, 0, 0}, true, "a fault may last for nights"},
		"was empty":   {[]int64{5, 5, 0, 0, 5}, false, "it holds something again"},
		"never any":   {[]int64{0, 0, 0, 0, 0}, false, "nothing changed"},
		"long ago":    {[]int64{0, 0, 5, 5, 5}, false, "the newest holds something"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var s retentiontest.Store
			var keys []string
			for n, count := range tc.counts {
				keys = append(keys, add(&s, "k3s", uid, backup.PVs, n, count))
			}
			report, err := retention.Prune(t.Context(), &s, options())
			if err != nil || (report.Held != "") != tc.held {
				t.Fatalf("%+v, %v: %s", report, err, tc.reason)
			}
			if !tc.held {
				keys = keys[3:]
			}
			wantKeys(t, &s, keys...)
		})
	}
}

func TestSurveyCountsABackupNotYetWritten(t *testing.T) {
	var s retentiontest.Store
	keys := nights(&s, 1, 3)
	o := options()
	next := retention.Candidate{Key: key("k3s", backup.PVs, 4), Time: start.AddDate(0, 0, 4), Count: 5}
	o.Assume = []retention.Candidate{next}
	plan, err := retention.Survey(t.Context(), &s, o)
	if err != nil || len(plan.Remove) != 2 || plan.Remove[0].Key != keys[0] || plan.Keep[0] != next {
		t.Fatalf("%+v, %v", plan, err)
	}
	if _, err := retention.Execute(t.Context(), &s, plan); err == nil {
		t.Error("executed on the word of a backup that is not there")
	}
	wantNothingDeleted(t, &s)
	add(&s, "k3s", uid, backup.PVs, 4, 5)
	again, err := retention.Survey(t.Context(), &s, o)
	if err != nil || len(again.Keep) != 2 {
		t.Errorf("written and assumed it counts twice: %+v, %v", again.Keep, err)
	}
}
