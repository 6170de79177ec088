package etcdsnapshot_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"plan/internal/etcdsnapshot"
	"plan/internal/etcdsnapshot/snapshottest"
	"plan/internal/objectstore"
)

func TestOpenTellsWhatIsInIt(t *testing.T) {
	data := snapshot(t, snapshottest.Options{Passwords: []string{password, "an-older-one"}, Deleted: []string{"gone"}, Keys: 100})
	store, s := in(data, false)
	dir := t.TempDir()
	c, err := etcdsnapshot.Open(t.Context(), store, s, dir, nil)
	if err != nil || c.Revision != 104 || c.Records != 104 || len(c.Bootstrap) != 2 {
		t.Fatalf("%d revisions, %d records, %d of bootstrap data, %v", c.Revision, c.Records, len(c.Bootstrap), err)
	}
	if err := etcdsnapshot.Unlock(c.Bootstrap[snapshottest.Hash(password)], password); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left in the temporary folder: %v, %v", left, err)
	}
}

func TestUnlock(t *testing.T) {
	data, err := snapshottest.Bootstrap(password)
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		data     string
		password string
	}{
		"another password": {string(data), "another"},
		"no password":      {string(data), ""},
		"no salt":          {strings.TrimPrefix(string(data), "0011223344556677"), password},
		"no colon":         {"placeholder", password},
		"no base64":        {"salt:###", password},
		"cut":              {string(data[:40]), password},
		"a byte of it":     {strings.Replace(string(data), ":d", ":e", 1), password},
		"nothing":          {"", password},
	}
	if err := etcdsnapshot.Unlock(data, password); err != nil {
		t.Error(err)
	}
	for label, tc := range cases {
		if err := etcdsnapshot.Unlock([]byte(tc.data), tc.password); !errors.Is(err, etcdsnapshot.ErrLocked) || tc.password != "" && strings.Contains(err.Error(), tc.password) {
			t.Errorf("%s: %v", label, err)
		}
	}
}

// TestARealSnapshotPasses where PLAN_TEST_FIXTURES names a folder with some.
func TestARealSnapshotPasses(t *testing.T) {
	fixtures := os.Getenv("PLAN_TEST_FIXTURES")
	if fixtures == "" {
		t.Skip("PLAN_TEST_FIXTURES names no folder of snapshots that came from elsewhere; the lab has one of its own etcd")
	}
	data, err := os.ReadFile(filepath.Join(fixtures, "k3s/snapshots/etcd-snapshot-k3s-server-1-1768478400"))
	if err != nil {
		t.Fatal(err)
	}
	for _, depth := range depths() {
		store, s := in(data, false)
		if err := depth.look(t.Context(), store, s); err != nil {
			t.Errorf("%s: %v", depth.name, err)
		}
	}
	mutations(t, data)
}

// endless is a store with one snapshot of any size: two meta pages, zeros, and the right trailer.
type endless struct {
	objectstore.Store
	size int64
	head []byte
	sum  [32]byte
}

func newEndless(pages int64) *endless {
	e := &endless{size: pages*4096 + 32, head: make([]byte, 8192)}
	for number, page := range [][]byte{e.head[:4096], e.head[4096:]} {
		page[0], page[8] = byte(number), 4
		meta := page[16:]
		binary.LittleEndian.PutUint32(meta, 0xED0CDAED)
		binary.LittleEndian.PutUint32(meta[4:], 2)
		binary.LittleEndian.PutUint32(meta[8:], 4096)
		binary.LittleEndian.PutUint64(meta[16:], 3)
		binary.LittleEndian.PutUint64(meta[32:], ^uint64(0))
		binary.LittleEndian.PutUint64(meta[40:], uint64(pages))
		sum := fnv.New64a()
		sum.Write(meta[:56])
		binary.LittleEndian.PutUint64(meta[56:], sum.Sum64())
	}
	sum := sha256.New()
	io.Copy(sum, io.NewSectionReader(e, 0, e.size-32))
	sum.Sum(e.sum[:0])
	return e
}

// ReadAt implements io.ReaderAt.
func (e *endless) ReadAt(p []byte, at int64) (int, error) {
	n := int(min(int64(len(p)), e.size-at))
	clear(p[:n])
	if at < int64(len(e.head)) {
		copy(p[:n], e.head[at:])
	}
	if trailer := e.size - 32; at+int64(n) > trailer {
		copy(p[max(trailer-at, 0):n], e.sum[max(at-trailer, 0):])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (e *endless) Get(_ context.Context, key string, offset, length int64) (io.ReadCloser, objectstore.Info, error) {
	info := objectstore.Info{Object: objectstore.Object{Key: key, Size: e.size}}
	return io.NopCloser(io.NewSectionReader(e, offset, min(length, e.size-offset))), info, nil
}

// TestMemoryDoesNotGrowWithTheSnapshot: what reading one allocates, in all, is the same for a size and for sixteen times that.
func TestMemoryDoesNotGrowWithTheSnapshot(t *testing.T) {
	for _, mebibytes := range []int64{8, 128} {
		store := newEndless(mebibytes << 20 / 4096)
		s := etcdsnapshot.Snapshot{Key: folder + name, Name: name, Size: store.size}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if err := etcdsnapshot.Checksum(t.Context(), store, s, nil); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 2<<20 {
			t.Errorf("%d bytes for %d MiB", used, mebibytes)
		}
	}
}
