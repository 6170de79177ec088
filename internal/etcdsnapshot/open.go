package etcdsnapshot

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"go.etcd.io/bbolt"
	"google.golang.org/protobuf/encoding/protowire"

	"plan/internal/objectstore"
)

// Content is what a snapshot holds, as far as it matters for a restore.
type Content struct {
	Revision  int64             // of etcd, the newest
	Records   int64             // of keys, all revisions kept
	Bootstrap map[string][]byte // by the token's hash: the certificate authorities and keys of the cluster, encrypted with that token
}

// Open checks a snapshot as Checksum does, and opens its database with etcd's own library: all pages are reached or free, all keys in
// order. The database lies in a temporary file in dir (empty: the system's) that has no name any more, so that a killed process leaves
// nothing: it holds every Secret of the cluster. Errors are those of Structure, ErrTooLarge, and those of the temporary file.
func Open(ctx context.Context, store objectstore.Store, s Snapshot, dir string, progress Progress) (Content, error) {
	file, err := nameless(dir)
	if err != nil {
		return Content{}, err
	}
	if err := fill(ctx, store, s, file, progress); err != nil {
		_ = file.Close() // what it held is of no use
		return Content{}, err
	}
	type result struct {
		content Content
		err     error
	}
	done := make(chan result, 1)
	go func() {
		c, err := look(ctx, file)
		done <- result{c, err}
	}()
	select {
	case r := <-done:
		return r.content, r.err
	case <-ctx.Done(): // bbolt's check cannot be stopped; it ends by itself, and closes the file then
		return Content{}, ctx.Err()
	}
}

// fill reads the database into the file and walks it.
func fill(ctx context.Context, store objectstore.Store, s Snapshot, file *os.File, progress Progress) error {
	if err := read(ctx, store, s, MaxOpen, progress, file); err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("measure temporary file: %w", err)
	}
	l, err := readLayout(file, info.Size()+trailerLen)
	if err != nil {
		return err
	}
	return walk(ctx, file, l)
}

// nameless makes a temporary file and takes its name away.
func nameless(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, "plan-etcd-*")
	if err != nil {
		return nil, fmt.Errorf("make temporary file: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(fmt.Errorf("unlink temporary file: %w", err), f.Close())
	}
	return f, nil
}

// look opens a database that walk has found sound. It closes the file.
func look(ctx context.Context, file *os.File) (c Content, err error) {
	defer file.Close() // bbolt has, in most cases
	// What bbolt does not like it may answer with a panic.
	defer func() {
		if p := recover(); p != nil {
			c, err = Content{}, damage("bbolt gives up: %v", p)
		}
	}()
	db, err := bbolt.Open(file.Name(), 0o600, &bbolt.Options{
		ReadOnly: true, Timeout: time.Second,
		OpenFile: func(string, int, os.FileMode) (*os.File, error) { return file, nil },
	})
	if err != nil {
		return Content{}, damage("bbolt does not open it: %v", err)
	}
	err = db.View(func(tx *bbolt.Tx) error {
		var first error
		for e := range tx.Check() { // to the end, or its goroutine stays
			first = cmp.Or(first, e)
		}
		if first != nil {
			return damage("bbolt finds: %v", first)
		}
		c, err = records(ctx, tx)
		return err
	})
	if closed := db.Close(); err == nil && closed != nil {
		err = fmt.Errorf("close temporary file: %w", closed)
	}
	if err != nil {
		return Content{}, err
	}
	return c, nil
}

var bootstrapPrefix = []byte("/bootstrap/")

// records goes through the bucket in which etcd keeps every revision of every key, in order of the revisions: the key is the revision (main
// u64, "_", sub u64, and "t" for a deletion), the value a KeyValue of etcd's mvccpb.
func records(ctx context.Context, tx *bbolt.Tx) (Content, error) {
	c := Content{Bootstrap: map[string][]byte{}}
	bucket := tx.Bucket([]byte("key"))
	if bucket == nil {
		return c, damage("it is a bbolt database without etcd's keys")
	}
	cursor := bucket.Cursor()
	for revision, value := cursor.First(); revision != nil; revision, value = cursor.Next() {
		if c.Records++; c.Records%10_000 == 0 && ctx.Err() != nil {
			return c, ctx.Err()
		}
		if len(revision) < 17 || revision[8] != '_' {
			return c, damage("a key of etcd is no revision")
		}
		c.Revision = int64(binary.BigEndian.Uint64(revision))
		key, data, err := keyValue(value)
		if err != nil {
			return c, err
		}
		hash, ok := bytes.CutPrefix(key, bootstrapPrefix)
		if !ok {
			continue
		}
		if deleted := len(revision) == 18 && revision[17] == 't'; deleted {
			delete(c.Bootstrap, string(hash))
		} else {
			c.Bootstrap[string(hash)] = bytes.Clone(data)
		}
	}
	return c, nil
}

// keyValue takes key (field 1) and value (field 5) out of a KeyValue.
func keyValue(b []byte) (key, value []byte, err error) {
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return nil, nil, damage("a record of etcd cannot be decoded: %v", protowire.ParseError(n))
		}
		b = b[n:]
		if kind == protowire.BytesType && (number == 1 || number == 5) {
			field, n := protowire.ConsumeBytes(b)
			if n < 0 {
				return nil, nil, damage("a record of etcd cannot be decoded: %v", protowire.ParseError(n))
			}
			if number == 1 {
				key = field
			} else {
				value = field
			}
			b = b[n:]
			continue
		}
		n = protowire.ConsumeFieldValue(number, kind, b)
		if n < 0 {
			return nil, nil, damage("a record of etcd cannot be decoded: %v", protowire.ParseError(n))
		}
		b = b[n:]
	}
	return key, value, nil
}
