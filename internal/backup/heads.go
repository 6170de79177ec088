package backup

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"

	"plan/internal/objectstore"
)

// heads is how many objects are asked for their metadata at once.
const heads = 32

// Heads lists what is under a prefix and asks for the metadata of each object that want chooses while the listing goes on, so that memory
// holds what each keeps and little else. want and each are called by one goroutine at a time. The first error ends it: that of the
// listing, of a HEAD, or of each; then what each has seen is only a part.
func Heads(ctx context.Context, store objectstore.Store, prefix string, o objectstore.ListOptions, want func(objectstore.Object) bool, each func(objectstore.Info) error) error {
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(heads)
	var turn sync.Mutex
	ask := func(key string) error {
		info, err := store.Head(groupCtx, key)
		if err != nil {
			return err
		}
		turn.Lock()
		defer turn.Unlock()
		return each(info)
	}
	var listing error
	for object, err := range store.List(groupCtx, prefix, o) {
		if err != nil {
			listing = err
			break
		}
		turn.Lock()
		chosen := want(object)
		turn.Unlock()
		if chosen {
			group.Go(func() error { return ask(object.Key) })
		}
	}
	if err := group.Wait(); err != nil {
		return err // a listing that it cancelled says less
	}
	if listing != nil {
		return listing
	}
	return ctx.Err()
}
