package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// settlers says what was settled.
type settlers struct {
	mu   sync.Mutex
	said []string
}

// ends makes an attempt that comes to err, and settles by calling settle.
func (s *settlers) ends(err error, settle func(context.Context) error) Do {
	return func(_ context.Context, c *Call) (Result, error) {
		name := fmt.Sprintf("%s:%d", InstanceID(c.Step.ID, c.Instance), c.Attempt)
		return Result{Settle: func(ctx context.Context) error {
			s.mu.Lock()
			s.said = append(s.said, name)
			s.mu.Unlock()
			if settle == nil {
				return nil
			}
			return settle(ctx)
		}}, err
	}
}

func (s *settlers) String() string { return strings.Join(s.said, " ") }

func TestAnAttemptIsSettledOnceItsEndIsRecordedAndBeforeTheRunEnds(t *testing.T) {
	j := &memoryJournal{}
	var s settlers
	late := func(context.Context) error {
		if !strings.Contains(j.String(), "a:failed") {
			t.Error("its end is not recorded")
		}
		time.Sleep(9 * time.Second)
		return nil
	}
	do := script(s.ends(errPasses, late), s.ends(nil, late))
	began := time.Now()
	res := run(t, []testStep{{id: "a", do: do, retry: Retry{Attempts: 2, When: []RetryWhen{RetryTransient}}}}, []testStep{{id: "f"}}, journalTo(j))
	wantRun(t, res, "a=succeeded f=succeeded", RunSucceeded, 0)
	if s.String() != "a:1 a:2" {
		t.Errorf("settled %s", &s)
	}
	if f := stepOf(t, res, "f"); f.Finished.Sub(f.Started) != 0 || res.Finished.Sub(f.Finished) != 9*time.Second {
		t.Errorf("finally waited: it ended %s after the beginning, the run %s later", f.Finished.Sub(began), res.Finished.Sub(f.Finished))
	}
}

func TestWhatIsLostOrNotRecordedOrGoesOnElsewhereIsNotSettled(t *testing.T) {
	heeds := func(s *settlers) Do {
		return func(ctx context.Context, c *Call) (Result, error) {
			<-ctx.Done()
			return s.ends(ctx.Err(), nil)(ctx, c)
		}
	}
	cases := map[string]struct {
		do     func(*settlers) Do
		change func(*Plan, *Options)
		want   string
	}{
		"succeeded":         {func(s *settlers) Do { return s.ends(nil, nil) }, func(*Plan, *Options) {}, "a:1"},
		"failed":            {func(s *settlers) Do { return s.ends(errPlain, nil) }, func(*Plan, *Options) {}, "a:1"},
		"cancelled":         {heeds, signals(SignalInterrupt, time.Minute), "a:1"},
		"lost":              {func(s *settlers) Do { return s.ends(errUnsure, nil) }, func(*Plan, *Options) {}, ""},
		"the journal fails": {func(s *settlers) Do { return s.ends(nil, nil) }, journalTo(&memoryJournal{failAt: 2}), ""},
		"suspended":         {heeds, signals(SignalSuspend, time.Minute), ""},
		"the lock is lost":  {heeds, signals(SignalBereft, time.Minute), ""},
		"at its end all the same": {func(s *settlers) Do {
			return func(ctx context.Context, c *Call) (Result, error) {
				<-ctx.Done()
				return s.ends(nil, nil)(ctx, c)
			}
		}, signals(SignalSuspend, time.Minute), "a:1"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var s settlers
			run(t, []testStep{{id: "a", do: tc.do(&s)}}, nil, tc.change)
			if s.String() != tc.want {
				t.Errorf("settled %q, want %q", &s, tc.want)
			}
		})
	}
}

func TestAnErrorWhileSettlingIsALineAndNothingElse(t *testing.T) {
	for name, tc := range map[string]struct {
		settle func(context.Context) error
		want   string
	}{
		"an error": {func(context.Context) error { return errors.New("patch job x: 500\nmore") }, "patch job x: 500"},
		"a panic":  {func(context.Context) error { panic("canary") }, "panicked with a string"},
		"too long": {func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, "deadline exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			log := &eventLog{}
			var s settlers
			res := run(t, []testStep{{id: "a", do: s.ends(nil, tc.settle)}}, nil, func(_ *Plan, o *Options) { o.Events = log.add })
			wantRun(t, res, "a=succeeded", RunSucceeded, 0)
			said := log.String()
			if !strings.Contains(said, tc.want) || strings.Contains(said, "canary") || strings.Contains(said, "more") || !strings.HasSuffix(said, "end:succeeded") {
				t.Errorf("events %s", said)
			}
		})
	}
}

func TestWhatSettlesHoldsARunUpForABoundedTime(t *testing.T) {
	deaf := func(context.Context) error { time.Sleep(time.Hour); return errors.New("not heard") }
	for name, tc := range map[string]struct {
		change func(*Plan, *Options)
		took   time.Duration
	}{
		"ten seconds and one":    {func(*Plan, *Options) {}, 11 * time.Second},
		"the run's time":         {func(p *Plan, _ *Options) { p.Timeout, p.FinallyTimeout = time.Second, time.Second }, 7 * time.Second},
		"a signal":               {signals(SignalInterrupt, 3*time.Second), 3 * time.Second},
		"the end of the signals": {func(_ *Plan, o *Options) { ch := make(chan Signal); close(ch); o.Interrupt = ch }, 11 * time.Second},
		"what an earlier one had": {func(p *Plan, o *Options) {
			p.Timeout, o.Since = time.Hour, time.Now().Add(-time.Hour+time.Second)
			p.FinallyTimeout = time.Second
		}, 7 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var s settlers
				log := &eventLog{}
				p, do := testPlan([]testStep{{id: "a", do: s.ends(nil, deaf)}}, nil)
				o := Options{RunID: "r", Do: do, Events: log.add}
				tc.change(p, &o)
				began := time.Now()
				res := Run(t.Context(), p, o)
				if took := time.Since(began); took != tc.took {
					t.Errorf("it took %s", took)
				}
				wantRun(t, res, "a=succeeded", RunSucceeded, 0)
				time.Sleep(2 * time.Hour)
				if !strings.HasSuffix(log.String(), "end:succeeded") {
					t.Errorf("events %s", log)
				}
			})
		})
	}
}

func TestASecondSignalWaitsForNothingThatSettles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s settlers
		p, do := testPlan([]testStep{{id: "a", do: s.ends(nil, func(ctx context.Context) error { <-ctx.Done(); return nil })}, {id: "b", do: ignores(time.Hour)}}, nil)
		o := Options{RunID: "r", Do: do}
		signals(SignalInterrupt, time.Second, 2*time.Second)(p, &o)
		began := time.Now()
		res := Run(t.Context(), p, o)
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("it took %s: %s", took, outcomes(res))
		}
		time.Sleep(2 * time.Hour)
	})
}
