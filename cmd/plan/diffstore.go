package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"plan/internal/backup"
	"plan/internal/backup/job"
	"plan/internal/objectstore"
	rules "plan/internal/retention"
	"plan/steps"
)

// aheadStore is a store as the steps before would leave it. It only reads: a backup that they would write is listed and has metadata, and no
// body yet.
type aheadStore struct {
	objectstore.Store
	cluster backup.Cluster
	run     string
	written map[string]objectstore.Info
	deleted map[string]bool
}

var errReadOnly = errors.New("a preview writes nothing")

// aheadOf puts one before each store of the session.
func aheadOf(s *session) (list []*aheadStore) {
	for name, store := range s.stores {
		ahead := &aheadStore{
			Store: store, cluster: backup.Cluster{Name: s.cluster.Name, UID: s.uid}, run: s.run,
			written: map[string]objectstore.Info{}, deleted: map[string]bool{},
		}
		s.stores[name] = ahead
		list = append(list, ahead)
	}
	return list
}

// String is the store's own: it stands before the key in the target of a change.
func (s *aheadStore) String() string { return fmt.Sprint(s.Store) }

// take makes changes that concern backups in this store visible in it.
func (s *aheadStore) take(changes []steps.Change) {
	for _, c := range changes {
		text, here := strings.CutPrefix(c.Target, s.String()+" ")
		key, err := backup.ParseKey(text)
		switch {
		case !here || err != nil:
		case c.Op == steps.Delete:
			s.deleted[text] = true
			delete(s.written, text)
		case c.Op == steps.Create:
			var known job.Planned
			if json.Unmarshal(c.After, &known) != nil {
				continue // no backup
			}
			meta := backup.Meta{Artefact: key.Artefact, Cluster: s.cluster.Name, ClusterUID: s.cluster.UID, Run: s.run, Count: known.Count, Objects: known.Count}
			s.written[text] = objectstore.Info{Object: objectstore.Object{Key: text, LastModified: time.Now()}, Metadata: meta.Map()}
		}
	}
}

// List implements objectstore.Store.
func (s *aheadStore) List(ctx context.Context, prefix string, o objectstore.ListOptions) iter.Seq2[objectstore.Object, error] {
	return func(yield func(objectstore.Object, error) bool) {
		more := s.under(prefix, o.Shallow)
		for object, err := range s.Store.List(ctx, prefix, o) {
			for err == nil && len(more) > 0 && more[0] <= object.Key {
				if more[0] < object.Key && !yield(s.written[more[0]].Object, nil) {
					return
				}
				more = more[1:]
			}
			if err == nil && s.deleted[object.Key] {
				continue
			}
			if !yield(object, err) || err != nil {
				return
			}
		}
		for _, key := range more {
			if !yield(s.written[key].Object, nil) {
				return
			}
		}
	}
}

// under are the keys below a prefix that are yet to be written, sorted.
func (s *aheadStore) under(prefix string, shallow bool) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(s.written)), func(key string) bool {
		rest, below := strings.CutPrefix(key, prefix)
		return !below || shallow && strings.Contains(rest, "/")
	})
}

// Head implements objectstore.Store.
func (s *aheadStore) Head(ctx context.Context, key string) (objectstore.Info, error) {
	if info, ok := s.written[key]; ok {
		return info, nil
	}
	if s.deleted[key] {
		return objectstore.Info{}, s.fail("head", key, objectstore.ErrNotFound)
	}
	return s.Store.Head(ctx, key)
}

// Get implements objectstore.Store.
func (s *aheadStore) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, objectstore.Info, error) {
	if _, ok := s.written[key]; ok {
		return nil, objectstore.Info{}, s.fail("get", key, rules.ErrAhead)
	}
	if s.deleted[key] {
		return nil, objectstore.Info{}, s.fail("get", key, objectstore.ErrNotFound)
	}
	return s.Store.Get(ctx, key, offset, length)
}

// Put implements objectstore.Store.
func (s *aheadStore) Put(_ context.Context, key string, _ io.ReadSeeker, _ int64, _ objectstore.PutOptions) error {
	return s.fail("put", key, errReadOnly)
}

// Delete implements objectstore.Store.
func (s *aheadStore) Delete(_ context.Context, keys []string) error {
	var errs []*objectstore.DeleteError
	for _, key := range keys {
		errs = append(errs, &objectstore.DeleteError{Key: key, Err: s.fail("delete", key, errReadOnly)})
	}
	return objectstore.JoinDelete(errs)
}

func (s *aheadStore) fail(op, key string, err error) error {
	return &objectstore.Error{Op: op, Store: s.String(), Key: key, Err: err}
}
