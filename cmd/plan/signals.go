package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"plan/engine"
)

// hardStop is how long a run gets to end by itself after the second signal.
const hardStop = 2 * time.Second

// signals are what the terminal or the system asks while plan works.
type signals struct {
	ctx  context.Context // ends with the first signal
	out  chan engine.Signal
	stop func()

	terminate atomic.Int32 // the engine.Signal that SIGTERM is
}

// send is a signal that comes from elsewhere.
func (s *signals) send(sig engine.Signal) {
	select {
	case s.out <- sig:
	default: // nobody needs a fifth
	}
}

// watchSignals begins to listen. A reader of the output that goes away is no reason to end a run half way: writing then fails, and that
// is told at the end.
func watchSignals() *signals {
	ctx, cancel := context.WithCancelCause(context.Background())
	s := &signals{ctx: ctx, out: make(chan engine.Signal, 4)}
	s.terminate.Store(int32(engine.SignalTerminate))
	raw := make(chan os.Signal, 4)
	signal.Notify(raw, syscall.SIGINT, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // nohup
		signal.Notify(raw, syscall.SIGHUP)
	}
	signal.Ignore(syscall.SIGPIPE)
	s.stop = func() { signal.Stop(raw); close(raw); cancel(nil) }
	go func() {
		again := false
		for caught := range raw {
			sig, code := engine.SignalInterrupt, engine.ExitInterrupted
			if caught != syscall.SIGINT {
				sig, code = engine.Signal(s.terminate.Load()), engine.ExitTerminated
			}
			if again { // whatever hangs then, such as a reader of the output that no longer reads
				time.AfterFunc(hardStop, func() { os.Exit(code) })
			}
			again = true
			cancel(exit{code: code, err: errors.New("interrupted before the first step; nothing was done")})
			s.send(sig)
		}
	}()
	return s
}

// instead is the error to report for one that came before the first step: the signal, if that was the cause.
func (s *signals) instead(err error) error {
	if interrupted, ok := context.Cause(s.ctx).(exit); ok && err != nil {
		return interrupted
	}
	return err
}

// during is the error to report for one that came in the middle of a change: it says how far that got, the signal gives the exit code.
func (s *signals) during(err error) error {
	if interrupted, ok := context.Cause(s.ctx).(exit); ok && err != nil {
		return exit{code: interrupted.code, err: fmt.Errorf("interrupted: %w", err)}
	}
	return err
}

// quietly is during for what has nothing to undo or to tell: there is only the exit code.
func (s *signals) quietly(err error) error {
	if interrupted, ok := context.Cause(s.ctx).(exit); ok && err != nil {
		return exit{code: interrupted.code}
	}
	return err
}
