package dir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"plan/internal/objectstore"
)

// Delete implements objectstore.Store. A directory that is not there holds no
// key, and is not made.
func (s *Store) Delete(ctx context.Context, keys []string) error {
	errs := make([]error, len(keys))
	if err := s.delete(ctx, keys, errs); err != nil {
		for i := range errs {
			errs[i] = err
		}
	}
	var kept []*objectstore.DeleteError
	for i, key := range keys {
		err := s.fail("delete", key, errs[i])
		if err != nil && !errors.Is(err, objectstore.ErrNotFound) {
			kept = append(kept, &objectstore.DeleteError{Key: key, Err: err})
		}
	}
	return objectstore.JoinDelete(kept)
}

// delete sets the error of each key, or returns the one of all.
func (s *Store) delete(ctx context.Context, keys []string, errs []error) error {
	if err := ctx.Err(); err != nil || len(keys) == 0 {
		return err
	}
	for _, key := range keys {
		if err := checkKey(key); err != nil {
			return fmt.Errorf("key %q: %w", key, err)
		}
	}
	root, err := s.open()
	if err != nil {
		return err
	}
	defer root.Close()
	if err := prepare(root); err != nil {
		return err
	}
	unlock, err := s.acquire(ctx, root)
	if err != nil {
		return err
	}
	defer unlock()
	folders := map[string]error{}
	for i, key := range keys {
		if errs[i] = ctx.Err(); errs[i] == nil {
			errs[i] = remove(root, key)
			folders[path.Dir(key)] = nil
		}
	}
	return settle(root, folders, keys, errs)
}

// settle makes the removals durable. Where that fails the keys are gone, but
// may be back after a power loss.
func settle(root *os.Root, folders map[string]error, keys []string, errs []error) error {
	for folder := range folders {
		if err := syncDir(root, folder); !errors.Is(err, fs.ErrNotExist) {
			folders[folder] = err
		}
	}
	for i, key := range keys {
		if errs[i] == nil {
			errs[i] = folders[path.Dir(key)]
		}
	}
	return syncDir(root, keysDir)
}

// remove takes the object first and its metadata after it, and leaves alone
// what is no object.
func remove(root *os.Root, key string) error {
	fi, err := root.Lstat(key)
	if err != nil {
		return err
	}
	if !fi.Mode().IsRegular() {
		return fs.ErrNotExist
	}
	if err := root.Remove(key); err != nil {
		return err
	}
	if err := root.Remove(metadataFile(key)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
