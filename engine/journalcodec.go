package engine

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"strconv"
	"time"
)

// A journal is a line that names the format, then frames. A frame is what one Append wrote: the mark, the length of the body,
// the CRC-32C of length and body, both 4 bytes little-endian, and the body: one JSON record a line. So an Append is there whole or
// not at all. The mark begins with a byte that UTF-8 never has, so that a frame after a damaged one can be found.
const (
	journalHeader  = "plan journal 1\n"
	frameMark      = "\xffrec"
	frameHead      = len(frameMark) + 4 + 4
	journalVersion = 1
	maxFrame       = 64 << 20
)

// JournalEntry is a record with its place in the journal.
type JournalEntry struct {
	Seq    int64 // from 1, without gaps
	Time   time.Time
	Record Record
}

type journalLine struct {
	V    int             `json:"v"`
	Seq  int64           `json:"seq"`
	Time time.Time       `json:"time"`
	Type string          `json:"type"`
	Data json.RawMessage `json:"data"`
}

// EncodeJournal appends records, numbered on from seq, to what a journal holds or, with nothing, begins one: for journals that are not in
// a file. ReadJournal reads them.
func EncodeJournal(journal []byte, seq int64, now time.Time, records ...Record) ([]byte, error) {
	if len(journal) == 0 {
		journal = append(journal, journalHeader...)
	}
	return appendFrame(journal, seq, now, records)
}

// appendFrame appends records, numbered on from seq, as one frame.
func appendFrame(b []byte, seq int64, now time.Time, records []Record) ([]byte, error) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	for i, r := range records {
		if step, ok := r.(StepFinishedRecord); ok && step.Outputs != nil {
			step.Outputs = portable(step.Outputs).(map[string]any)
			r = step
		}
		data, err := json.Marshal(r)
		if err != nil {
			return nil, fmt.Errorf("encode %s record: %w", r.recordType(), err)
		}
		if err := enc.Encode(journalLine{journalVersion, seq + int64(i), now.UTC(), r.recordType(), data}); err != nil {
			return nil, fmt.Errorf("encode %s record: %w", r.recordType(), err)
		}
	}
	if body.Len() > maxFrame {
		return nil, fmt.Errorf("encode %d records: %d bytes are more than a journal takes at once (%d)", len(records), body.Len(), maxFrame)
	}
	b = append(b, frameMark...)
	b = binary.LittleEndian.AppendUint32(b, uint32(body.Len()))
	b = binary.LittleEndian.AppendUint32(b, frameSum(b[len(b)-4:], body.Bytes()))
	return append(b, body.Bytes()...), nil
}

func frameSum(length, body []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Checksum(length, table), table, body)
}

// frameBody returns the body of the frame at the beginning of b, or nil if no intact frame is there.
func frameBody(b []byte) []byte {
	if len(b) < frameHead || string(b[:len(frameMark)]) != frameMark {
		return nil
	}
	length, sum := b[len(frameMark):len(frameMark)+4], binary.LittleEndian.Uint32(b[len(frameMark)+4:])
	n := int64(binary.LittleEndian.Uint32(length))
	if n == 0 || n > maxFrame || n > int64(len(b)-frameHead) {
		return nil
	}
	body := b[frameHead : frameHead+int(n)]
	if frameSum(length, body) != sum {
		return nil
	}
	return body
}

// ReadJournal reads a journal. intact is how many bytes hold entries: what follows is the torn tail of a write that was never
// confirmed. Damage with something intact after it is an error that names its offset; the entries before it are returned with it.
func ReadJournal(r io.Reader) (entries []JournalEntry, intact int64, err error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, 0, fmt.Errorf("read journal: %w", err)
	}
	if len(b) < len(journalHeader) && bytes.HasPrefix([]byte(journalHeader), b) {
		return nil, 0, nil
	}
	if !bytes.HasPrefix(b, []byte(journalHeader)) {
		return nil, 0, fmt.Errorf("read journal: it does not begin with %q: not a journal, or one of another version", journalHeader)
	}
	at := len(journalHeader)
	for at < len(b) {
		body := frameBody(b[at:])
		if body == nil {
			next := nextFrame(b[at:])
			if next == len(b)-at {
				return entries, int64(at), fmt.Errorf("read journal: damaged at offset %d, and what follows is no journal", at)
			}
			if next >= 0 {
				return entries, int64(at), fmt.Errorf("read journal: damaged at offset %d, though intact again at %d", at, at+next)
			}
			break
		}
		if entries, err = decodeBody(entries, body); err != nil {
			return entries, int64(at), fmt.Errorf("read journal: frame at offset %d: %w", at, err)
		}
		at += frameHead + len(body)
	}
	return entries, int64(at), nil
}

