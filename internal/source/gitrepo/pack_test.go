package gitrepo

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
)

// packed is an object of a pack: what stands before the zipped content, and the content.
type packed struct {
	kind    plumbing.ObjectType
	size    uint64
	between string // of a delta: its base
	content string
}

func packOf(count uint32, objects ...packed) []byte {
	var b bytes.Buffer
	b.WriteString("PACK")
	_ = binary.Write(&b, binary.BigEndian, []uint32{2, count})
	for _, o := range objects {
		first, rest := byte(o.kind)<<4|byte(o.size&15), o.size>>4
		for ; rest > 0; rest >>= 7 {
			b.WriteByte(first | 0x80)
			first = byte(rest & 0x7f)
		}
		b.WriteByte(first)
		b.WriteString(o.between)
		z := zlib.NewWriter(&b)
		_, _ = z.Write([]byte(o.content))
		_ = z.Close()
	}
	sum := sha1.Sum(b.Bytes())
	return append(b.Bytes(), sum[:]...)
}

func number(n uint64) string { return string(binary.AppendUvarint(nil, n)) }

func damagedPacks() map[string][]byte {
	blob := func(s string) packed { return packed{kind: plumbing.BlobObject, size: uint64(len(s)), content: s} }
	delta := func(between, s string) packed {
		return packed{kind: plumbing.REFDeltaObject, size: uint64(len(s)), between: between, content: s}
	}
	id := plumbing.ComputeHash(plumbing.BlobObject, []byte("hello"))
	base := string(id[:])
	good := packOf(1, blob("hello"))
	var bomb strings.Builder // copies the whole base again and again
	for range 1000 {
		bomb.WriteString("\x90\x05")
	}
	return map[string][]byte{
		"empty":                  {},
		"no pack":                []byte("<html>"),
		"no objects":             packOf(0),
		"cut":                    good[:len(good)-25],
		"wrong checksum":         append(bytes.Clone(good[:len(good)-1]), good[len(good)-1]^1),
		"more announced":         packOf(2, blob("hello")),
		"4 billion announced":    packOf(1<<32-1, blob("hello")),
		"less announced":         packOf(1, blob("hello"), blob("world")),
		"size too small":         packOf(1, packed{kind: plumbing.BlobObject, size: 3, content: "hello"}),
		"size too large":         packOf(1, packed{kind: plumbing.BlobObject, size: 300, content: "hello"}),
		"size of an exabyte":     packOf(1, packed{kind: plumbing.BlobObject, size: 1 << 60, content: "hello"}),
		"kind 0":                 packOf(1, packed{kind: 0, size: 5, content: "hello"}),
		"kind 5":                 packOf(1, packed{kind: 5, size: 5, content: "hello"}),
		"delta without base":     packOf(1, delta(strings.Repeat("\x01", 20), number(5)+number(5)+"\x90\x05")),
		"delta, base elsewhere":  packOf(2, blob("hello"), packed{kind: plumbing.OFSDeltaObject, size: 4, between: "\x7f", content: number(5) + number(5) + "\x90\x05"}),
		"delta, wrong base size": packOf(2, blob("hello"), delta(base, number(6)+number(5)+"\x90\x05")),
		"delta, target too long": packOf(2, blob("hello"), delta(base, number(5)+number(1<<40)+bomb.String())),
		"delta, endless numbers": packOf(2, blob("hello"), delta(base, strings.Repeat("\xff", 40))),
		"delta, copies beyond":   packOf(2, blob("hello"), delta(base, number(5)+number(500)+"\xb0\xf4\x01")),
		"delta, empty":           packOf(2, blob("hello"), delta(base, "")),
		"delta of itself":        packOf(1, packed{kind: plumbing.OFSDeltaObject, size: 4, between: "\x00", content: number(5) + number(5) + "\x90\x05"}),
	}
}

func TestDamagedPacksAreRefused(t *testing.T) {
	alive := func() error { return nil }
	for name, raw := range damagedPacks() {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			p, err := readPack(bytes.NewReader(raw), Options{}.limits(), alive)
			runtime.ReadMemStats(&after)
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<20 {
				t.Errorf("%d MiB were allocated for %d bytes", grown>>20, len(raw))
			}
			if err == nil {
				defer p.Close()
				id := plumbing.ComputeHash(plumbing.BlobObject, []byte("hello"))
				if _, err := p.object(id, plumbing.BlobObject); err == nil && name != "less announced" && !strings.HasPrefix(name, "size too large") {
					t.Error("it was read")
				}
			}
		})
	}
	p, err := readPack(bytes.NewReader(packOf(1, packed{kind: plumbing.BlobObject, size: 5, content: "hello"})), Options{}.limits(), alive)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, err := p.object(plumbing.ComputeHash(plumbing.BlobObject, []byte("hello")), plumbing.BlobObject); err != nil {
		t.Errorf("a sound one: %v", err)
	}
}

