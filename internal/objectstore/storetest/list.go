package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"plan/internal/objectstore"

	"github.com/google/go-cmp/cmp"
)

// tree has siblings of folders that sort before and after them.
var tree = []string{"a-b", "a/b", "a/c/d", "a0", "b", "c!", "c/x", "c/y", "c0", "d e", "z"}

func listPages(t *testing.T, f fixture) {
	f.mustPut(t, tree...)
	for _, size := range []int{0, 1, 2, 7, 1000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			got := f.list(t, "", objectstore.ListOptions{PageSize: size})
			if d := cmp.Diff(tree, got); d != "" {
				t.Errorf("keys in the order of their bytes (-want +got):\n%s", d)
			}
		})
	}
	for o, err := range f.store.List(t.Context(), f.prefix+"a/b", objectstore.ListOptions{}) {
		if err != nil || o.Size != int64(len("body of a/b")) || o.LastModified.IsZero() {
			t.Errorf("entry %+v, error %v", o, err)
		}
	}
}

func listTwice(t *testing.T, f fixture) {
	f.mustPut(t, "x")
	list := f.store.List(t.Context(), f.prefix, objectstore.ListOptions{})
	for range 2 {
		n := 0
		for _, err := range list {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n != 1 {
			t.Errorf("%d objects instead of 1", n)
		}
	}
}

func listStops(t *testing.T, f fixture) {
	f.mustPut(t, tree...)
	for range f.store.List(t.Context(), f.prefix, objectstore.ListOptions{PageSize: 2}) {
		break // an iterator that went on would panic
	}
}

func listShallow(t *testing.T, f fixture) {
	f.mustPut(t, tree...)
	for _, size := range []int{0, 1, 2, 7} {
		want := map[string][]string{
			"":   {"a-b", "a0", "b", "c!", "c0", "d e", "z"},
			"a":  {"a-b", "a0"},
			"a/": {"a/b"},
			"c/": {"c/x", "c/y"},
		}
		for prefix, names := range want {
			got := f.list(t, prefix, objectstore.ListOptions{PageSize: size, Shallow: true})
			if d := cmp.Diff(names, got); d != "" {
				t.Errorf("prefix %q, pages of %d (-want +got):\n%s", prefix, size, d)
			}
		}
	}
}

func listSiblings(t *testing.T, f fixture) {
	f.mustPut(t, "k3s/one", "k3s-prod/two", "k3s/sub/three")
	want := map[string][]string{
		"k3s/":      {"k3s/one", "k3s/sub/three"},
		"k3s-prod/": {"k3s-prod/two"},
		"k3s":       {"k3s-prod/two", "k3s/one", "k3s/sub/three"},
		"k3s/o":     {"k3s/one"},
		"3s":        {},
	}
	for prefix, names := range want {
		if d := cmp.Diff(names, f.list(t, prefix, objectstore.ListOptions{})); d != "" {
			t.Errorf("prefix %q (-want +got):\n%s", prefix, d)
		}
	}
}

func listNothing(t *testing.T, f fixture) {
	for _, prefix := range []string{"", "none", "none/", "none/at all"} {
		if got := f.list(t, prefix, objectstore.ListOptions{}); len(got) != 0 {
			t.Errorf("prefix %q: %q", prefix, got)
		}
	}
}

func deleteMany(t *testing.T, f fixture) {
	names := numbered(f.batch + 1)
	f.mustPut(t, names...)
	f.mustPut(t, "other")
	var keys []string
	for _, name := range names {
		keys = append(keys, f.prefix+name)
	}
	if got := f.list(t, "n/", objectstore.ListOptions{}); !slices.Equal(got, names) {
		t.Fatalf("%d keys listed before, %d put", len(got), len(names))
	}
	if err := f.store.Delete(t.Context(), keys); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"other"}, f.list(t, "", objectstore.ListOptions{})); d != "" {
		t.Errorf("after the delete (-want +got):\n%s", d)
	}
}

func deleteMissing(t *testing.T, f fixture) {
	f.mustPut(t, "there")
	if err := f.store.Delete(t.Context(), nil); err != nil {
		t.Errorf("no keys: %v", err)
	}
	for range 2 {
		if err := f.store.Delete(t.Context(), []string{f.prefix + "there", f.prefix + "not/there"}); err != nil {
			t.Error(err)
		}
	}
	if got := f.list(t, "", objectstore.ListOptions{}); len(got) != 0 {
		t.Errorf("left: %q", got)
	}
}

func cancelledList(t *testing.T, f fixture) {
	f.mustPut(t, tree...)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen, errs := 0, 0
	for _, err := range f.store.List(ctx, f.prefix, objectstore.ListOptions{PageSize: 7}) {
		if err != nil {
			errs++
			if !errors.Is(err, context.Canceled) {
				t.Errorf("error %v, want the context's", err)
			}
			continue
		}
		seen++
		cancel()
	}
	if seen != 1 || errs != 1 {
		t.Errorf("%d objects and %d errors, want one of each", seen, errs)
	}
}
