package storetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"plan/internal/objectstore"

	"github.com/google/go-cmp/cmp"
)

func roundTrip(t *testing.T, f fixture) {
	meta := map[string]string{"cluster": "k3s", "cluster-uid": "1234-5678", "count": "42", "empty-ish": "a b; c=d, \"e\""}
	body := strings.Repeat("0123456789abcdef", 1<<16)
	before := time.Now().Add(-time.Hour) // clocks differ, but not by that much
	if err := f.put(t, "k", body, objectstore.PutOptions{ContentType: "application/gzip", Metadata: meta}); err != nil {
		t.Fatal(err)
	}
	got, info, err := f.get(t, "k", 0, -1)
	if err != nil || got != body {
		t.Fatalf("%d bytes of %d, error %v", len(got), len(body), err)
	}
	head, err := f.store.Head(t.Context(), f.prefix+"k")
	if err != nil {
		t.Fatal(err)
	}
	for what, i := range map[string]objectstore.Info{"get": info, "head": head} {
		if d := cmp.Diff(meta, i.Metadata); d != "" {
			t.Errorf("%s metadata (-want +got):\n%s", what, d)
		}
		if i.Key != f.prefix+"k" || i.Size != int64(len(body)) || i.LastModified.Before(before) {
			t.Errorf("%s: %+v", what, i.Object)
		}
	}
}

func oddKeys(t *testing.T, f fixture) {
	names := []string{
		"#hash", "%41", "&amp;", "+plus", "<tag>", "=", "?q=1", "per%20cent", "quo\"te's", "semi;colon,comma", "sp ace/in folder",
		"sta*r", "two  blanks", "w@:!$()[]{}|^`~", "äöü/ñ", "日本語", "🚀",
	}
	slices.Sort(names)
	f.mustPut(t, names...)
	if d := cmp.Diff(names, f.list(t, "", objectstore.ListOptions{PageSize: 2})); d != "" {
		t.Errorf("listing (-want +got):\n%s", d)
	}
	var keys []string
	for _, name := range names {
		if got, _, err := f.get(t, name, 0, -1); err != nil || got != "body of "+name {
			t.Errorf("get %q: %q, error %v", name, got, err)
		}
		if got := f.list(t, name, objectstore.ListOptions{}); len(got) != 1 {
			t.Errorf("list prefix %q: %q", name, got)
		}
		keys = append(keys, f.prefix+name)
	}
	if err := f.store.Delete(t.Context(), keys); err != nil {
		t.Error(err)
	}
	if got := f.list(t, "", objectstore.ListOptions{}); len(got) != 0 {
		t.Errorf("not deleted: %q", got)
	}
}

func emptyObject(t *testing.T, f fixture) {
	if err := f.put(t, "zero", "", objectstore.PutOptions{Metadata: map[string]string{"a": "b"}}); err != nil {
		t.Fatal(err)
	}
	got, info, err := f.get(t, "zero", 0, -1)
	if err != nil || got != "" || info.Size != 0 || info.Metadata["a"] != "b" {
		t.Errorf("%q, %+v, error %v", got, info, err)
	}
	if _, _, err := f.get(t, "zero", 0, 5); !errors.Is(err, objectstore.ErrRange) {
		t.Errorf("a range of nothing: %v, want ErrRange", err)
	}
}

func ranges(t *testing.T, f fixture) {
	if err := f.put(t, "ten", "0123456789", objectstore.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		offset, length int64
		want           string
	}{
		"all":             {0, -1, "0123456789"},
		"a beginning":     {0, 3, "012"},
		"the middle":      {4, 2, "45"},
		"to the end":      {7, -1, "789"},
		"beyond the end":  {8, 100, "89"},
		"the last byte":   {9, 1, "9"},
		"exactly all":     {0, 10, "0123456789"},
		"nothing of some": {3, 0, ""},
	}
	for name, tc := range tests {
		got, info, err := f.get(t, "ten", tc.offset, tc.length)
		if err != nil || got != tc.want || info.Size != 10 {
			t.Errorf("%s: %q of %d, error %v; want %q of 10", name, got, info.Size, err, tc.want)
		}
	}
	for _, length := range []int64{-1, 0, 1} {
		if _, _, err := f.get(t, "ten", 10, length); !errors.Is(err, objectstore.ErrRange) {
			t.Errorf("from the end, length %d: %v, want ErrRange", length, err)
		}
	}
}

func notFound(t *testing.T, f fixture) {
	f.mustPut(t, "folder/file")
	for _, name := range []string{"none", "no/ne", "folder"} {
		if _, err := f.store.Head(t.Context(), f.prefix+name); !errors.Is(err, objectstore.ErrNotFound) {
			t.Errorf("head %s: %v", name, err)
		}
		_, _, err := f.get(t, name, 0, -1)
		var e *objectstore.Error
		if !errors.Is(err, objectstore.ErrNotFound) || !errors.As(err, &e) {
			t.Fatalf("get %s: %v", name, err)
		}
		if e.Op != "get" || e.Key != f.prefix+name || e.Store == "" {
			t.Errorf("get %s: %+v", name, e)
		}
	}
}

