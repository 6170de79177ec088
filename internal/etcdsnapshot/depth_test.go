package etcdsnapshot_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"testing"

	"plan/internal/etcdsnapshot"
	"plan/internal/etcdsnapshot/snapshottest"
	"plan/internal/objectstore"
	"plan/internal/objectstore/s3test"
	"plan/internal/retention/retentiontest"
)

const (
	name     = "etcd-snapshot-server-1-1768478400"
	password = "not-a-real-password"
)

func snapshot(t testing.TB, o snapshottest.Options) []byte {
	t.Helper()
	data, err := snapshottest.Make(o)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func zipped(t testing.TB, method uint16, files ...snapshottest.File) []byte {
	t.Helper()
	data, err := snapshottest.Zip(method, files...)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// in puts bytes into a store, under the name that says whether they are zipped.
func in(data []byte, zip bool) (*retentiontest.Store, etcdsnapshot.Snapshot) {
	s := etcdsnapshot.Snapshot{Key: folder + name, Name: name, Time: taken, Size: int64(len(data)), LastModified: taken, Zip: zip}
	if zip {
		s.Key, s.Name = s.Key+".zip", s.Name+".zip"
	}
	store := &retentiontest.Store{}
	store.Add(s.Key, data, nil)
	return store, s
}

// depths are what looks at a snapshot, the shallow before the deep.
func depths() []struct {
	name string
	look func(context.Context, objectstore.Store, etcdsnapshot.Snapshot) error
} {
	return []struct {
		name string
		look func(context.Context, objectstore.Store, etcdsnapshot.Snapshot) error
	}{
		{"size", func(_ context.Context, _ objectstore.Store, s etcdsnapshot.Snapshot) error {
			return etcdsnapshot.SoundSize(s)
		}},
		{"structure", etcdsnapshot.Structure},
		{"checksum", func(ctx context.Context, store objectstore.Store, s etcdsnapshot.Snapshot) error {
			return etcdsnapshot.Checksum(ctx, store, s, nil)
		}},
		{"open", func(ctx context.Context, store objectstore.Store, s etcdsnapshot.Snapshot) error {
			_, err := etcdsnapshot.Open(ctx, store, s, "", nil)
			return err
		}},
	}
}

func TestSoundSnapshotsPassEveryDepth(t *testing.T) {
	plain := snapshot(t, snapshottest.Options{Passwords: []string{password}})
	member := snapshottest.File{Name: name, Data: plain}
	cases := map[string]struct {
		data []byte
		zip  bool
	}{
		"plain":                {plain, false},
		"zipped":               {zipped(t, zip.Deflate, member), true},
		"zipped, stored":       {zipped(t, zip.Store, member), true},
		"pages of 16 KiB":      {snapshot(t, snapshottest.Options{PageSize: 16384}), false},
		"pages of 64 KiB":      {snapshot(t, snapshottest.Options{PageSize: 65536}), false},
		"with a free list":     {snapshot(t, snapshottest.Options{Freelist: true, Keys: 500}), false},
		"of many pages":        {snapshot(t, snapshottest.Options{Keys: 3000}), false},
		"with large values":    {snapshot(t, snapshottest.Options{Keys: 5, Value: 1 << 20}), false},
		"of megabytes, zipped": {zipped(t, zip.Deflate, snapshottest.File{Name: name, Data: snapshot(t, snapshottest.Options{Keys: 5, Value: 1 << 20})}), true},
	}
	for label, tc := range cases {
		for _, depth := range depths() {
			t.Run(label+"/"+depth.name, func(t *testing.T) {
				store, s := in(tc.data, tc.zip)
				if err := depth.look(t.Context(), store, s); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// reseal gives a damaged snapshot a right trailer, so that only what looks at the database can find the damage.
func reseal(b []byte) []byte { return snapshottest.Seal(b[:len(b)-32]) }

// edit changes a copy.
func edit(b []byte, change func([]byte)) []byte {
	b = bytes.Clone(b)
	change(b)
	return b
}

// remeta changes both meta pages and their checksums.
func remeta(b []byte, offset int, value uint64) []byte {
	return reseal(edit(b, func(b []byte) {
		for _, page := range []int{0, 4096} {
			meta := b[page+16 : page+80]
			binary.LittleEndian.PutUint64(meta[offset:], value)
			sum := fnv.New64a()
			sum.Write(meta[:56])
			binary.LittleEndian.PutUint64(meta[56:], sum.Sum64())
		}
	}))
}

// wound is damage, and the first depth that finds it.
type wound struct {
	data  []byte
	zip   bool
	first string
}

func plainWounds(t *testing.T, plain []byte) map[string]wound {
	flip := func(at int) []byte { return edit(plain, func(b []byte) { b[at] ^= 4 }) }
	return map[string]wound{
		"cut, unaligned":               {plain[:len(plain)-1000], false, "size"},
		"without its trailer":          {plain[:len(plain)-32], false, "size"},
		"half a trailer":               {plain[:len(plain)-16], false, "size"},
		"a text":                       {[]byte("access denied"), false, "size"},
		"cut, aligned":                 {plain[:len(plain)-4096], false, "structure"},
		"cut, to two pages":            {plain[:8192+32], false, "structure"},
		"longer by a page":             {append(bytes.Clone(plain), make([]byte, 4096)...), false, "structure"},
		"first meta page":              {flip(16 + 40), false, "structure"},
		"second meta page":             {flip(4096 + 16 + 40), false, "structure"},
		"magic":                        {flip(16), false, "structure"},
		"version":                      {flip(20), false, "structure"},
		"header of a meta page":        {flip(8), false, "structure"},
		"zeros":                        {make([]byte, len(plain)), false, "structure"},
		"a root that is not there":     {remeta(plain, 16, 1<<40), false, "structure"},
		"unused bytes of a meta page":  {flip(100), false, "checksum"},
		"a bit of the data":            {flip(len(plain) / 2), false, "checksum"},
		"a bit of the trailer":         {flip(len(plain) - 5), false, "checksum"},
		"two pages swapped":            {edit(plain, func(b []byte) { p := bytes.Clone(b[8192:12288]); copy(b[8192:], b[16384:20480]); copy(b[16384:], p) }), false, "checksum"},
		"sealed, a page's number":      {reseal(edit(plain, func(b []byte) { clear(b[8192:8200]) })), false, "open"},
		"sealed, all pages zero":       {reseal(edit(plain, func(b []byte) { clear(b[8192:]) })), false, "open"},
		"sealed, root is another page": {remeta(plain, 16, 3), false, "open"},
		"sealed, not etcd's":           {snapshot(t, snapshottest.Options{NoKeys: true}), false, "open"},
	}
}

func zippedWounds(t *testing.T, plain []byte) map[string]wound {
	packed := zipped(t, zip.Deflate, snapshottest.File{Name: name, Data: plain})
	within := func(data []byte) []byte { return zipped(t, zip.Deflate, snapshottest.File{Name: name, Data: data}) }
	directory := bytes.LastIndex(packed, []byte("PK\x01\x02"))
	return map[string]wound{
		"zipped, cut":                   {packed[:len(packed)-30], true, "structure"},
		"zipped, cut in the middle":     {packed[:len(packed)/2], true, "structure"},
		"zipped, not a zip file":        {plain, true, "structure"},
		"zipped, another name":          {zipped(t, zip.Deflate, snapshottest.File{Name: "etcd-snapshot-other-1768478400", Data: plain}), true, "structure"},
		"zipped, no file":               {zipped(t, zip.Deflate), true, "structure"},
		"zipped, two files":             {zipped(t, zip.Deflate, snapshottest.File{Name: name, Data: plain}, snapshottest.File{Name: "x", Data: nil}), true, "structure"},
		"zipped, empty":                 {within(nil), true, "structure"},
		"zipped, cut, aligned":          {within(plain[:len(plain)-4096]), true, "structure"},
		"zipped, cut, unaligned":        {within(plain[:len(plain)-100]), true, "structure"},
		"zipped, size in the directory": {edit(packed, func(b []byte) { b[directory+24]++ }), true, "structure"},
		"zipped, a bit of the data":     {within(edit(plain, func(b []byte) { b[len(b)/2] ^= 4 })), true, "checksum"},
		"zipped, a compressed bit":      {edit(packed, func(b []byte) { b[len(b)/2] ^= 1 }), true, "checksum"},
		"zipped, the CRC-32":            {edit(packed, func(b []byte) { b[directory+16] ^= 1 }), true, "checksum"},
	}
}

// TestDamageIsFoundFromADepthOn: all deeper ones find it too, and no shallower one does.
func TestDamageIsFoundFromADepthOn(t *testing.T) {
	plain := snapshot(t, snapshottest.Options{Passwords: []string{password}, Keys: 300})
	for _, wounds := range []map[string]wound{plainWounds(t, plain), zippedWounds(t, plain)} {
		for label, tc := range wounds {
			t.Run(label, func(t *testing.T) {
				found := false
				for _, depth := range depths() {
					store, s := in(tc.data, tc.zip)
					found = found || depth.name == tc.first
					err := depth.look(t.Context(), store, s)
					if want := found && (depth.name != "size" || !tc.zip); errors.Is(err, etcdsnapshot.ErrDamaged) != want || !want && err != nil {
						t.Errorf("%s: %v", depth.name, err)
					}
				}
			})
		}
	}
}

// TestWhatKeepsFromLookingIsNotDamage: no fault of the store or of the way to it says that a snapshot is bad, and none that it is good.
func TestWhatKeepsFromLookingIsNotDamage(t *testing.T) {
	plain := snapshot(t, snapshottest.Options{Keys: 600})
	bodies := map[bool][]byte{false: plain, true: zipped(t, zip.Deflate, snapshottest.File{Name: name, Data: plain})}
	for _, effect := range []s3test.Effect{s3test.AccessDenied, s3test.NoSuchBucket, s3test.SlowDown, s3test.CutBody, s3test.CutAnswer, s3test.ResetAfter, s3test.ErrorIn200, s3test.EmptyBody, s3test.ForeignBody} {
		for zip, body := range bodies {
			for _, depth := range depths()[1:] {
				for skip := range 2 { // of the first request, and of the one that brings everything
					if skip == 1 && depth.name == "structure" {
						continue
					}
					t.Run(fmt.Sprintf("%s/zip=%v/%s/%d", effect, zip, depth.name, skip), func(t *testing.T) {
						server := s3test.New("bucket")
						_, s := in(body, zip)
						server.Store(s.Key, s3test.Object{Body: body, LastModified: taken})
						server.Inject(s3test.Fault{Effect: effect, Op: s3test.Get, Skip: skip})
						if err := depth.look(t.Context(), serve(t, server), s); err == nil || errors.Is(err, etcdsnapshot.ErrDamaged) {
							t.Error(err)
						}
					})
				}
			}
		}
	}
}

func TestAnObjectThatWasReplacedIsNotDamaged(t *testing.T) {
	for _, depth := range depths()[1:] {
		store, s := in(snapshot(t, snapshottest.Options{}), false)
		s.Size += 4096
		if err := depth.look(t.Context(), store, s); !errors.Is(err, etcdsnapshot.ErrChanged) {
			t.Errorf("%s: %v", depth.name, err)
		}
	}
}

func TestACancelledLookEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, depth := range depths()[1:] {
		store, s := in(snapshot(t, snapshottest.Options{}), false)
		if err := depth.look(ctx, store, s); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", depth.name, err)
		}
	}
}

// TestStructureReadsLittle, whatever the size.
func TestStructureReadsLittle(t *testing.T) {
	plain := snapshot(t, snapshottest.Options{Keys: 5, Value: 2 << 20})
	for zip, body := range map[bool][]byte{false: plain, true: zipped(t, zip.Deflate, snapshottest.File{Name: name, Data: plain})} {
		inner, s := in(body, zip)
		store := &counting{Store: inner}
		if err := etcdsnapshot.Structure(t.Context(), store, s); err != nil || store.gets > 4 || store.bytes > 256<<10 {
			t.Errorf("zip %v: %d requests for %d bytes of %d, %v", zip, store.gets, store.bytes, len(body), err)
		}
	}
}

// counting counts what is asked for.
type counting struct {
	objectstore.Store
	gets  int
	bytes int64
}

func (c *counting) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, objectstore.Info, error) {
	c.gets++
	c.bytes += length
	return c.Store.Get(ctx, key, offset, length)
}
