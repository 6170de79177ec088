package etcdsnapshot

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
)

// A database is walked before bbolt opens it: bbolt maps the file into memory and trusts it, so that a page that points elsewhere would
// end the program. After the walk every page that can be reached lies in the file, is of the kind that it should be, is reached once,
// and its keys are in order.
const (
	mostDepth = 64       // of the tree; one of a terabyte has fewer than ten levels
	mostPage  = 64 << 20 // bytes of one page with its overflow; etcd takes no value beyond a few megabytes
	element   = 16       // bytes of an element of a page, without key and value
)

// walker goes through a database.
type walker struct {
	ctx  context.Context
	r    io.ReaderAt
	l    layout
	seen []uint64 // a bit for each page
}

// walk checks the database that r holds, of that layout. The error is ErrDamaged, one of r, or ctx's.
func walk(ctx context.Context, r io.ReaderAt, l layout) error {
	w := &walker{ctx: ctx, r: r, l: l, seen: make([]uint64, l.pages/64+1)}
	w.mark(0, 1)
	w.mark(1, 1)
	if l.freelist != noFreelist {
		if err := w.free(); err != nil {
			return err
		}
	}
	return w.tree(l.root, nil, nil, 0)
}

// mark takes pages as reached; false if one was already.
func (w *walker) mark(id, n uint64) bool {
	for ; n > 0; id, n = id+1, n-1 {
		if w.seen[id/64]&(1<<(id%64)) != 0 {
			return false
		}
		w.seen[id/64] |= 1 << (id % 64)
	}
	return true
}

// page reads a page with its overflow, once.
func (w *walker) page(id uint64) ([]byte, error) {
	if id < 2 || id >= w.l.pages {
		return nil, damage("page %d does not exist", id)
	}
	if err := w.ctx.Err(); err != nil {
		return nil, err
	}
	header := make([]byte, pageHeader)
	if err := readFull(w.r, header, int64(id)*w.l.pageSize); err != nil {
		return nil, err
	}
	n := uint64(binary.LittleEndian.Uint32(header[12:])) + 1
	switch {
	case binary.LittleEndian.Uint64(header) != id:
		return nil, damage("page %d says that it is another", id)
	case n > w.l.pages-id, n > mostPage/uint64(w.l.pageSize):
		return nil, damage("page %d is longer than a page can be", id)
	case !w.mark(id, n):
		return nil, damage("page %d is used twice", id)
	}
	b := make([]byte, n*uint64(w.l.pageSize))
	return b, readFull(w.r, b, int64(id)*w.l.pageSize)
}

// free checks the list of free pages: in order, each once, all in the file.
func (w *walker) free() error {
	b, err := w.page(w.l.freelist)
	if err != nil {
		return err
	}
	count, at := uint64(binary.LittleEndian.Uint16(b[10:])), uint64(pageHeader)
	if count == 0xFFFF { // then the first entry is the count
		count, at = binary.LittleEndian.Uint64(b[pageHeader:]), pageHeader+8
	}
	if binary.LittleEndian.Uint16(b[8:]) != flagFreelist || count > (uint64(len(b))-at)/8 {
		return damage("page %d is no list of free pages", w.l.freelist)
	}
	last := uint64(1)
	for ; count > 0; count, at = count-1, at+8 {
		id := binary.LittleEndian.Uint64(b[at:])
		if id <= last || id >= w.l.pages || !w.mark(id, 1) {
			return damage("the list of free pages has page %d", id)
		}
		last = id
	}
	return nil
}

// tree checks the pages of a bucket from one on. Its keys are from low on and below high; nil is no bound.
func (w *walker) tree(id uint64, low, high []byte, depth int) error {
	if depth > mostDepth {
		return damage("the tree is deeper than %d pages", mostDepth)
	}
	b, err := w.page(id)
	if err != nil {
		return err
	}
	switch binary.LittleEndian.Uint16(b[8:]) {
	case flagLeaf:
		return w.leaf(id, b, low, high, depth)
	case flagBranch:
		return w.branch(id, b, low, high, depth)
	}
	return damage("page %d is neither branch nor leaf", id)
}

func (w *walker) branch(id uint64, b, low, high []byte, depth int) error {
	count := int(binary.LittleEndian.Uint16(b[10:]))
	if count == 0 {
		return damage("branch page %d is empty", id)
	}
	var keys [][]byte
	for i := range count {
		key, _, err := cut(id, b, i, count, false)
		if err != nil {
			return err
		}
		keys = append(keys, key)
	}
	for i, key := range keys {
		if err := inOrder(id, i, key, low, high); err != nil {
			return err
		}
		low = key
		next := high
		if i+1 < count {
			next = keys[i+1]
		}
		if err := w.tree(binary.LittleEndian.Uint64(b[pageHeader+i*element+8:]), key, next, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) leaf(id uint64, b, low, high []byte, depth int) error {
	count := int(binary.LittleEndian.Uint16(b[10:]))
	for i := range count {
		key, value, err := cut(id, b, i, count, true)
		if err != nil {
			return err
		}
		if err := inOrder(id, i, key, low, high); err != nil {
			return err
		}
		low = key
		switch binary.LittleEndian.Uint32(b[pageHeader+i*element:]) {
		case 0:
		case 1:
			if err := w.bucket(id, value, depth); err != nil {
				return err
			}
		default:
			return damage("page %d holds what is neither value nor bucket", id)
		}
	}
	return nil
}

// bucket checks a bucket in a leaf: its root is a page, or it follows inline.
func (w *walker) bucket(id uint64, value []byte, depth int) error {
	const header = 16 // root u64, sequence u64
	if len(value) < header {
		return damage("page %d holds half a bucket", id)
	}
	if root := binary.LittleEndian.Uint64(value); root != 0 {
		return w.tree(root, nil, nil, depth+1)
	}
	inline := value[header:]
	if len(inline) < pageHeader || binary.LittleEndian.Uint64(inline) != 0 || binary.LittleEndian.Uint16(inline[8:]) != flagLeaf || depth >= mostDepth {
		return damage("page %d holds a bucket that is none", id)
	}
	return w.leaf(id, inline, nil, nil, depth+1)
}

// cut gives key and value of an element of a page, which must lie in it.
func cut(id uint64, b []byte, i, count int, leaf bool) (key, value []byte, err error) {
	u32 := func(at int) uint64 { return uint64(binary.LittleEndian.Uint32(b[at:])) }
	at := pageHeader + i*element
	if pageHeader+count*element > len(b) {
		return nil, nil, damage("page %d has more elements than fit", id)
	}
	position, size, more := u32(at), u32(at+4), uint64(0)
	if leaf {
		position, size, more = u32(at+4), u32(at+8), u32(at+12)
	}
	start := uint64(at) + position
	if start < uint64(pageHeader+count*element) && size+more > 0 || start+size+more > uint64(len(b)) {
		return nil, nil, damage("an element of page %d reaches out of it", id)
	}
	return b[start : start+size], b[start+size : start+size+more], nil
}

// inOrder compares a key with the one before, or with the lower bound for the first, and with the upper bound.
func inOrder(id uint64, i int, key, low, high []byte) error {
	c := bytes.Compare(low, key)
	if low != nil && (c > 0 || c == 0 && i > 0) || high != nil && bytes.Compare(key, high) >= 0 {
		return damage("the keys of page %d are out of order", id)
	}
	return nil
}
