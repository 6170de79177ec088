package podlogs

import (
	"bufio"
	"bytes"
	"errors"
	"hash/maphash"
	"io"
	"time"
)

// MaxLine is how many bytes of a line are handed out.
const MaxLine = 64 << 10

// maxStamp is more than a timestamp has.
const maxStamp = 64

// line is one of a stream with timestamps.
type line struct {
	mark
	text  []byte // until the next line is read
	cut   int    // so many bytes at its end are left out
	timed bool   // it has a timestamp; without one the whole line is text
	ended bool   // by a newline, not by the end of the stream
}

// clone is a line that stays when the next is read.
func (l line) clone() line {
	l.text = bytes.Clone(l.text)
	return l
}

// splitter cuts a stream into lines. It needs as much memory as one line that is handed out.
type splitter struct {
	r    *bufio.Reader
	long []byte // a line that does not fit in the reader's buffer
}

func newSplitter(r io.Reader) *splitter { return &splitter{r: bufio.NewReaderSize(r, 16<<10)} }

// next is the next line. What stands after the last newline comes as a line that has not ended, if the stream ends in good order; then the
// error is io.EOF. After any other error the beginning of a line is lost.
func (s *splitter) next() (line, error) {
	s.long = s.long[:0]
	total := 0
	for {
		part, err := s.r.ReadSlice('\n')
		total += len(part)
		ended := err == nil
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case err != nil && (err != io.EOF || total == 0):
			return line{}, err
		case len(s.long) == 0:
			return parse(part, total, ended), nil
		}
		s.long = append(s.long, part[:min(len(part), MaxLine+maxStamp-len(s.long))]...)
		if ended || err == io.EOF {
			return parse(s.long, total, ended), nil
		}
	}
}

// parse takes a line apart. total is how many bytes it has, raw as many of them as were kept.
func parse(raw []byte, total int, ended bool) line {
	l := line{ended: ended}
	if ended {
		total--
		raw = raw[:min(len(raw), total)]
	}
	if end := bytes.IndexByte(raw[:min(len(raw), maxStamp)], ' '); end >= 0 {
		var at time.Time
		if l.timed = at.UnmarshalText(raw[:end]) == nil; l.timed {
			l.second, l.nano = at.Unix(), at.Nanosecond()
			raw, total = raw[end+1:], total-end-1
		}
	}
	l.text = raw[:min(len(raw), MaxLine)]
	l.cut = total - len(l.text)
	l.sum = maphash.Bytes(seed, l.text) + uint64(l.cut)
	return l
}
