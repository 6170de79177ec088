package spool

import (
	"bytes"
	"crypto/sha256"
	"io"
	"os"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

func TestSpoolGivesBackWhatWasWritten(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		s := New(dir)
		defer s.Close()
		s.limit, s.piece = rapid.Int64Range(0, 300).Draw(t, "limit"), rapid.IntRange(1, 40).Draw(t, "piece")
		var want []byte
		for _, n := range rapid.SliceOfN(rapid.IntRange(0, 100), 0, 8).Draw(t, "writes") {
			part := bytes.Repeat([]byte{byte(n), byte(n >> 3)}, n/2)
			want = append(want, part...)
			if _, err := s.Write(part); err != nil {
				t.Fatal(err)
			}
		}
		if s.Size() != int64(len(want)) || s.SHA256() != sha256.Sum256(want) {
			t.Fatalf("size %d, want %d, or another hash", s.Size(), len(want))
		}
		if s.file == nil && int64(len(want)) > s.limit {
			t.Fatalf("%d bytes are held in memory, limit %d", len(want), s.limit)
		}
		for range 2 { // a PUT that is repeated reads again
			if err := iotest.TestReader(s.Reader(), want); err != nil {
				t.Fatal(err)
			}
		}
	})
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestSpoolsFileHasNoNameWhileItIsUsed(t *testing.T) {
	dir := t.TempDir()
	s := New(dir)
	s.limit = 1
	if _, err := io.WriteString(s, "hello"); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("a killed process would leave %v, %v", left, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func TestSpoolWithoutAPlaceForItsFile(t *testing.T) {
	s := New(t.TempDir() + "/gone")
	defer s.Close()
	s.limit = 1
	if _, err := io.WriteString(s, "hello"); err == nil {
		t.Error("no error")
	}
}
