package engine

import (
	"context"
	"fmt"
	"time"
)

// settleTime is what one Result.Settle may take, and settleLate what it may then take to return.
const (
	settleTime = 10 * time.Second
	settleLate = time.Second
)

// settling is what an attempt wants done once its end is recorded.
type settling struct {
	id, instance string
	do           func(context.Context) error
}

// settle does it in a goroutine of its own.
func (r *runState) settle(ctx context.Context, s settling) {
	r.settlers.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, settleTime)
		defer cancel()
		if err := s.try(ctx); err != nil {
			r.late.send(StepLog{Stamp{time.Now()}, s.id, s.instance, "tidying up after it: " + firstLine(err.Error())})
		}
	})
}

// try makes an error of a panic. Its value may quote what the step was working on.
func (s settling) try(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panicked with a %T: %w", p, errBroken)
		}
	}()
	return s.do(ctx)
}

// awaitSettlers waits for what still settles, at most for most. A signal ends that, and after two there is no wait. What goes on then is not
// heard, and its context ends with Run.
func (r *runState) awaitSettlers(most time.Duration) {
	defer r.late.close()
	if r.again {
		return
	}
	done := make(chan struct{})
	go func() {
		r.settlers.Wait()
		close(done)
	}()
	limit := time.NewTimer(most)
	defer limit.Stop()
	for interrupt := r.opts.Interrupt; ; {
		select {
		case <-done:
			return
		case <-limit.C:
			return
		case _, ok := <-interrupt:
			if ok {
				return
			}
			interrupt = nil
		}
	}
}

// leeway is how long what settles may be waited for, so that all of Run keeps within its time.
func (r *runState) leeway(began time.Time) time.Duration {
	budget := r.plan.Timeout
	if budget <= 0 || r.plan.FinallyTimeout <= 0 {
		return settleTime + settleLate
	}
	if !r.opts.Since.IsZero() {
		budget = max(budget-began.Sub(r.opts.Since), 0)
	}
	return min(settleTime+settleLate, time.Until(began.Add(budget+r.plan.FinallyTimeout+r.opts.LateGrace)))
}
