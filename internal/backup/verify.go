package backup

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"

	"plan/internal/objectstore"
)

// ErrDamaged means that an object was read to its end and is not a sound backup: bytes that do not match its hash, not gzip, not
// the document, counts that disagree. Reading it again will not help.
var ErrDamaged = errors.New("damaged backup")

// Verified is a backup that was read whole and found sound.
type Verified struct {
	Key   Key
	Meta  Meta
	Index Index
	Size  int64 // bytes stored
}

// Verify reads a stored backup to its end, in memory that does not grow with it, and gives an error unless its bytes match the
// hash in its metadata, they decode, and key, metadata, index and objects agree. ErrDamaged and ErrNoMetadata are final; other
// errors are those of the store.
func Verify(ctx context.Context, store objectstore.Store, key string) (Verified, error) {
	v, err := read(ctx, store, key, nil)
	if err != nil {
		return Verified{}, fmt.Errorf("verify backup %s: %w", key, err)
	}
	return v, nil
}

// Object is one object of a backup.
type Object struct {
	APIVersion, Kind string
	Raw              json.RawMessage // the server's JSON without managedFields; valid until the next object
}

// errStop ends a scan whose reader has seen enough.
var errStop = errors.New("stop")

// Objects iterates over the objects of a stored backup in the order in which they were listed. Whether the backup is sound is
// known only at the end: the last pair has the error, if there is one.
func Objects(ctx context.Context, store objectstore.Store, key string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		_, err := read(ctx, store, key, func(o Object) error {
			if !yield(o, nil) {
				return errStop
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(Object{}, fmt.Errorf("read backup %s: %w", key, err))
		}
	}
}

// read is Verify and Objects.
func read(ctx context.Context, store objectstore.Store, key string, each func(Object) error) (Verified, error) {
	k, err := ParseKey(key)
	if err != nil {
		return Verified{}, err
	}
	body, info, err := store.Get(ctx, key, 0, -1)
	if err != nil {
		return Verified{}, err
	}
	defer body.Close()
	meta, err := ParseMetadata(info.Metadata)
	if err != nil {
		return Verified{}, err
	}
	var src source
	hash := sha256.New()
	in := io.TeeReader(src.read(ctx, body), hash)
	index, scanned := scan(in, each)
	if errors.Is(scanned, errStop) {
		return Verified{}, errStop
	}
	// What scan left unread after an error tells, by the hash, whether the bytes are the ones that were stored.
	if _, err := io.Copy(io.Discard, in); err != nil && src.err == nil {
		return Verified{}, err
	}
	if src.err != nil {
		return Verified{}, fmt.Errorf("read after %d bytes: %w", src.n, src.err)
	}
	if sum := [32]byte(hash.Sum(nil)); sum != meta.SHA256 {
		return Verified{}, fmt.Errorf("%w: its %d bytes have SHA-256 %x, its metadata says %x", ErrDamaged, src.n, sum, meta.SHA256)
	}
	if scanned != nil {
		return Verified{}, fmt.Errorf("%w: %w", ErrDamaged, scanned)
	}
	v := Verified{Key: k, Meta: meta, Index: index, Size: src.n}
	if err := v.agree(); err != nil {
		return Verified{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return v, nil
}

// agree compares what key, metadata and index say.
func (v Verified) agree() error {
	for _, c := range []struct {
		what      string
		meta, got any
	}{
		{"artefact in its key", v.Meta.Artefact, v.Key.Artefact},
		{"artefact in its index", v.Meta.Artefact, v.Index.Artefact},
		{"cluster in its key", v.Meta.Cluster, v.Key.Cluster},
		{"cluster in its index", v.Meta.Cluster, v.Index.Cluster.Name},
		{"cluster UID in its index", v.Meta.ClusterUID, v.Index.Cluster.UID},
		{"run in its index", v.Meta.Run, v.Index.Run},
		{"count in its index", v.Meta.Count, v.Index.Primary()},
		{"objects in its index", v.Meta.Objects, v.Index.Objects},
	} {
		if c.meta != c.got {
			return fmt.Errorf("%s is %v, its metadata says %v", c.what, c.got, c.meta)
		}
	}
	if !v.Index.CreatedAt.Equal(v.Key.Started) {
		return fmt.Errorf("its index is of %s, its key of %s", v.Index.CreatedAt, v.Key.Started)
	}
	return nil
}
