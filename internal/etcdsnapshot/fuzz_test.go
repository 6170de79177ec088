package etcdsnapshot

import (
	"archive/zip"
	"bytes"
	"errors"
	"testing"

	"plan/internal/etcdsnapshot/snapshottest"
	"plan/internal/retention/retentiontest"
)

// FuzzStructure: whatever the bytes are, a reader of them finds them sound or damaged, and what it finds sound fits the size and can be walked.
func FuzzStructure(f *testing.F) {
	plain, err := snapshottest.Make(snapshottest.Options{Keys: 5, PageSize: 1024, Freelist: true})
	if err != nil {
		f.Fatal(err)
	}
	small, err := snapshottest.Make(snapshottest.Options{Keys: 60, Value: 100, PageSize: 1024})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(plain)
	f.Add(small)
	f.Add(plain[:2048+32])
	f.Add([]byte("PK\x05\x06"))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := readLayout(bytes.NewReader(b), int64(len(b)))
		if err == nil {
			if int64(l.pages)*l.pageSize+trailerLen != int64(len(b)) {
				t.Fatalf("%+v for %d bytes", l, len(b))
			}
			err = walk(t.Context(), bytes.NewReader(b), l)
		}
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatal(err)
		}
	})
}

// FuzzZip does the same for zip files.
func FuzzZip(f *testing.F) {
	plain, err := snapshottest.Make(snapshottest.Options{Keys: 5, PageSize: 1024})
	if err != nil {
		f.Fatal(err)
	}
	for _, method := range []uint16{zip.Deflate, zip.Store} {
		packed, err := snapshottest.Zip(method, snapshottest.File{Name: "a-1768478400", Data: plain})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packed)
	}
	f.Add([]byte("PK\x05\x06"))
	f.Fuzz(func(t *testing.T, b []byte) {
		store := &retentiontest.Store{}
		store.Add("k", b, nil)
		s := Snapshot{Key: "k", Name: "a-1768478400.zip", Size: int64(len(b)), Zip: true}
		m, err := openZip(&ranges{ctx: t.Context(), store: store, of: s}, s, 0)
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatal(err)
		}
		if err == nil && (m.offset < 0 || m.offset+m.compressed > int64(len(b)) || m.size%512 != trailerLen) {
			t.Fatalf("%+v for %d bytes", m, len(b))
		}
	})
}
