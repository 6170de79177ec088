// Package spool keeps bytes of unknown number until they are sent: in memory, or in a file without a name when there are many.
package spool

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
)

// A spool stays in memory up to memoryLimit bytes, in pieces of pieceSize, so that growing copies nothing.
const (
	memoryLimit = 8 << 20
	pieceSize   = 256 << 10
)

// Spool takes bytes of unknown number, hashes and counts them, and gives them back to be read and sought in, as a PUT with a
// known length needs. It is memory at first and then a temporary file that has no name any more, so that even a killed process
// leaves none behind. Close it in every case.
type Spool struct {
	dir    string
	limit  int64 // bytes in memory
	piece  int   // bytes in each of pieces
	pieces [][]byte
	file   *os.File // once there is more
	size   int64
	sum    hash.Hash
}

// New makes an empty spool. Its file goes into dir; empty is the system's folder for temporary files.
func New(dir string) *Spool {
	return &Spool{dir: dir, limit: memoryLimit, piece: pieceSize, sum: sha256.New()}
}

// Write appends.
func (s *Spool) Write(p []byte) (int, error) {
	if s.file == nil && s.size+int64(len(p)) > s.limit {
		if err := s.toFile(); err != nil {
			return 0, err
		}
	}
	if s.file == nil {
		s.keep(p)
	} else if _, err := s.file.Write(p); err != nil {
		return 0, fmt.Errorf("write temporary file: %w", err)
	}
	s.sum.Write(p)
	s.size += int64(len(p))
	return len(p), nil
}

// keep appends to the pieces.
func (s *Spool) keep(p []byte) {
	for len(p) > 0 {
		last := len(s.pieces) - 1
		if last < 0 || len(s.pieces[last]) == s.piece {
			s.pieces = append(s.pieces, make([]byte, 0, s.piece))
			last++
		}
		n := min(len(p), s.piece-len(s.pieces[last]))
		s.pieces[last] = append(s.pieces[last], p[:n]...)
		p = p[n:]
	}
}

// toFile moves what is in memory into a file without a name.
func (s *Spool) toFile() error {
	f, err := os.CreateTemp(s.dir, "plan-spool-*")
	if err != nil {
		return fmt.Errorf("make temporary file: %w", err)
	}
	s.file = f
	if err := os.Remove(f.Name()); err != nil {
		return fmt.Errorf("unlink temporary file: %w", err)
	}
	for _, piece := range s.pieces {
		if _, err := f.Write(piece); err != nil {
			return fmt.Errorf("write temporary file: %w", err)
		}
	}
	s.pieces = nil
	return nil
}

// Size is the number of bytes written.
func (s *Spool) Size() int64 { return s.size }

// SHA256 is the hash of the bytes written.
func (s *Spool) SHA256() [32]byte { return [32]byte(s.sum.Sum(nil)) }

// Reader reads what was written from the start. Readers are independent of each other; nothing may be written any more.
func (s *Spool) Reader() io.ReadSeeker {
	if s.file != nil {
		return io.NewSectionReader(s.file, 0, s.size)
	}
	return io.NewSectionReader(memory{s.pieces, int64(s.piece)}, 0, s.size)
}

// Close frees memory and file.
func (s *Spool) Close() error {
	s.pieces = nil
	if s.file == nil {
		return nil
	}
	if err := s.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("close temporary file: %w", err)
	}
	return nil
}

// memory reads pieces that are of one size, but for the last.
type memory struct {
	pieces [][]byte
	size   int64
}

func (m memory) ReadAt(p []byte, off int64) (int, error) {
	n := 0
	for n < len(p) {
		i, at := off/m.size, off%m.size
		if i >= int64(len(m.pieces)) || at >= int64(len(m.pieces[i])) {
			return n, io.EOF
		}
		c := copy(p[n:], m.pieces[i][at:])
		n, off = n+c, off+int64(c)
	}
	return n, nil
}