func replace(t *testing.T, f fixture) {
	for _, body := range []string{"first", "the second one", "the second one", "3"} {
		if err := f.put(t, "k", body, objectstore.PutOptions{Metadata: map[string]string{"is": body}}); err != nil {
			t.Fatal(err)
		}
		got, info, err := f.get(t, "k", 0, -1)
		if err != nil || got != body || info.Metadata["is"] != body {
			t.Errorf("%q, %+v, error %v; want %q", got, info, err, body)
		}
	}
}

func ifAbsent(t *testing.T, f fixture) {
	once := func(who string) error {
		return f.put(t, "k", who, objectstore.PutOptions{IfAbsent: true, Metadata: map[string]string{"by": who}})
	}
	if err := once("first"); err != nil {
		t.Fatal(err)
	}
	if err := once("second"); !errors.Is(err, objectstore.ErrExists) {
		t.Errorf("error %v, want ErrExists", err)
	}
	got, info, err := f.get(t, "k", 0, -1)
	if err != nil || got != "first" || info.Metadata["by"] != "first" {
		t.Errorf("%q, %+v, error %v; want the first", got, info, err)
	}
}

func race(t *testing.T, f fixture) {
	for round := range 5 {
		name := fmt.Sprintf("k%d", round)
		errs := make([]error, 8)
		var group sync.WaitGroup
		for i := range errs {
			group.Go(func() {
				who := fmt.Sprint(i)
				errs[i] = f.put(t, name, who, objectstore.PutOptions{IfAbsent: true, Metadata: map[string]string{"by": who}})
			})
		}
		group.Wait()
		winner := ""
		for i, err := range errs {
			if err == nil {
				winner += fmt.Sprint(i)
			} else if !errors.Is(err, objectstore.ErrExists) {
				t.Errorf("loser %d: %v, want ErrExists", i, err)
			}
		}
		got, info, err := f.get(t, name, 0, -1)
		if err != nil || got != winner || info.Metadata["by"] != winner {
			t.Errorf("winners %q, stored %q by %q, error %v", winner, got, info.Metadata["by"], err)
		}
	}
}

func damaged(t *testing.T, f fixture) {
	body := []byte("the body")
	o := objectstore.PutOptions{SHA256: sha256.Sum256([]byte("another body"))}
	if err := f.store.Put(t.Context(), f.prefix+"k", bytes.NewReader(body), int64(len(body)), o); !errors.Is(err, objectstore.ErrDamaged) {
		t.Errorf("wrong SHA-256: %v, want ErrDamaged", err)
	}
	for _, size := range []int64{0, 7, 9} {
		err := f.store.Put(t.Context(), f.prefix+"k", bytes.NewReader(body), size, objectstore.PutOptions{})
		if !errors.Is(err, objectstore.ErrDamaged) {
			t.Errorf("size %d of 8: %v, want ErrDamaged", size, err)
		}
	}
	if got := f.list(t, "", objectstore.ListOptions{}); len(got) != 0 {
		t.Errorf("stored: %q", got)
	}
}

func invalid(t *testing.T, f fixture) {
	for _, key := range []string{"", "a\x00b", "a\xffb", strings.Repeat("x/", 513)} {
		put := f.store.Put(t.Context(), key, strings.NewReader("x"), 1, objectstore.PutOptions{})
		_, head := f.store.Head(t.Context(), key)
		_, _, get := f.store.Get(t.Context(), key, 0, -1)
		del := f.store.Delete(t.Context(), []string{key})
		for what, err := range map[string]error{"put": put, "head": head, "get": get, "delete": del} {
			if !errors.Is(err, objectstore.ErrInvalid) {
				t.Errorf("%s %.20q: %v, want ErrInvalid", what, key, err)
			}
		}
	}
	for _, meta := range []map[string]string{{"Upper": "x"}, {"": "x"}, {"k": "ü"}, {"k": "a\nb"}, {"k": " x"}, {"k": strings.Repeat("x", 2048)}} {
		if err := f.put(t, "k", "x", objectstore.PutOptions{Metadata: meta}); !errors.Is(err, objectstore.ErrInvalid) {
			t.Errorf("metadata %.40q: %v, want ErrInvalid", meta, err)
		}
	}
}

func cancelled(t *testing.T, f fixture) {
	f.mustPut(t, "k")
	ctx, cancel := context.WithCancel(t.Context())
	body, _, err := f.store.Get(ctx, f.prefix+"k", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	body.Close()
	cancel()
	calls := map[string]func() error{
		"list": func() (last error) {
			for _, err := range f.store.List(ctx, f.prefix, objectstore.ListOptions{}) {
				last = err
			}
			return last
		},
		"head":   func() error { _, err := f.store.Head(ctx, f.prefix+"k"); return err },
		"get":    func() error { _, _, err := f.store.Get(ctx, f.prefix+"k", 0, -1); return err },
		"get 0":  func() error { _, _, err := f.store.Get(ctx, f.prefix+"k", 0, 0); return err },
		"delete": func() error { return f.store.Delete(ctx, []string{f.prefix + "k"}) },
		"put": func() error {
			return f.store.Put(ctx, f.prefix+"new", strings.NewReader("x"), 1, objectstore.PutOptions{IfAbsent: true})
		},
	}
	for what, do := range calls {
		if err := do(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want the context's error", what, err)
		}
	}
	if d := cmp.Diff([]string{"k"}, f.list(t, "", objectstore.ListOptions{})); d != "" {
		t.Errorf("after cancelled calls (-want +got):\n%s", d)
	}
}
