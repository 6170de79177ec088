package runstore

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"

	"plan/engine"
)

// What a journal in a cluster may have: an object of etcd holds 1.5 MiB, a ConfigMap 1 MiB.
const (
	maxPacked = 900 << 10
	maxPlain  = 64 << 20 // so that a small object cannot fill the memory
)

// errFull means that a journal has reached what a cluster keeps of a run.
var errFull = errors.New("the journal is larger than a ConfigMap may be (900 KiB compressed): split the plan, let its steps put out less, or keep the run on a machine (--state local)")

// packed is a journal, framed as in a file, and its gzip (RFC 1952), to which can be added without compressing all of it again.
type packed struct {
	plain []byte
	seq   int64 // of the last record
	out   bytes.Buffer
	zip   *flate.Writer
	sum   uint32
}

// pack compresses a whole journal.
func pack(plain []byte, seq int64) (*packed, error) {
	p := &packed{plain: plain, seq: seq}
	p.out.Write([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255}) // deflate, nothing else said
	var err error
	if p.zip, err = flate.NewWriter(&p.out, flate.DefaultCompression); err != nil {
		return nil, fmt.Errorf("compress journal: %w", err)
	}
	return p, p.flush(plain)
}

func (p *packed) flush(more []byte) error {
	p.sum = crc32.Update(p.sum, crc32.IEEETable, more)
	if _, err := p.zip.Write(more); err != nil {
		return fmt.Errorf("compress journal: %w", err)
	}
	if err := p.zip.Flush(); err != nil {
		return fmt.Errorf("compress journal: %w", err)
	}
	return nil
}

// add appends records. What is too large by then is packed again, which takes less room; errFull when that does not help.
func (p *packed) add(now time.Time, records []engine.Record) error {
	before := len(p.plain)
	plain, err := engine.EncodeJournal(p.plain, p.seq+1, now, records...)
	if err != nil {
		return err
	}
	p.plain, p.seq = plain, p.seq+int64(len(records))
	if len(plain) > maxPlain {
		return errFull
	}
	if err := p.flush(plain[before:]); err != nil {
		return err
	}
	if p.size() <= maxPacked {
		return nil
	}
	again, err := pack(plain, p.seq)
	if err != nil {
		return err
	}
	*p = *again
	if p.size() > maxPacked {
		return errFull
	}
	return nil
}

// end is what closes the stream: an empty last block, the sum and the length.
var end = [5]byte{1, 0, 0, 0xff, 0xff}

func (p *packed) size() int { return p.out.Len() + len(end) + 8 }

// bytes is the gzip of the journal as it is now.
func (p *packed) bytes() []byte {
	b := make([]byte, 0, p.size())
	b = append(b, p.out.Bytes()...)
	b = append(b, end[:]...)
	b = binary.LittleEndian.AppendUint32(b, p.sum)
	return binary.LittleEndian.AppendUint32(b, uint32(len(p.plain))) //nolint:gosec // at most maxPlain
}

// unpack reads a journal. Of one that is damaged the entries before the damage come with the error. Nothing writes half a ConfigMap, so a
// torn tail is damage here.
func unpack(data []byte) (plain []byte, entries []engine.JournalEntry, err error) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, nil, fmt.Errorf("decompress journal: %w", err)
	}
	plain, err = io.ReadAll(io.LimitReader(z, maxPlain+1))
	if err == nil && len(plain) > maxPlain {
		err = fmt.Errorf("it has more than %d bytes", maxPlain)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("decompress journal: %w", err)
	}
	entries, intact, err := engine.ReadJournal(bytes.NewReader(plain))
	if err == nil && intact != int64(len(plain)) {
		err = fmt.Errorf("read journal: damaged at offset %d", intact)
	}
	return plain, entries, err
}
