package verifystore

import (
	"context"
	"strings"
	"time"

	"plan/internal/checks"
	"plan/internal/objectstore"
)

// seen is what a complete listing has shown. Its memory does not grow with the listing.
type seen struct {
	objects int64              // matching, not empty, neither undated nor of the future
	newest  objectstore.Object // of those; no key if there is none

	other   int64 // keys that the pattern leaves out
	empty   tally
	future  tally
	undated tally
}

// tally counts objects that are left out and keeps the newest.
type tally struct {
	count  int64
	newest objectstore.Object
}

func (t *tally) add(o objectstore.Object) {
	t.count++
	t.newest = newer(t.newest, o)
}

// newer is the newer of two objects; of one time, the one with the greater key.
func newer(a, b objectstore.Object) objectstore.Object {
	switch c := b.LastModified.Compare(a.LastModified); {
	case a.Key == "", c > 0, c == 0 && b.Key > a.Key:
		return b
	}
	return a
}

// survey lists to the end. After an error nothing of what was seen counts.
func survey(ctx context.Context, store objectstore.Store, want wanted, now time.Time, progress func(string, int64, int64, string)) (seen, error) {
	var s seen
	listed := int64(0)
	for o, err := range store.List(ctx, want.folder, objectstore.ListOptions{}) {
		if err != nil {
			return seen{}, err
		}
		if listed++; listed%1000 == 0 {
			progress("listing "+want.folder, listed, 0, "objects")
		}
		s.look(o, want, now)
	}
	return s, ctx.Err()
}

func (s *seen) look(o objectstore.Object, want wanted, now time.Time) {
	name, below := strings.CutPrefix(o.Key, want.folder)
	switch {
	case !below || name == "" || strings.HasSuffix(name, "/"): // a folder's marker is no object of anybody's
	case want.pattern != nil && !want.pattern.MatchString(name):
		s.other++
	case o.Size <= 0:
		s.empty.add(o)
	case o.LastModified.IsZero():
		s.undated.add(o)
	case o.LastModified.Sub(now) > checks.Skew:
		s.future.add(o)
	default:
		s.objects++
		s.newest = newer(s.newest, o)
	}
}
