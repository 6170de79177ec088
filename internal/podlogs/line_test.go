package podlogs

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func TestTimestampsAreTakenOff(t *testing.T) {
	for name, tc := range map[string]struct {
		in, text string
		at       string // empty: there is no timestamp
	}{
		"a line":                       {"2026-03-02T02:00:00.123456789Z one two", "one two", "2026-03-02T02:00:00.123456789Z"},
		"an empty line":                {"2026-03-02T02:00:00.000000001Z ", "", "2026-03-02T02:00:00.000000001Z"},
		"blanks stay":                  {"2026-03-02T02:00:00.000000001Z  a ", " a ", "2026-03-02T02:00:00.000000001Z"},
		"a node has its own zone":      {"2026-03-02T03:00:00.5+01:00 one", "one", "2026-03-02T02:00:00.5Z"},
		"no fraction":                  {"2026-03-02T02:00:00Z one", "one", "2026-03-02T02:00:00Z"},
		"a second timestamp is text":   {"2026-03-02T02:00:00Z 2026-03-02T02:00:01Z one", "2026-03-02T02:00:01Z one", "2026-03-02T02:00:00Z"},
		"a message of the kubelet":     {"unable to retrieve container logs", "unable to retrieve container logs", ""},
		"half a timestamp":             {"2026-03-02T02:00:00.12", "2026-03-02T02:00:00.12", ""},
		"a day that there is not":      {"2026-02-30T02:00:00Z one", "2026-02-30T02:00:00Z one", ""},
		"a timestamp is never so long": {strings.Repeat("2", 100) + " one", strings.Repeat("2", 100) + " one", ""},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := newSplitter(strings.NewReader(tc.in + "\n")).next()
			if err != nil || string(l.text) != tc.text || l.timed != (tc.at != "") || !l.ended {
				t.Fatalf("%+v %q, %v", l, l.text, err)
			}
			if l.timed && l.time().Format(time.RFC3339Nano) != tc.at {
				t.Errorf("at %s, want %s", l.time(), tc.at)
			}
		})
	}
}

func TestAStreamThatBreaksGivesNoHalfLine(t *testing.T) {
	in := io.MultiReader(strings.NewReader("2026-03-02T02:00:00Z one\n2026-03-02T02:00:01Z tw"), iotest.ErrReader(io.ErrUnexpectedEOF))
	s := newSplitter(in)
	if l, err := s.next(); err != nil || string(l.text) != "one" {
		t.Fatalf("%q, %v", l.text, err)
	}
	if l, err := s.next(); !errors.Is(err, io.ErrUnexpectedEOF) || l.text != nil {
		t.Errorf("%q, %v", l.text, err)
	}
}

// FuzzSplitter: whatever comes, in whatever pieces, every byte is in one line, lines are what stands between newlines, no text is longer
// than MaxLine, and what is a timestamp stays one when it is written as the kubelet does.
func FuzzSplitter(f *testing.F) {
	stamp := "2026-03-02T02:00:00.000000001Z "
	for _, s := range []string{"", "\n", stamp + "one\n" + stamp + "two", "no stamp\n", stamp + "\n\n", stamp[:10], "9999-12-31T23:59:59.999999999-23:59 x\n", "0000-01-01T00:00:00Z \n"} {
		f.Add([]byte(s), uint16(3), uint8(1))
	}
	f.Add([]byte(stamp+strings.Repeat("x", 20000)+"\n"), uint16(4096), uint8(5))
	f.Fuzz(func(t *testing.T, data []byte, piece uint16, times uint8) {
		data = bytes.Repeat(data, int(times)%8)
		s := newSplitter(&pieces{data, int(piece) + 1})
		lines := bytes.SplitAfter(data, []byte("\n"))
		if last := len(lines) - 1; len(lines[last]) == 0 {
			lines = lines[:last]
		}
		for i, want := range lines {
			l, err := s.next()
			if err != nil {
				t.Fatalf("line %d of %d: %v", i, len(lines), err)
			}
			same(t, l, want)
		}
		if l, err := s.next(); err != io.EOF {
			t.Fatalf("behind the end: %q, %v", l.text, err)
		}
	})
}

// same checks a line against its bytes.
func same(t *testing.T, l line, raw []byte) {
	body, ended := bytes.CutSuffix(raw, []byte("\n"))
	if l.ended != ended || len(l.text) > MaxLine || l.cut > 0 && len(l.text) != MaxLine {
		t.Fatalf("%d bytes, %d cut, ended %v, of %d bytes", len(l.text), l.cut, l.ended, len(raw))
	}
	head := len(body) - len(l.text) - l.cut
	if head < 0 || !bytes.HasPrefix(body[head:], l.text) || l.timed != (head > 0) {
		t.Fatalf("text %.100q with %d cut is not of %.100q", l.text, l.cut, body)
	}
	if l.timed {
		at, err := time.Parse(time.RFC3339Nano, string(body[:head-1]))
		if err != nil || body[head-1] != ' ' || !l.time().Equal(at) {
			t.Fatalf("time %s of %q: %v", l.time(), body[:head], err)
		}
	}
}

// pieces reads in pieces of a size.
type pieces struct {
	data []byte
	size int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.data) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.data[:min(len(p.data), p.size)])
	p.data = p.data[n:]
	return n, nil
}
