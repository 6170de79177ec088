package engine

import (
	"errors"
	"fmt"
)

// note is what an attempt notes, on its way to the walker, who owns the journal.
type note struct {
	of         *stepState
	attempt    int
	key, value string
	answer     chan error // has room for it
}

var errAttemptOver = errors.New("the attempt is over")

// noter gives an attempt its way to note. The walker takes notes whenever it waits, also while the run stops, and never waits for one; it
// closes the gate of every attempt before it returns. So a note is answered, or refused.
func (w *walker) noter(s *stepState) func(key, value string) error {
	gate, attempt := s.gate, s.result.Attempts
	return func(key, value string) error {
		n := note{s, attempt, key, value, make(chan error, 1)}
		err := errAttemptOver
		select {
		case w.notes <- n:
			err = <-n.answer
		case <-gate.over:
		}
		if err != nil {
			return fmt.Errorf("note %s of step %s: %w", key, s.id(), err)
		}
		return nil
	}
}

// note takes in a note; commit writes it.
func (w *walker) note(n note) {
	if !n.of.live || n.of.result.Attempts != n.attempt {
		n.answer <- errAttemptOver
		return
	}
	w.noted = append(w.noted, n)
	if r := &n.of.result; w.run.opts.Journal != nil {
		w.records = append(w.records, StepNotedRecord{Step: r.ID, Instance: r.Instance, Attempt: n.attempt, Key: n.key, Value: n.value})
	}
}

// answer tells attempts whether their notes are recorded.
func (w *walker) answer(sound bool) {
	for _, n := range w.noted {
		if !sound {
			n.answer <- w.run.journalErr
			continue
		}
		if n.of.notes == nil {
			n.of.notes = map[string]string{}
		}
		n.of.notes[n.key] = n.value
		n.answer <- nil
	}
	clear(w.noted)
	w.noted = w.noted[:0]
}
