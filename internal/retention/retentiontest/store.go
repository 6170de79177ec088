// Package retentiontest has a store for tests: in memory, recording, failing on demand.
package retentiontest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"plan/internal/objectstore"
)

// Call is one call of a method of Store. List has its prefix as key; Delete makes one call per key.
type Call struct{ Op, Key string }

// Store is an objectstore.Store in memory.
type Store struct {
	// Fault may be nil. It is asked before each call; an error is what the call then gives. It may block.
	Fault func(ctx context.Context, op, key string) error

	mu      sync.Mutex
	objects map[string]object
	calls   []Call
}

type object struct {
	body []byte
	info objectstore.Info
}

var _ objectstore.Store = (*Store)(nil)

// Calls lists the calls so far.
func (s *Store) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Keys lists the keys there are, sorted.
func (s *Store) Keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.objects))
}

// Add puts an object without a call being recorded.
func (s *Store) Add(key string, body []byte, metadata map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.objects == nil {
		s.objects = map[string]object{}
	}
	at := objectstore.Object{Key: key, Size: int64(len(body)), LastModified: time.Unix(0, 0).UTC()}
	s.objects[key] = object{body, objectstore.Info{Object: at, Metadata: maps.Clone(metadata)}}
}

func (s *Store) begin(ctx context.Context, op, key string) error {
	s.mu.Lock()
	s.calls = append(s.calls, Call{op, key})
	s.mu.Unlock()
	err := ctx.Err()
	if err == nil && s.Fault != nil {
		err = s.Fault(ctx, op, key)
	}
	if err != nil {
		return &objectstore.Error{Op: op, Store: "memory", Key: key, Err: err}
	}
	return nil
}

func (s *Store) find(op, key string) (object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.objects[key]
	if !ok {
		return o, &objectstore.Error{Op: op, Store: "memory", Key: key, Err: objectstore.ErrNotFound}
	}
	return o, nil
}

// List implements objectstore.Store. Op "page" is asked for a fault before each entry.
func (s *Store) List(ctx context.Context, prefix string, o objectstore.ListOptions) iter.Seq2[objectstore.Object, error] {
	return func(yield func(objectstore.Object, error) bool) {
		if err := s.begin(ctx, "list", prefix); err != nil {
			yield(objectstore.Object{}, err)
			return
		}
		for _, key := range s.Keys() {
			rest, found := strings.CutPrefix(key, prefix)
			if !found || (o.Shallow && strings.Contains(rest, "/")) {
				continue
			}
			if err := s.begin(ctx, "page", key); err != nil {
				yield(objectstore.Object{}, err)
				return
			}
			if o, err := s.find("list", key); err == nil && !yield(o.info.Object, nil) {
				return
			}
		}
	}
}

// Head implements objectstore.Store.
func (s *Store) Head(ctx context.Context, key string) (objectstore.Info, error) {
	if err := s.begin(ctx, "head", key); err != nil {
		return objectstore.Info{}, err
	}
	o, err := s.find("head", key)
	return o.info, err
}

// Get implements objectstore.Store.
func (s *Store) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, objectstore.Info, error) {
	if err := s.begin(ctx, "get", key); err != nil {
		return nil, objectstore.Info{}, err
	}
	o, err := s.find("get", key)
	if err != nil {
		return nil, objectstore.Info{}, err
	}
	size := int64(len(o.body))
	if offset > size || (offset == size && size > 0) {
		return nil, objectstore.Info{}, &objectstore.Error{Op: "get", Store: "memory", Key: key, Err: objectstore.ErrRange}
	}
	end := size
	if length >= 0 {
		end = min(size, offset+length)
	}
	return io.NopCloser(bytes.NewReader(o.body[offset:end])), o.info, nil
}

// Put implements objectstore.Store.
func (s *Store) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, o objectstore.PutOptions) error {
	if err := s.begin(ctx, "put", key); err != nil {
		return err
	}
	fail := func(err error) error { return &objectstore.Error{Op: "put", Store: "memory", Key: key, Err: err} }
	data, err := io.ReadAll(body)
	if err != nil {
		return fail(fmt.Errorf("read body: %w", err))
	}
	if int64(len(data)) != size || (o.SHA256 != [32]byte{} && o.SHA256 != sha256.Sum256(data)) {
		return fail(objectstore.ErrDamaged)
	}
	if _, err := s.find("put", key); err == nil && o.IfAbsent {
		return fail(objectstore.ErrExists)
	}
	s.Add(key, data, o.Metadata)
	return nil
}

// Delete implements objectstore.Store.
func (s *Store) Delete(ctx context.Context, keys []string) error {
	var left []*objectstore.DeleteError
	for _, key := range keys {
		if err := s.begin(ctx, "delete", key); err != nil {
			left = append(left, &objectstore.DeleteError{Key: key, Err: err})
			continue
		}
		s.mu.Lock()
		delete(s.objects, key)
		s.mu.Unlock()
	}
	return objectstore.JoinDelete(left)
}

// Describe tells everything about an object, for comparing; empty if there is none.
func (s *Store) Describe(key string) string {
	o, err := s.find("describe", key)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%x %v", sha256.Sum256(o.body), o.info)
}