// nextFrame finds an intact frame behind the beginning of b: -1 when there is none, and len(b) when so much looks like frames that it is
// not known. A torn tail has no marks; what was made to have many would take forever to sum.
func nextFrame(b []byte) int {
	budget := 16 * int64(len(b))
	for at := 1; at < len(b); at++ {
		i := bytes.Index(b[at:], []byte(frameMark))
		if i < 0 {
			return -1
		}
		at += i
		if rest := b[at:]; len(rest) >= frameHead {
			if n := int64(binary.LittleEndian.Uint32(rest[len(frameMark):])); n <= int64(len(rest)-frameHead) {
				budget -= n
			}
		}
		if budget < 0 {
			return len(b)
		}
		if frameBody(b[at:]) != nil {
			return at
		}
	}
	return -1
}

// decodeBody appends the entries of a body, all or none.
func decodeBody(entries []JournalEntry, body []byte) ([]JournalEntry, error) {
	all := entries
	for line := range bytes.Lines(body) {
		e, err := decodeLine(line)
		if err != nil {
			return entries, err
		}
		if want := int64(len(all)) + 1; e.Seq != want {
			return entries, fmt.Errorf("record %d where %d was expected", e.Seq, want)
		}
		all = append(all, e)
	}
	return all, nil
}

func decodeLine(line []byte) (JournalEntry, error) {
	var l journalLine
	if err := json.Unmarshal(line, &l); err != nil {
		return JournalEntry{}, fmt.Errorf("decode record: %w", err)
	}
	if l.V != journalVersion {
		return JournalEntry{}, fmt.Errorf("decode record %d: version %d is not known", l.Seq, l.V)
	}
	rec, err := decodeRecord(l.Type, l.Data)
	if err != nil {
		return JournalEntry{}, fmt.Errorf("decode record %d: %w", l.Seq, err)
	}
	return JournalEntry{Seq: l.Seq, Time: l.Time, Record: rec}, nil
}

func decodeRecord(kind string, data []byte) (Record, error) {
	switch kind {
	case "run-started":
		return decodeAs[RunStartedRecord](data)
	case "attempt-started":
		return decodeAs[AttemptStartedRecord](data)
	case "step-noted":
		return decodeAs[StepNotedRecord](data)
	case "attempt-finished":
		return decodeAs[AttemptFinishedRecord](data)
	case "step-finished":
		rec, err := decodeAs[StepFinishedRecord](data)
		for k, v := range rec.Outputs {
			rec.Outputs[k] = plainNumbers(v)
		}
		return rec, err
	case "suspended":
		return decodeAs[SuspendedRecord](data)
	case "run-finished":
		return decodeAs[RunFinishedRecord](data)
	}
	return nil, fmt.Errorf("type %q is not known", kind)
}

func decodeAs[T Record](data []byte) (T, error) {
	var rec T
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	return rec, dec.Decode(&rec)
}

// plainNumbers turns the numbers of v into int64 where they are written as whole ones, else float64.
func plainNumbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if i, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return i
		}
		f, _ := v.Float64() // out of range is an infinity, which no journal holds
		return f
	case []any:
		for i := range v {
			v[i] = plainNumbers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = plainNumbers(v[k])
		}
		if ns, ok := v[durationKey].(int64); ok && len(v) == 1 {
			return time.Duration(ns)
		}
	}
	return v
}

// durationKey marks a duration, which JSON has not: {"$duration": NANOSECONDS}.
const durationKey = "$duration"

// portable gives outputs a form from which plainNumbers makes them again.
func portable(v any) any {
	switch v := v.(type) {
	case time.Duration:
		return map[string]any{durationKey: int64(v)}
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1e15 {
			return json.Number(strconv.FormatFloat(v, 'f', 1, 64)) // 2.0, where JSON would have 2
		}
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = portable(v[i])
		}
		return list
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, value := range v {
			out[key] = portable(value)
		}
		return out
	}
	return v
}
