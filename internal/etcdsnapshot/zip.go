package etcdsnapshot

import (
	"archive/zip"
	"bytes"
	"cmp"
	"errors"
	"io"
	"strings"

	"github.com/klauspost/compress/flate"
)

// member is the one file in a zipped snapshot.
type member struct {
	offset     int64 // of its compressed bytes
	compressed int64
	size       int64
	crc        uint32
	stored     bool // not compressed
}

// openZip reads the directory of a zip file, and the meta pages at the beginning of the one file that must be in it. k3s names that file
// as the snapshot without .zip (pkg/etcd, compressSnapshot). A database of more than most bytes is refused before any of it is unpacked,
// unless most is 0.
func openZip(r io.ReaderAt, s Snapshot, most int64) (member, error) {
	archive, err := zip.NewReader(r, s.Size)
	if err != nil {
		return member{}, notZip(err)
	}
	want := strings.TrimSuffix(s.Name, ".zip")
	switch {
	case len(archive.File) != 1:
		return member{}, damage("the zip file holds %d files, not one", len(archive.File))
	case archive.File[0].Name != want:
		return member{}, damage("the zip file holds %q, not %q", archive.File[0].Name, want)
	}
	f := archive.File[0]
	offset, err := f.DataOffset()
	if err != nil {
		return member{}, notZip(err)
	}
	m := member{offset: offset, compressed: int64(f.CompressedSize64), size: int64(f.UncompressedSize64), crc: f.CRC32, stored: f.Method == zip.Store}
	switch {
	case f.Method != zip.Store && f.Method != zip.Deflate, f.Flags&1 != 0:
		return member{}, damage("the file in it is packed or encrypted in a way that k3s does not use")
	case m.compressed < 0 || m.size < 0 || m.compressed > s.Size-offset:
		return member{}, damage("the zip file's directory points outside the file")
	case m.stored && m.compressed != m.size:
		return member{}, damage("the zip file's directory contradicts itself")
	}
	if err := cmp.Or(soundSize(m.size), notOver(m.size, most)); err != nil {
		return member{}, err
	}
	head := &front{from: m.unpack(io.NewSectionReader(r, offset, m.compressed))}
	_, err = readLayout(head, m.size)
	return m, err
}

// notZip tells what the library for zip files makes of bytes that are none.
func notZip(err error) error {
	if errors.Is(err, ErrDamaged) || !errors.Is(err, zip.ErrFormat) && !errors.Is(err, zip.ErrAlgorithm) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	return damage("the zip file's directory cannot be read: %v", err)
}

// unpack reads the file's bytes out of its compressed ones.
func (m member) unpack(r io.Reader) io.Reader {
	if m.stored {
		return r
	}
	return flate.NewReader(r)
}

// front is the beginning of a stream, as far as it was asked for: at most two pages.
type front struct {
	from io.Reader
	seen bytes.Buffer
}

// ReadAt implements io.ReaderAt.
func (f *front) ReadAt(p []byte, at int64) (int, error) {
	want := at + int64(len(p))
	if missing := want - int64(f.seen.Len()); missing > 0 {
		if _, err := io.CopyN(&f.seen, f.from, missing); err != nil {
			return 0, unpacked(err)
		}
	}
	return copy(p, f.seen.Bytes()[at:want]), nil
}

// unpacked tells what an error of a decompressor means: bytes that end or make no sense are damage.
func unpacked(err error) error {
	var corrupt flate.CorruptInputError
	if errors.As(err, &corrupt) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return damage("the compressed bytes do not make up the file: %v", err)
	}
	return err
}
