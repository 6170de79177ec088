package etcdsnapshot

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"hash/crc32"
	"io"

	"plan/internal/objectstore"
)

// Checksum reads a whole snapshot and compares the SHA-256 that etcd appended with that of all before it; a zipped one is unpacked on the
// way, and its CRC-32 compared too. Structure comes first, being cheap. Memory does not depend on the size. Errors are those of Structure.
func Checksum(ctx context.Context, store objectstore.Store, s Snapshot, progress Progress) error {
	return read(ctx, store, s, 0, progress, io.Discard)
}

// read streams the database, without its trailer, to w and checks everything on the way. What was written counts only when it gives nil. A
// database of more than most bytes is ErrTooLarge, unless most is 0; nothing of it is read.
func read(ctx context.Context, store objectstore.Store, s Snapshot, most int64, progress Progress, w io.Writer) error {
	r := &ranges{ctx: ctx, store: store, of: s}
	m := member{compressed: s.Size, size: s.Size, stored: true}
	var err error
	if s.Zip {
		m, err = openZip(r, s, most)
	} else if err = notOver(s.Size, most); err == nil {
		_, err = readLayout(r, s.Size)
	}
	if err != nil {
		return r.because(err)
	}
	body, err := stream(ctx, store, s, m.offset, m.compressed)
	if err != nil {
		return err
	}
	defer body.Close()
	counted := &counter{from: body, total: m.compressed, what: "reading " + s.Name, progress: progress}
	sum := &trailer{sum: sha256.New(), to: w}
	crc := crc32.NewIEEE()
	out := io.Writer(sum)
	if s.Zip {
		out = io.MultiWriter(sum, crc)
	}
	n, err := pump(out, io.LimitReader(m.unpack(counted), m.size+1))
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case counted.err != nil:
		return fmt.Errorf("read %q: %w", s.Key, counted.err)
	case err != nil && s.Zip:
		return unpacked(err)
	case err != nil:
		return err
	case n != m.size && s.Zip:
		return damage("the zip file says %d bytes, and unpacks to %d or more", m.size, n)
	case n != m.size:
		return fmt.Errorf("read %q: %w: %d of %d bytes came", s.Key, io.ErrUnexpectedEOF, n, m.size)
	case s.Zip && crc.Sum32() != m.crc:
		return damage("the unpacked bytes do not have the CRC-32 that the zip file says")
	}
	return sum.check()
}

// trailer hashes what is written but for the last 32 bytes, which it keeps, and passes on the same.
type trailer struct {
	sum  hash.Hash
	to   io.Writer
	last []byte // at most trailerLen
}

// Write implements io.Writer.
func (t *trailer) Write(p []byte) (int, error) {
	n := len(p)
	if len(p) < trailerLen { // rare: the stream comes in large pieces
		p = append(t.last, p...)
		t.last = nil
	}
	keep := min(len(p), trailerLen)
	for _, part := range [][]byte{t.last, p[:len(p)-keep]} {
		t.sum.Write(part)
		if _, err := t.to.Write(part); err != nil {
			return 0, err
		}
	}
	t.last = append([]byte(nil), p[len(p)-keep:]...)
	return n, nil
}

func (t *trailer) check() error {
	if sum := t.sum.Sum(nil); string(sum) != string(t.last) {
		return damage("its bytes do not have the SHA-256 that etcd wrote behind them")
	}
	return nil
}

// counter counts what is read, and keeps an error of the source apart from those of a decompressor.
type counter struct {
	from        io.Reader
	done, total int64
	told        int64
	what        string
	progress    Progress
	err         error
}

// Read implements io.Reader.
func (c *counter) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.done += int64(n)
	if err != nil && err != io.EOF {
		c.err = err
	}
	const step = 8 << 20
	if c.done-c.told >= step {
		c.told = c.done
		c.progress.tell(c.what, c.done, c.total, "bytes")
	}
	return n, err
}

// filled is a piece of a stream, and the error that ended it.
type filled struct {
	data []byte
	err  error
}

// pump copies, reading the next piece while the last one is being written: hashing takes as long as what brings the bytes. A stream that
// ends, however, is no error.
func pump(w io.Writer, r io.Reader) (total int64, err error) {
	const size, count = 256 << 10, 3
	free, full, stop := make(chan []byte, count), make(chan filled), make(chan struct{})
	for range count {
		free <- make([]byte, size)
	}
	go fillAll(r, free, full, stop)
	for f := range full {
		if _, err = w.Write(f.data); err != nil {
			break
		}
		total += int64(len(f.data))
		if f.err == nil {
			free <- f.data[:size]
		} else if f.err != io.EOF && f.err != io.ErrUnexpectedEOF {
			err = f.err
		}
	}
	close(stop)
	for range full { // until the reader has stopped
	}
	return total, err
}

// fillAll reads pieces until the stream ends or nobody wants them any more.
func fillAll(r io.Reader, free <-chan []byte, full chan<- filled, stop <-chan struct{}) {
	defer close(full)
	for {
		var b []byte
		select {
		case b = <-free:
		case <-stop:
			return
		}
		n, err := io.ReadFull(r, b)
		select {
		case full <- filled{b[:n], err}:
		case <-stop:
			return
		}
		if err != nil {
			return
		}
	}
}
