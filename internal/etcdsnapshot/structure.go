package etcdsnapshot

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"io"

	"plan/internal/objectstore"
)

// The file format of bbolt (go.etcd.io/bbolt, internal/common/page.go and meta.go), in the byte order of every machine that k3s runs on. A page begins with
// id u64, flags u16, count u16, overflow u32. The first two pages are meta pages, behind that header: magic u32, version u32, page size
// u32, flags u32, root bucket u64, sequence u64, freelist u64, high water mark u64, transaction u64, and FNV-1a of all that.
const (
	pageHeader  = 16
	metaLen     = 64
	metaSummed  = 56
	boltMagic   = 0xED0CDAED
	boltVersion = 2

	flagBranch   = 0x01
	flagLeaf     = 0x02
	flagMeta     = 0x04
	flagFreelist = 0x10

	noFreelist = ^uint64(0) // etcd does not keep one

	minPage = 1 << 10
	maxPage = 1 << 16
)

// trailerLen is the SHA-256 that etcd appends to a snapshot. The database before it is in pages, so that a size that is not 32 more than
// a multiple of 512 has no such trailer: etcd's own rule (etcdutl, snapshot/v3_snapshot.go, hasChecksum).
const trailerLen = 32

// layout is what the meta pages say of the database.
type layout struct {
	pageSize int64
	pages    uint64 // the high water mark
	root     uint64
	freelist uint64
}

// SoundSize is what a listing alone tells: whether a snapshot of that size can be whole. A zipped one says nothing by its size.
func SoundSize(s Snapshot) error {
	if s.Zip {
		return nil
	}
	return soundSize(s.Size)
}

func soundSize(size int64) error {
	if size%512 != trailerLen || size < 2*minPage+trailerLen {
		return damage("%d bytes are no etcd snapshot: one is a multiple of 512 and 32 bytes more", size)
	}
	return nil
}

// Structure looks at a few kilobytes of a snapshot: both meta pages, and whether the size is what they say. A zipped one is looked at
// through its directory. It finds whatever is cut off or added, and damage to the meta pages; it does not see damage behind them. The
// error is ErrDamaged, ErrChanged, or one of the store.
func Structure(ctx context.Context, store objectstore.Store, s Snapshot) error {
	r := &ranges{ctx: ctx, store: store, of: s}
	if s.Zip {
		_, err := openZip(r, s, 0)
		return r.because(err)
	}
	_, err := readLayout(r, s.Size)
	return r.because(err)
}

// readLayout reads both meta pages of a database with its trailer, size bytes in all, and wants them to agree with each other and with
// the size.
func readLayout(r io.ReaderAt, size int64) (layout, error) {
	if err := soundSize(size); err != nil {
		return layout{}, err
	}
	first := make([]byte, pageHeader+metaLen)
	if err := readFull(r, first, 0); err != nil {
		return layout{}, err
	}
	zero, err := readMeta(first, 0)
	if err != nil {
		return layout{}, err
	}
	if size < 2*zero.pageSize+trailerLen {
		return layout{}, damage("%d bytes are less than two pages of %d", size, zero.pageSize)
	}
	second := make([]byte, pageHeader+metaLen)
	if err := readFull(r, second, zero.pageSize); err != nil {
		return layout{}, err
	}
	one, err := readMeta(second, 1)
	if err != nil {
		return layout{}, err
	}
	switch {
	case zero != one:
		return layout{}, damage("the two meta pages contradict each other")
	case zero.pages > uint64(size) || int64(zero.pages)*zero.pageSize != size-trailerLen:
		return layout{}, damage("%d bytes, where %d pages of %d bytes and 32 bytes should be", size, zero.pages, zero.pageSize)
	case zero.root < 2 || zero.root >= zero.pages, zero.freelist != noFreelist && (zero.freelist < 2 || zero.freelist >= zero.pages):
		return layout{}, damage("the meta pages point outside the database")
	}
	return zero, nil
}

// readMeta reads the meta page with that number. A snapshot has two of the same content, the second one transaction behind the first
// (bbolt, Tx.WriteTo), where the header has neither count nor overflow.
func readMeta(b []byte, number uint64) (layout, error) {
	u32, u64 := binary.LittleEndian.Uint32, binary.LittleEndian.Uint64
	meta := b[pageHeader:]
	sum := fnv.New64a()
	_, _ = sum.Write(meta[:metaSummed]) // never fails
	switch {
	case u32(meta) != boltMagic:
		return layout{}, damage("meta page %d does not begin as one of a bbolt database", number)
	case u32(meta[4:]) != boltVersion:
		return layout{}, damage("meta page %d is of format %d, not %d", number, u32(meta[4:]), boltVersion)
	case u64(meta[metaSummed:]) != sum.Sum64():
		return layout{}, damage("meta page %d does not have the checksum that it says", number)
	case u64(b) != number || binary.LittleEndian.Uint16(b[8:]) != flagMeta || binary.LittleEndian.Uint16(b[10:]) != 0 || u32(b[12:]) != 0:
		return layout{}, damage("the header of meta page %d is not one", number)
	}
	l := layout{pageSize: int64(u32(meta[8:])), root: u64(meta[16:]), freelist: u64(meta[32:]), pages: u64(meta[40:])}
	if l.pageSize < minPage || l.pageSize > maxPage || l.pageSize&(l.pageSize-1) != 0 {
		return layout{}, damage("meta page %d says pages of %d bytes", number, l.pageSize)
	}
	return l, nil
}

// readFull reads all of b. What ends before is damage: the size said that it is there.
func readFull(r io.ReaderAt, b []byte, at int64) error {
	n, err := r.ReadAt(b, at)
	switch {
	case n == len(b):
		return nil
	case err == nil, errors.Is(err, io.EOF):
		return damage("it ends at byte %d", at+int64(n))
	}
	return err
}
