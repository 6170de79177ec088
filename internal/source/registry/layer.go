package registry

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"runtime"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/pgzip"
)

const (
	workspace = "workspace" // below the root
	blockSize = 1 << 20     // bytes compressed at once; another size makes another digest of the same files
	bufSize   = 1 << 16
)

// layer is a compressed layer in a temporary file that has no name any more. It implements v1.Layer.
type layer struct {
	file           *os.File
	size           int64
	digest, diffID v1.Hash
	media          types.MediaType
}

// newLayer makes a layer of an archive: its files below workspace/, owned by uid and gid, and in the same bytes whenever the
// archive is the same. It needs as much disk as the layer has bytes, and a few MiB of memory. Close it.
func newLayer(ctx context.Context, archive func() (io.ReadCloser, error), uid, gid int) (*layer, error) {
	file, err := os.CreateTemp("", "plan-layer-*")
	if err != nil {
		return nil, fmt.Errorf("make a file for the layer: %w", err)
	}
	l := &layer{file: file}
	if err = os.Remove(file.Name()); err == nil { // so that nothing is left, whatever happens
		err = l.fill(ctx, archive, uid, gid)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return l, nil
}

func (l *layer) fill(ctx context.Context, archive func() (io.ReadCloser, error), uid, gid int) error {
	in, err := archive()
	if err != nil {
		return err
	}
	defer in.Close()
	plain, err := pgzip.NewReader(untilDone{ctx.Err, in})
	if err != nil {
		return fmt.Errorf("read the archive: %w", err)
	}
	defer plain.Close()

	packed, unpacked := &counter{w: l.file, hash: sha256.New()}, sha256.New()
	zip, err := pgzip.NewWriterLevel(packed, pgzip.DefaultCompression)
	if err == nil {
		err = zip.SetConcurrency(blockSize, min(4, runtime.GOMAXPROCS(0)))
	}
	if err != nil {
		return fmt.Errorf("compress the layer: %w", err)
	}
	out := bufio.NewWriterSize(io.MultiWriter(zip, unpacked), bufSize)
	t := &tree{in: tar.NewReader(plain), out: tar.NewWriter(out), uid: uid, gid: gid, kinds: map[string]byte{}}
	err = t.copy()
	if err == nil {
		_, err = io.Copy(io.Discard, plain) // checks the sum of the last block
	}
	if err == nil {
		err = errors.Join(t.out.Close(), out.Flush())
	}
	if err = errors.Join(err, zip.Close()); err != nil { // always, or its goroutines stay
		return fmt.Errorf("make a layer of the archive: %w", err)
	}
	l.size, l.digest, l.diffID = packed.n, sum(packed.hash), sum(unpacked)
	return nil
}

func sum(h hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.Sum(nil))}
}

// as is the layer under the name that a family of manifests has for it.
func (l *layer) as(manifest types.MediaType) *layer {
	same := *l
	same.media = types.OCILayer
	if manifest == types.DockerManifestSchema2 {
		same.media = types.DockerLayer
	}
	return &same
}

// Close frees the file.
func (l *layer) Close() error { return l.file.Close() }

// Digest implements v1.Layer.
func (l *layer) Digest() (v1.Hash, error) { return l.digest, nil }

// DiffID implements v1.Layer.
func (l *layer) DiffID() (v1.Hash, error) { return l.diffID, nil }

// Size implements v1.Layer.
func (l *layer) Size() (int64, error) { return l.size, nil }

// MediaType implements v1.Layer.
func (l *layer) MediaType() (types.MediaType, error) { return l.media, nil }

// Compressed implements v1.Layer.
func (l *layer) Compressed() (io.ReadCloser, error) {
	return io.NopCloser(io.NewSectionReader(l.file, 0, l.size)), nil
}

// Uncompressed implements v1.Layer.
func (l *layer) Uncompressed() (io.ReadCloser, error) {
	return pgzip.NewReader(io.NewSectionReader(l.file, 0, l.size))
}

// counter counts and sums what it passes on.
type counter struct {
	w    io.Writer
	hash hash.Hash
	n    int64
}

// Write implements io.Writer.
func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	c.hash.Write(p[:n])
	return n, err
}

// untilDone fails with ctx.
type untilDone struct {
	alive func() error
	r     io.Reader
}

// Read implements io.Reader.
func (u untilDone) Read(p []byte) (int, error) {
	if err := u.alive(); err != nil {
		return 0, err
	}
	return u.r.Read(p)
}

// epoch is the time of what the archive says nothing about.
func epoch() time.Time { return time.Unix(0, 0) }
