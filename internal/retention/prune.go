package retention

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"plan/internal/objectstore"
)

// batch is how many backups go between two looks at the context. It is what one request of S3 takes.
const batch = 1000

// Report is what was done.
type Report struct {
	Deleted []string // oldest first
	Kept    int      // candidates that stay because the rules say so
	Held    string   // as in Plan
	Ignored Ignored
}

// UndeletedError means that backups which should have gone are, or may be, still there. Its chain has the store's error.
type UndeletedError struct {
	Keys []string
	Of   int
	Err  error
}

// Error names the first of the keys and the cause, on one line.
func (e *UndeletedError) Error() string {
	const shown = 3
	cause := strings.ReplaceAll(e.Err.Error(), "\n", "; ") // of a joined error
	if len(objectstore.Undeleted(e.Err)) == 0 {
		list := strings.Join(e.Keys[:min(shown, len(e.Keys))], ", ")
		if more := len(e.Keys) - shown; more > 0 {
			list += fmt.Sprintf(" and %d more", more)
		}
		cause = list + ": " + cause
	}
	return fmt.Sprintf("%d of %d old backups stay: %s", len(e.Keys), e.Of, cause)
}

// Unwrap gives the cause.
func (e *UndeletedError) Unwrap() error { return e.Err }

// Execute does what Survey found. Before the first deletion the newest backup is read back and decoded; if that fails, nothing is
// deleted. Deletion goes from the oldest on. After an error the report says what is gone all the same. A key that refuses to go
// does not hold up the others; a store that deletes nothing of a batch ends it, and so does a context that is done.
func Execute(ctx context.Context, store objectstore.Store, p Plan) (Report, error) {
	report := Report{Kept: len(p.Keep), Held: p.Held, Ignored: p.Ignored}
	if len(p.Remove) == 0 {
		return report, nil
	}
	if newest := p.Keep[0].Key; p.assumed(newest) {
		return report, fmt.Errorf("prune: %s was only assumed; survey again when it is there", newest)
	}
	if err := p.readBack(ctx, store); err != nil {
		return report, err
	}
	err := report.remove(ctx, store, p)
	return report, err
}

// ErrAhead is what a preview's store gives in place of the body of an object that is yet to be written.
var ErrAhead = errors.New("it is not written yet")

// Check tells, without writing, whether Execute would begin to delete: whether the newest backup can be read back. One that is yet to be
// written is taken for sound: whoever writes it reads it back.
func Check(ctx context.Context, store objectstore.Store, p Plan) error {
	if len(p.Remove) == 0 || p.assumed(p.Keep[0].Key) {
		return nil
	}
	if err := p.readBack(ctx, store); !errors.Is(err, ErrAhead) {
		return err
	}
	return nil
}

// readBack reads and decodes the newest backup.
func (p Plan) readBack(ctx context.Context, store objectstore.Store) error {
	newest := p.Keep[0].Key
	if err := p.options.Verify(ctx, store, newest); err != nil {
		return fmt.Errorf("prune %s: nothing is deleted: read back the newest backup %s: %w", p.options.folder(), newest, err)
	}
	return nil
}

func (p Plan) assumed(key string) bool {
	return slices.ContainsFunc(p.options.Assume, func(c Candidate) bool { return c.Key == key })
}

func (r *Report) remove(ctx context.Context, store objectstore.Store, p Plan) error {
	keys := make([]string, len(p.Remove))
	for i, c := range p.Remove {
		keys[i] = c.Key
	}
	failed := UndeletedError{Of: len(keys)}
	var causes []error
	for len(keys) > 0 {
		part := keys[:min(batch, len(keys))]
		keys = keys[len(part):]
		err := ctx.Err()
		if err == nil {
			err = store.Delete(ctx, part)
		}
		undeleted := undeletedKeys(err, part)
		if err != nil {
			causes = append(causes, err)
			failed.Keys = append(failed.Keys, undeleted...)
		}
		if err != nil && len(undeleted) == len(part) {
			failed.Keys = append(failed.Keys, keys...)
			break
		}
		for _, key := range part {
			if !slices.Contains(undeleted, key) {
				r.Deleted = append(r.Deleted, key)
			}
		}
		p.options.Progress("deleting old backups", int64(len(r.Deleted)), int64(failed.Of), "objects")
	}
	if len(failed.Keys) == 0 {
		return nil
	}
	failed.Err = errors.Join(causes...)
	return &failed
}

// undeletedKeys gives the keys that a failed deletion left: those it names, or all if it names none, or one that was not asked for.
func undeletedKeys(err error, all []string) []string {
	if err == nil {
		return nil
	}
	named := objectstore.Undeleted(err)
	if len(named) == 0 {
		return all
	}
	keys := make([]string, len(named))
	for i, e := range named {
		if !slices.Contains(all, e.Key) {
			return all // an answer about something else tells nothing of these
		}
		keys[i] = e.Key
	}
	return keys
}

// Prune surveys and executes.
func Prune(ctx context.Context, store objectstore.Store, o Options) (Report, error) {
	plan, err := Survey(ctx, store, o)
	if err != nil {
		return Report{}, err
	}
	return Execute(ctx, store, plan)
}