// script makes a pack of bytes: for each object its kind, how long its content is, how wrong the announced size, which object before it is
// its base, and the content itself. Changing a byte of the pack itself would break the checksum of what is zipped, and nothing else be tried.
func script(raw []byte) []byte {
	var objects []packed
	var bases [][]byte
	for len(raw) > 4 && len(objects) < 50 {
		kind, n, wrong, which := plumbing.ObjectType(raw[0]&7), int(raw[1]), raw[2], int(raw[3])
		content := raw[4:min(4+n, len(raw))]
		raw = raw[4+len(content):]
		o := packed{kind: kind, size: uint64(len(content)) + uint64(wrong), content: string(content)}
		switch {
		case kind == plumbing.OFSDeltaObject:
			o.between = string([]byte{byte(which & 0x7f)})
		case kind == plumbing.REFDeltaObject && len(bases) > 0:
			o.between = string(bases[which%len(bases)])
		case kind == plumbing.REFDeltaObject:
			o.between = strings.Repeat("\x01", 20)
		default:
			h := plumbing.ComputeHash(kind, content)
			bases = append(bases, h[:])
		}
		objects = append(objects, o)
	}
	return packOf(uint32(len(objects)), objects...)
}

// FuzzPack: whatever a server sends is an error or a set of objects, none larger than is taken.
func FuzzPack(f *testing.F) {
	object := func(kind plumbing.ObjectType, wrong, which byte, content string) string {
		return string([]byte{byte(kind), byte(len(content)), wrong, which}) + content
	}
	hello := object(plumbing.BlobObject, 0, 0, "hello")
	copies := number(5) + number(10) + "\x90\x05\x90\x05"
	for _, s := range []string{
		hello, hello + object(plumbing.REFDeltaObject, 0, 0, copies), hello + object(plumbing.OFSDeltaObject, 0, 14, copies),
		object(plumbing.REFDeltaObject, 0, 0, copies) + hello, hello + object(plumbing.REFDeltaObject, 0, 0, number(5)+number(1<<40)+"\x90\x05"),
		hello + object(plumbing.OFSDeltaObject, 0, 14, number(5)+number(7)+"\x90\x05\x02ab") + object(plumbing.OFSDeltaObject, 0, 22, number(7)+number(7)+"\x90\x07"),
		object(plumbing.TreeObject, 0, 0, "100644 a\x00"+strings.Repeat("\x01", 20)), object(plumbing.CommitObject, 0, 0, "tree "+strings.Repeat("a", 40)+"\n"),
		object(plumbing.BlobObject, 1, 0, "short"), object(plumbing.TagObject, 0, 0, ""), object(0, 0, 0, "x"), object(5, 0, 0, "x"),
	} {
		f.Add([]byte(s))
	}
	most := Options{}.limits()
	most.object, most.objects, most.tree = 1<<20, 1000, 1<<16
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := readPack(bytes.NewReader(script(raw)), most, func() error { return nil })
		if err != nil {
			return
		}
		defer p.Close()
		entries, err := p.index.Entries()
		if err != nil {
			t.Fatal(err)
		}
		for e, err := entries.Next(); err == nil; e, err = entries.Next() {
			if o, err := p.pack.Get(e.Hash); err == nil && o.Size() > most.object {
				t.Fatalf("an object of %d bytes", o.Size())
			}
			if tree, err := p.content(e.Hash, plumbing.TreeObject); err == nil {
				_, _ = parseTree(tree)
			}
			_, _ = p.commit(e.Hash)
		}
	})
}

func TestReadingEndsWithTheContext(t *testing.T) {
	var ended error
	calls := 0
	_, err := readPack(bytes.NewReader(packOf(1, packed{kind: plumbing.BlobObject, size: 5, content: "hello"})), Options{}.limits(), func() error {
		if calls++; calls > 1 {
			ended = context.Canceled
		}
		return ended
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// slowly gives a byte at a time.
type slowly struct{ r io.Reader }

func (s slowly) Read(p []byte) (int, error) { return s.r.Read(p[:min(1, len(p))]) }

func TestAPackInPiecesIsReadWhole(t *testing.T) {
	raw := packOf(1, packed{kind: plumbing.BlobObject, size: 5, content: "hello"})
	p, err := readPack(slowly{bytes.NewReader(raw)}, Options{}.limits(), func() error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	_ = p.Close()
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "plan-git-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
