package nodetoken

import (
	"context"
	"errors"
	"fmt"
	"time"

	"plan/internal/bitwarden"
	"plan/internal/errclass"
	"plan/internal/pause"
)

// The actions that keeping a token comes to.
const (
	Created   = "created"
	Updated   = "updated"
	Unchanged = "unchanged"
)

// Write is one thing to be written: a token into a slot.
type Write struct {
	Target string // for people
	Slot   string // "" is that of the current token
	Token  Token
	Into   bool // into something that is there already

	over Token // what is replaced; the zero Token for nothing
}

// Plan tells what has to be written so that the place keeps the token and, before that, a copy of another one that it keeps now:
// snapshots made with it cannot be opened without it. It is empty when all is as it should be.
//
// A slot that holds something that is no server token is refused: it is not plan's, and would be lost.
func Plan(ctx context.Context, p Place, t Token) (action string, writes []Write, err error) {
	kept, err := p.Look(ctx, "")
	current := Write{Target: p.Target(""), Token: t, Into: kept.into, over: kept.Token}
	switch {
	case errors.Is(err, ErrNone):
		return Created, []Write{current}, nil
	case errors.Is(err, ErrToken):
		return "", nil, foreign(p.Target(""), err)
	case err != nil:
		return "", nil, err
	case kept.Token == t:
		return Unchanged, nil, nil
	}
	current.Into = true
	slot := kept.Token.Hash()
	if slot == t.Hash() { // the same password in another form: nothing that a snapshot needs goes away
		return Updated, []Write{current}, nil
	}
	earlier, err := p.Look(ctx, slot)
	switch {
	case errors.Is(err, ErrNone):
		save := Write{Target: p.Target(slot), Slot: slot, Token: kept.Token, Into: earlier.into}
		return Updated, []Write{save, current}, nil
	case errors.Is(err, ErrToken), err == nil && earlier.Token.Hash() != slot:
		return "", nil, foreign(p.Target(slot), errors.Join(err, errors.New("it is not the token with that hash")))
	case err != nil:
		return "", nil, err
	}
	return Updated, []Write{current}, nil
}

// foreign refuses to write over what plan has not written.
func foreign(target string, err error) error {
	return fmt.Errorf("keep node token in %s: it holds something else, which would be lost: move that away, or name another key or path: %w", target, err)
}

// Do makes one write of Plan and reads it back. It may be repeated. Errors: errclass.ErrLost when it cannot be known whether the
// write was executed; otherwise the slot is as it was, or holds the token already.
func Do(ctx context.Context, p Place, w Write) error {
	const tries = 3 // when somebody else changes something beside the token at the same time
	err := errChanged
	for try := 0; try < tries && errors.Is(err, errChanged); try++ {
		err = attempt(ctx, p, w)
	}
	return err
}

func attempt(ctx context.Context, p Place, w Write) error {
	seen, err := p.Look(ctx, w.Slot)
	switch {
	case err == nil && seen.Token == w.Token:
		return nil
	case err != nil && !errors.Is(err, ErrNone):
		return err
	case seen.Token != w.over:
		return fmt.Errorf("keep node token in %s: it has changed in the meantime; run again", w.Target)
	}
	err = p.Put(ctx, w.Slot, w.Token, seen)
	if errors.Is(err, errUnanswered) {
		return settle(ctx, p, w, seen, err)
	}
	if err != nil {
		return err
	}
	return confirm(ctx, p, w)
}

// confirm reads a write back. One that cannot be read back is no failure of the write, but nothing is said to be kept then.
func confirm(ctx context.Context, p Place, w Write) error {
	ctx, cancel := alive(ctx)
	defer cancel()
	seen, err := p.Look(ctx, w.Slot)
	switch {
	case err != nil:
		return fmt.Errorf("read back what was written: %w", err)
	case seen.Token != w.Token:
		return fmt.Errorf("read back %s: it is not what was written", w.Target)
	}
	return nil
}

// looks are the pauses before looking for a write that got no answer: a server may be at it still.
var looks = [...]time.Duration{0, time.Second, 2 * time.Second, 4 * time.Second}

// settle finds out what became of a write without an answer. Either it is there, or it is not and may be repeated, or the
// outcome is unknown.
func settle(ctx context.Context, p Place, w Write, over Kept, cause error) error {
	late := p.Late(over)
	ctx, cancel := alive(ctx)
	defer cancel()
	for _, delay := range looks {
		if !late && delay > 0 {
			break
		}
		if err := pause.For(ctx, delay); err != nil {
			return lost(w, errors.Join(cause, err))
		}
		seen, err := p.Look(ctx, w.Slot)
		if err == nil && seen.Token == w.Token {
			return nil
		}
		if e := (*bitwarden.AmbiguousError)(nil); errors.As(err, &e) {
			return err
		}
		if err != nil && !errors.Is(err, ErrNone) {
			return lost(w, errors.Join(cause, err))
		}
	}
	if late && timedOut(cause) {
		return lost(w, cause)
	}
	return cause
}

func lost(w Write, cause error) error {
	return fmt.Errorf("keep node token in %s: %w: run again, which looks before it writes: %w", w.Target, errclass.ErrLost, cause)
}

// timedOut tells whether a write was given up while the server may still have been at it.
func timedOut(err error) bool {
	timeout, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && timeout.Timeout() || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// alive is ctx, or a little time of its own when ctx is done: what was written has to be known all the same.
func alive(ctx context.Context) (context.Context, context.CancelFunc) {
	const grace = 5 * time.Second
	if ctx.Err() != nil {
		return context.WithTimeout(context.WithoutCancel(ctx), grace)
	}
	return context.WithCancel(ctx)
}
