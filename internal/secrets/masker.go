package secrets

import (
	"io"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
)

// Mask stands in a text for a value that was there.
const Mask = "***"

// minMasked is the shortest value that is looked for, in bytes. A shorter one occurs everywhere by chance: hiding "1" would make
// every number unreadable and show by its gaps what the value is.
const minMasked = 4

// Masker replaces values in texts. The zero Masker knows none. It may be used by several goroutines, and values may be added
// while it is in use: what is written afterwards is masked.
type Masker struct {
	mu       sync.Mutex
	patterns []string // sorted, no two equal
	table    atomic.Pointer[table]
}

// NewMasker makes a masker of values.
func NewMasker(values ...string) *Masker {
	m := new(Masker)
	m.Add(values...)
	return m
}

// Add makes the masker hide these values too: as they are, trimmed, line by line, and in base64, hex, URL, JSON and Go quoting.
// Values shorter than 4 bytes are not hidden.
func (m *Masker) Add(values ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := len(m.patterns)
	for _, value := range values {
		m.patterns = append(m.patterns, forms(value)...)
	}
	if len(m.patterns) == n {
		return
	}
	slices.Sort(m.patterns)
	m.patterns = slices.Compact(m.patterns)
	m.table.Store(newTable(slices.Clone(m.patterns)))
}

// Mask gives text with every occurrence of a value replaced by Mask. Occurrences that overlap become one.
func (m *Masker) Mask(text string) string {
	t := m.table.Load()
	if t == nil || !t.anyIn(text) {
		return text
	}
	out, _ := t.mask(nil, []byte(text), 0, len(text))
	return string(out)
}

// Writer masks what is written to it and hands the rest to w at once, except for an end that may be the beginning of a value:
// that is held back, at most as long as the longest value, until the next write shows what it is. Flush when done.
func (m *Masker) Writer(w io.Writer) *Writer { return &Writer{m: m, w: w} }

// Writer is made by Masker.Writer. Several goroutines may use it.
type Writer struct {
	m       *Masker
	w       io.Writer
	mu      sync.Mutex
	held    []byte
	covered int // so many bytes at the start of held belong to a value whose mask was written already
}

// Write takes all of p, or fails with the error of the writer below.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held = append(w.held, p...)
	if err := w.release(false); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Flush writes what is held back, masked. A value of which only a part was written by then is not recognized.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.release(true)
}

func (w *Writer) release(all bool) error {
	upto := len(w.held)
	t := w.m.table.Load()
	if t == nil {
		t = newTable(nil)
	}
	if !all {
		upto = t.safe(w.held)
	}
	out, covered := t.mask(nil, w.held, w.covered, upto)
	w.held, w.covered = append(w.held[:0], w.held[upto:]...), covered
	if len(out) == 0 {
		return nil
	}
	_, err := w.w.Write(out)
	return err
}

// table finds patterns in a text. Almost every position of a text is dismissed by looking at two bytes.
type table struct {
	sorted []string
	first  [256]bool            // first byte of some pattern
	pair   [1 << 16 / 64]uint64 // bit set: first two bytes of some pattern
	byHead map[[minMasked]byte][]string
	max    int
}

// newTable takes sorted patterns, none shorter than minMasked.
func newTable(sorted []string) *table {
	t := &table{sorted: sorted, byHead: make(map[[minMasked]byte][]string)}
	for _, p := range sorted {
		t.first[p[0]] = true
		i := int(p[0])<<8 | int(p[1])
		t.pair[i/64] |= 1 << (i % 64)
		head := [minMasked]byte([]byte(p[:minMasked]))
		t.byHead[head] = append(t.byHead[head], p)
		t.max = max(t.max, len(p))
	}
	for _, list := range t.byHead {
		slices.SortFunc(list, func(a, b string) int { return len(b) - len(a) })
	}
	return t
}

func (t *table) maybe(a, b byte) bool {
	i := int(a)<<8 | int(b)
	return t.pair[i/64]&(1<<(i%64)) != 0
}

// at is the length of the longest pattern that text starts with, or 0.
func (t *table) at(text []byte) int {
	if len(text) < minMasked || !t.maybe(text[0], text[1]) {
		return 0
	}
	for _, p := range t.byHead[[minMasked]byte(text)] {
		if len(p) <= len(text) && string(text[:len(p)]) == p {
			return len(p)
		}
	}
	return 0
}

func (t *table) anyIn(text string) bool {
	for i := 0; i+minMasked <= len(text); i++ {
		if !t.maybe(text[i], text[i+1]) {
			continue
		}
		for _, p := range t.byHead[[minMasked]byte([]byte(text[i:i+minMasked]))] {
			if strings.HasPrefix(text[i:], p) {
				return true
			}
		}
	}
	return false
}

// mask appends text[:upto] to dst. The first covered bytes of text are part of a value whose mask is written already; the result
// says the same of text[upto:].
func (t *table) mask(dst, text []byte, covered, upto int) (out []byte, left int) {
	end := covered // the values found so far reach to here
	for i := range upto {
		if n := t.at(text[i:]); n > 0 {
			if i >= end {
				dst = append(dst, Mask...)
			}
			end = max(end, i+n)
		}
		if i >= end {
			dst = append(dst, text[i])
		}
	}
	return dst, max(0, end-upto)
}

// safe is the length of the part of text that no later byte can change: behind it, text is the beginning of a pattern.
func (t *table) safe(text []byte) int {
	for i := max(0, len(text)-t.max+1); i < len(text); i++ {
		if t.begins(text[i:]) {
			return i
		}
	}
	return len(text)
}

// begins says whether tail is the beginning of a pattern that is longer.
func (t *table) begins(tail []byte) bool {
	if len(tail) > 1 && !t.maybe(tail[0], tail[1]) || !t.first[tail[0]] {
		return false
	}
	next := sort.Search(len(t.sorted), func(i int) bool { return t.sorted[i] > string(tail) })
	return next < len(t.sorted) && strings.HasPrefix(t.sorted[next], string(tail))
}
