package dir

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"

	"plan/internal/objectstore"
)

// Put implements objectstore.Store: body to a temporary file, fsync, metadata,
// then the name, fsync of the folder.
func (s *Store) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, o objectstore.PutOptions) error {
	err := errors.Join(ctx.Err(), checkKey(key), objectstore.CheckMetadata(o.Metadata))
	if err == nil {
		err = objectstore.CheckSize(body, size)
	}
	if err == nil {
		err = s.put(ctx, key, body, size, o)
	}
	return s.fail("put", key, err)
}

func (s *Store) put(ctx context.Context, key string, body io.Reader, size int64, o objectstore.PutOptions) error {
	root, err := s.create()
	if err != nil {
		return err
	}
	defer root.Close()
	if o.IfAbsent { // before the work; the decision is taken under the lock
		if _, err := root.Lstat(key); err == nil {
			return exists(root, key)
		}
	}
	tmp, sum, err := spool(ctx, root, body, size)
	if err != nil {
		return err
	}
	defer root.Remove(tmp) // gone already where it was renamed
	if o.SHA256 != ([32]byte{}) && o.SHA256 != sum {
		return objectstore.ErrDamaged
	}
	unlock, err := s.acquire(ctx, root)
	if err != nil {
		return err
	}
	defer unlock()
	return commit(root, tmp, key, version{SHA256: fmt.Sprintf("%x", sum), ContentType: o.ContentType, Metadata: o.Metadata}, o.IfAbsent)
}

// create makes the root and the store's own folders where they are missing.
func (s *Store) create() (*os.Root, error) {
	root, err := s.open()
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(s.path, 0o700); err != nil {
			return nil, err
		}
		if err := syncPath(filepath.Dir(s.path)); err != nil {
			return nil, err
		}
		root, err = s.open()
	}
	if err != nil {
		return nil, err
	}
	if err := prepare(root); err != nil {
		root.Close()
		return nil, err
	}
	return root, nil
}

func prepare(root *os.Root) error {
	return errors.Join(mkdirs(root, tmpDir), mkdirs(root, keysDir))
}

// spool writes body to a new temporary file and makes it durable.
func spool(ctx context.Context, root *os.Root, body io.Reader, size int64) (string, [32]byte, error) {
	var sum [32]byte
	f, err := createTemp(root)
	if err != nil {
		return "", sum, err
	}
	hash := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, hash), untilDone{ctx.Err, body})
	if err == nil && n != size {
		err = fmt.Errorf("%w: %d bytes instead of %d", objectstore.ErrDamaged, n, size)
	}
	if err == nil {
		err = f.Sync()
	}
	name := tmpDir + "/" + filepath.Base(f.Name())
	if err = errors.Join(err, f.Close()); err != nil {
		return "", sum, errors.Join(err, root.Remove(name))
	}
	copy(sum[:], hash.Sum(nil))
	return name, sum, nil
}

// commit gives the temporary file its name; the caller holds the lock.
func commit(root *os.Root, tmp, key string, v version, ifAbsent bool) error {
	if err := mkdirs(root, path.Dir(key)); err != nil {
		return err
	}
	var versions []version
	switch fi, err := root.Lstat(key); {
	case err == nil && fi.IsDir():
		return exists(root, key)
	case err == nil && ifAbsent:
		return fs.ErrExist
	case err == nil:
		if versions, err = readVersions(root, key); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := writeVersions(root, key, append(versions, v)); err != nil {
		return err
	}
	if err := name(root, tmp, key, ifAbsent); err != nil {
		return err
	}
	if err := syncDir(root, path.Dir(key)); err != nil {
		return err
	}
	if len(versions) == 0 {
		return nil
	}
	return writeVersions(root, key, []version{v})
}

// exists is why a key that is taken cannot be written.
func exists(root *os.Root, key string) error {
	if fi, err := root.Lstat(key); err == nil && fi.IsDir() {
		return fmt.Errorf("%w: there is a folder of that name", objectstore.ErrInvalid)
	}
	return fs.ErrExist
}

// name links where nothing may be overwritten, even by a program that does not
// know the lock. A file system without links has the lock alone.
func name(root *os.Root, tmp, key string, ifAbsent bool) error {
	if ifAbsent {
		err := root.Link(tmp, key)
		if !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, syscall.EPERM) {
			return err
		}
	}
	return root.Rename(tmp, key)
}
