package backup

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/tidwall/gjson"
)

// What is read is bounded, whoever wrote it.
const (
	maxLine  = 16 << 20 // one object; etcd refuses far smaller ones
	maxKinds = 1000
)

// kindOf names the kinds of objects in a document.
type kindOf struct{ apiVersion, kind string }

// scan reads a compressed document to its end, checks every line and that the index counts what is there, and hands each object
// to each. Every error but those of each and of in means that the document is damaged.
func scan(in io.Reader, each func(Object) error) (Index, error) {
	gz, err := gzip.NewReader(in)
	if err != nil {
		return Index{}, fmt.Errorf("decompress: %w", err)
	}
	l := &lines{in: bufio.NewReaderSize(gz, 64<<10)}
	first, err := l.next()
	if err != nil {
		return Index{}, err
	}
	if string(first) != head {
		return Index{}, errors.New("line 1 does not begin a backup")
	}
	seen := map[kindOf]int64{}
	last, err := objects(l, seen, each)
	if err != nil {
		return Index{}, err
	}
	index, err := parseTail(last)
	if err != nil {
		return Index{}, fmt.Errorf("line %d: %w", l.n, err)
	}
	switch extra, err := l.next(); {
	case err == nil:
		return Index{}, fmt.Errorf("line %d: %d bytes follow the document", l.n, len(extra))
	case !errors.Is(err, io.EOF):
		return Index{}, err
	}
	return index, index.check(seen)
}

// objects reads the lines of objects and gives the line that follows them.
func objects(l *lines, seen map[kindOf]int64, each func(Object) error) ([]byte, error) {
	comma := true // whether another object must follow; none need follow the first line
	for n := 0; ; n++ {
		line, err := l.next()
		if err != nil {
			return nil, noEOF(err)
		}
		if bytes.HasPrefix(line, []byte(tailOpen)) && (!comma || n == 0) {
			return line, nil
		}
		if !comma {
			return nil, fmt.Errorf("line %d: no comma before it", l.n)
		}
		line, comma = bytes.CutSuffix(line, []byte(","))
		if !gjson.ValidBytes(line) {
			return nil, fmt.Errorf("line %d: not JSON", l.n)
		}
		o := Object{
			APIVersion: gjson.GetBytes(line, "apiVersion").String(),
			Kind:       gjson.GetBytes(line, "kind").String(),
			Raw:        line,
		}
		if o.APIVersion == "" || o.Kind == "" {
			return nil, fmt.Errorf("line %d: an object without apiVersion or kind", l.n)
		}
		seen[kindOf{o.APIVersion, o.Kind}]++
		if len(seen) > maxKinds {
			return nil, fmt.Errorf("line %d: more than %d kinds", l.n, maxKinds)
		}
		if each == nil {
			continue
		}
		if err := each(o); err != nil {
			return nil, err
		}
	}
}

// parseTail reads the last line.
func parseTail(line []byte) (Index, error) {
	data, ok := bytes.CutSuffix(bytes.TrimPrefix(line, []byte(tailOpen)), []byte(tailEnd))
	if !ok {
		return Index{}, errors.New("the document does not end here")
	}
	var index Index
	if err := json.Unmarshal(data, &index); err != nil {
		return Index{}, fmt.Errorf("decode the index: %w", err)
	}
	if index.FormatVersion != FormatVersion {
		return Index{}, fmt.Errorf("format %d, this version reads %d", index.FormatVersion, FormatVersion)
	}
	return index, nil
}

// check compares the index with the objects that were there.
func (i Index) check(seen map[kindOf]int64) error {
	said := map[kindOf]int64{}
	var all int64
	for _, r := range i.Resources {
		all += r.Count
		if r.Count != 0 {
			said[kindOf{r.APIVersion, r.Kind}] += r.Count
		}
	}
	if !maps.Equal(said, seen) {
		return fmt.Errorf("the index counts %s, the document has %s", tally(said), tally(seen))
	}
	if all != i.Objects {
		return fmt.Errorf("the index says %d objects and counts %d", i.Objects, all)
	}
	return nil
}

func tally(counts map[kindOf]int64) string {
	var parts []string
	for k, n := range counts {
		parts = append(parts, fmt.Sprintf("%d %s", n, k.kind))
	}
	slices.Sort(parts)
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts[:min(len(parts), 20)], ", ")
}

// lines reads lines of bounded length without their ends.
type lines struct {
	in   *bufio.Reader
	long []byte
	n    int // the line last read, from 1
}

// next gives a line, valid until the next one. io.EOF comes only where a line could begin.
func (l *lines) next() ([]byte, error) {
	l.n++
	l.long = l.long[:0]
	for {
		part, err := l.in.ReadSlice('\n')
		switch {
		case err == nil && len(l.long) == 0:
			return part[:len(part)-1], nil
		case err == nil:
			l.long = append(l.long, part[:len(part)-1]...)
			return l.long, nil
		case errors.Is(err, bufio.ErrBufferFull) && len(l.long)+len(part) <= maxLine:
			l.long = append(l.long, part...)
		case errors.Is(err, bufio.ErrBufferFull):
			return nil, fmt.Errorf("line %d is longer than %d bytes", l.n, maxLine)
		case errors.Is(err, io.EOF) && len(part)+len(l.long) == 0:
			return nil, io.EOF
		default:
			return nil, fmt.Errorf("line %d: %w", l.n, noEOF(err))
		}
	}
}

// noEOF makes an end that comes too early an error.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// source is what became of reading a stored object.
type source struct {
	n   int64 // bytes read
	err error // the connection's, so that a broken connection is not taken for a damaged backup
}

// read reads in, watched by s, until ctx is done.
func (s *source) read(ctx context.Context, in io.Reader) io.Reader {
	return readFunc(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			s.err = err
			return 0, err
		}
		n, err := in.Read(p)
		s.n += int64(n)
		if err != nil && !errors.Is(err, io.EOF) {
			s.err = err
		}
		return n, err
	})
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }
