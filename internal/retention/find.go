package retention

import (
	"context"
	"errors"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"plan/internal/backup"
	"plan/internal/objectstore"
)

// heads is how many candidates are asked for their metadata at once.
const heads = 32

// find lists the folder and asks for each candidate's metadata while the listing goes on, so that memory holds the candidates
// and little else. Any failure ends it.
func find(ctx context.Context, store objectstore.Store, o Options) ([]Candidate, Ignored, error) {
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(heads)
	f := finder{options: o, store: store}
	listing := f.list(groupCtx, group)
	if err := group.Wait(); err != nil {
		return nil, Ignored{}, err // a listing that it cancelled says less
	}
	if listing != nil {
		return nil, Ignored{}, listing
	}
	return f.found, f.ignored, ctx.Err()
}

type finder struct {
	options Options
	store   objectstore.Store

	mu      sync.Mutex
	found   []Candidate
	ignored Ignored
	asked   int64
}

func (f *finder) list(ctx context.Context, group *errgroup.Group) error {
	for object, err := range f.store.List(ctx, f.options.folder(), objectstore.ListOptions{Shallow: true}) {
		if err != nil {
			return err
		}
		key, err := backup.ParseKey(object.Key)
		switch {
		case err != nil || key.Folder() != f.options.folder():
			f.ignore(object.Key, "not a backup's name")
			continue
		case key.Artefact != f.options.Artefact:
			continue
		case key.Started.After(f.options.Now.Add(Skew)):
			f.ignore(object.Key, "dated in the future")
			continue
		}
		group.Go(func() error { return f.head(ctx, object, key) })
	}
	return nil
}

func (f *finder) head(ctx context.Context, object objectstore.Object, key backup.Key) error {
	info, err := f.store.Head(ctx, object.Key)
	if err != nil {
		return err
	}
	meta, reason := f.options.owned(info.Metadata)
	if reason == "" && meta.Size > 0 && info.Size != meta.Size {
		reason = "its size is not what was uploaded: damaged"
	}
	if reason != "" {
		f.ignore(object.Key, reason)
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.found = append(f.found, Candidate{
		Key: object.Key, Time: key.Started, Modified: object.LastModified, Own: object.Key == f.options.Own, Count: meta.Count,
	})
	f.progress()
	return nil
}

// owned reads metadata, or tells why the object is not this cluster's backup.
func (o Options) owned(stored map[string]string) (meta backup.Meta, reason string) {
	meta, err := backup.ParseMetadata(stored)
	switch {
	case errors.Is(err, backup.ErrNoMetadata):
		return meta, "no backup's metadata"
	case err != nil:
		return meta, "metadata is not readable"
	case meta.Artefact != o.Artefact:
		return meta, "metadata names another artefact"
	case meta.Cluster != o.Cluster:
		return meta, "metadata names another cluster"
	case meta.ClusterUID != o.ClusterUID && !slices.Contains(o.OldUIDs, meta.ClusterUID):
		return meta, "made in another cluster of that name"
	}
	return meta, ""
}

func (f *finder) ignore(key, reason string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ignored.add(key, reason)
	f.progress()
}

func (f *finder) progress() {
	f.asked++
	f.options.Progress("looking at backups", f.asked, 0, "objects")
}
