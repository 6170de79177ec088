package backup

import (
	"context"
	"errors"
	"fmt"

	"plan/internal/objectstore"
	"plan/internal/spool"
)

// maxKeys is how many keys are tried when what lies under the first ones is not a sound backup of this cluster.
const maxKeys = 5

// Content is a finished document, ready to be stored.
type Content struct {
	Spool *spool.Spool
	Index Index
}

// Meta is what is stored beside the document.
func (c Content) Meta() Meta {
	return Meta{
		Artefact:   c.Index.Artefact,
		Cluster:    c.Index.Cluster.Name,
		ClusterUID: c.Index.Cluster.UID,
		Run:        c.Index.Run,
		SHA256:     c.Spool.SHA256(),
		Size:       c.Spool.Size(),
		Count:      c.Index.Primary(),
		Objects:    c.Index.Objects,
	}
}

// Stored is a backup that is in the store and was read back.
type Stored struct {
	Verified
	Adopted bool // an earlier attempt of this run had stored it; hash and counts are those of what is stored
}

// Upload stores a document under keys(0) and reads it back; what it returns without an error is stored and sound. Nothing is
// overwritten: if the key exists, a sound backup of the same cluster and run is adopted; anything else is told to warn, left
// where it is, and keys(1) is tried, and so on, at most five. Called again with the same keys, it adopts what it has stored.
func Upload(ctx context.Context, store objectstore.Store, keys func(n int) (Key, error), c Content, warn func(string, ...any)) (Stored, error) {
	for n := range maxKeys {
		key, err := keys(n)
		if err != nil {
			return Stored{}, err
		}
		stored, err := put(ctx, store, key.String(), c)
		switch {
		case err == nil:
			return stored, nil
		case !errors.Is(err, errTaken):
			return Stored{}, err
		}
		warn("%v; it is left as it is, and the backup gets another key", err)
	}
	return Stored{}, errAllTaken
}

var (
	// errTaken means that something else than this backup is under the key.
	errTaken    = errors.New("the key is taken")
	errAllTaken = fmt.Errorf("store backup: %d keys are taken by objects that are not sound backups of this run", maxKeys)
)

// put stores under one key, or adopts what is there.
func put(ctx context.Context, store objectstore.Store, key string, c Content) (Stored, error) {
	meta := c.Meta()
	err := store.Put(ctx, key, c.Spool.Reader(), c.Spool.Size(), objectstore.PutOptions{
		ContentType: "application/gzip",
		Metadata:    meta.Map(),
		SHA256:      meta.SHA256,
		IfAbsent:    true,
	})
	if errors.Is(err, objectstore.ErrExists) {
		return adopt(ctx, store, key, meta)
	}
	if err != nil {
		return Stored{}, fmt.Errorf("store backup %s: %w", key, err)
	}
	got, err := Verify(ctx, store, key)
	if err == nil && got.Meta != meta {
		err = fmt.Errorf("%w: %s has other metadata than it was stored with", ErrDamaged, key)
	}
	if err != nil {
		return Stored{}, readBackError{err}
	}
	return Stored{Verified: got}, nil
}

// readBackError is that of a read-back. Found damaged, it is an objectstore.ErrDamaged too, like a body that the store refuses:
// another attempt may well succeed, for it gets another key.
type readBackError struct{ err error }

func (e readBackError) Error() string { return "read back what was just stored: " + e.err.Error() }

func (e readBackError) Unwrap() []error {
	if errors.Is(e.err, ErrDamaged) {
		return []error{e.err, objectstore.ErrDamaged}
	}
	return []error{e.err}
}

// adopt judges what is under a key that this run wanted to write.
func adopt(ctx context.Context, store objectstore.Store, key string, want Meta) (Stored, error) {
	got, err := Verify(ctx, store, key)
	switch {
	case errors.Is(err, ErrDamaged), errors.Is(err, ErrNoMetadata):
		return Stored{}, fmt.Errorf("%w: %w", errTaken, err)
	case err != nil:
		return Stored{}, fmt.Errorf("judge the object that is already there: %w", err)
	case got.Meta.ClusterUID != want.ClusterUID:
		return Stored{}, fmt.Errorf("%w: %s is a backup of the cluster with UID %s", errTaken, key, got.Meta.ClusterUID)
	case got.Meta.Run != want.Run:
		return Stored{}, fmt.Errorf("%w: %s is a backup of run %s", errTaken, key, got.Meta.Run)
	}
	return Stored{Verified: got, Adopted: true}, nil
}

// Find tells, without writing, under which of its keys a document with that index would be stored, or is stored already.
func Find(ctx context.Context, store objectstore.Store, keys func(n int) (Key, error), index Index) (key Key, there bool, err error) {
	want := Meta{ClusterUID: index.Cluster.UID, Run: index.Run}
	for n := range maxKeys {
		if key, err = keys(n); err != nil {
			return Key{}, false, err
		}
		_, err = adopt(ctx, store, key.String(), want)
		switch {
		case err == nil:
			return key, true, nil
		case errors.Is(err, objectstore.ErrNotFound):
			return key, false, nil
		case !errors.Is(err, errTaken):
			return Key{}, false, err
		}
	}
	return Key{}, false, errAllTaken
}
