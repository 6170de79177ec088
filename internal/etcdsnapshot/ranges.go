package etcdsnapshot

import (
	"context"
	"fmt"
	"io"

	"plan/internal/objectstore"
)

// What is read of an object in parts: in pieces of one size, of which the last few are kept, and not without end, since a directory
// of a zip file may claim any length.
const (
	piece     = 16 << 10
	pieces    = 4
	mostRead  = 4 << 20
	tailPiece = 64 << 10 // of a zip file: its directory is at the end
)

// ranges reads parts of an object by requests with a range.
type ranges struct {
	ctx   context.Context
	store objectstore.Store
	of    Snapshot

	kept [pieces]kept
	next int
	read int64
	err  error // the first of the store
}

type kept struct {
	at   int64
	data []byte
}

// ReadAt implements io.ReaderAt.
func (r *ranges) ReadAt(p []byte, at int64) (n int, err error) {
	if at < 0 {
		return 0, damage("its directory points before its beginning")
	}
	for n < len(p) {
		if at+int64(n) >= r.of.Size {
			return n, io.EOF
		}
		data, err := r.piece(at + int64(n))
		if err != nil {
			return n, err
		}
		n += copy(p[n:], data)
	}
	return n, nil
}

// piece gives what is kept or fetched from one place on, at least a byte.
func (r *ranges) piece(at int64) ([]byte, error) {
	for _, k := range r.kept {
		if at >= k.at && at < k.at+int64(len(k.data)) {
			return k.data[at-k.at:], nil
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	start, length := at-at%piece, int64(piece)
	if from := r.of.Size - tailPiece; r.of.Zip && at >= from {
		start, length = max(from, 0), tailPiece
	}
	length = min(length, r.of.Size-start)
	if r.read += length; r.read > mostRead {
		return nil, damage("its directory is larger than that of one file")
	}
	data, err := r.fetch(start, length)
	if err != nil {
		r.err = err
		return nil, err
	}
	r.kept[r.next%pieces] = kept{start, data}
	r.next++
	return data[at-start:], nil
}

func (r *ranges) fetch(start, length int64) ([]byte, error) {
	body, err := stream(r.ctx, r.store, r.of, start, length)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	data := make([]byte, length)
	if _, err := io.ReadFull(body, data); err != nil {
		return nil, fmt.Errorf("read %q: %w", r.of.Key, err)
	}
	return data, nil
}

// because gives the store's error where there was one, instead of what a reader of the bytes made of it.
func (r *ranges) because(err error) error {
	if err != nil && r.err != nil {
		return r.err
	}
	return err
}

// stream opens a part of a snapshot's bytes, as it was listed.
func stream(ctx context.Context, store objectstore.Store, s Snapshot, offset, length int64) (io.ReadCloser, error) {
	body, info, err := store.Get(ctx, s.Key, offset, length)
	if err != nil {
		return nil, err
	}
	if info.Size != s.Size {
		_ = body.Close() // of no use
		return nil, fmt.Errorf("read %q: %w: %d bytes were listed, now there are %d", s.Key, ErrChanged, s.Size, info.Size)
	}
	return body, nil
}
