// Package storetest is what every objectstore.Store must pass.
package storetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"testing"

	"plan/internal/objectstore"

	"golang.org/x/sync/errgroup"
)

// Run checks the store that open gives against the contract. The store may be
// shared and hold other objects: each test works below a prefix of its own
// and removes what it made. open is called once per test. batch is how many
// keys one request lists or deletes, anything small for a store without requests.
func Run(t *testing.T, batch int, open func(*testing.T) objectstore.Store) {
	tests := map[string]func(*testing.T, fixture){
		"a listing is complete at every page size":          listPages,
		"a listing starts again when ranged again":          listTwice,
		"a listing stops with its consumer":                 listStops,
		"a shallow listing stays above the next slash":      listShallow,
		"a prefix is not taken for another one":             listSiblings,
		"a listing of nothing is empty":                     listNothing,
		"what was put is got":                               roundTrip,
		"odd keys are keys":                                 oddKeys,
		"an empty object is an object":                      emptyObject,
		"ranges":                                            ranges,
		"what is not there is not found":                    notFound,
		"a put replaces body and metadata together":         replace,
		"IfAbsent leaves the first":                         ifAbsent,
		"of eight at once one wins":                         race,
		"a damaged body is refused":                         damaged,
		"what is no key or metadata is refused":             invalid,
		"deleting more than a request takes":                deleteMany,
		"deleting what is not there is no error":            deleteMissing,
		"an ended context ends every method":                cancelled,
		"a context that ends in a listing ends the listing": cancelledList,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(t, newFixture(t, open(t), batch)) })
	}
}

// fixture is a store and the prefix that is the test's own.
type fixture struct {
	store  objectstore.Store
	batch  int
	prefix string
}

func newFixture(t *testing.T, store objectstore.Store, batch int) fixture {
	f := fixture{store: store, batch: batch, prefix: "conformance/" + rand.Text() + "/"}
	t.Cleanup(func() {
		ctx := context.Background() // the test's own has ended
		var keys []string
		for o, err := range store.List(ctx, f.prefix, objectstore.ListOptions{}) {
			if err != nil {
				t.Errorf("clean up: %v", err)
				return
			}
			keys = append(keys, o.Key)
		}
		if err := store.Delete(ctx, keys); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	return f
}

// put stores body below the test's prefix.
func (f fixture) put(t *testing.T, name, body string, o objectstore.PutOptions) error {
	t.Helper()
	o.SHA256 = sha256.Sum256([]byte(body))
	return f.store.Put(t.Context(), f.prefix+name, bytes.NewReader([]byte(body)), int64(len(body)), o)
}

func (f fixture) mustPut(t *testing.T, names ...string) {
	t.Helper()
	var group errgroup.Group
	group.SetLimit(16)
	for _, name := range names {
		group.Go(func() error { return f.put(t, name, "body of "+name, objectstore.PutOptions{}) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}

// get reads a part of the test's own object.
func (f fixture) get(t *testing.T, name string, offset, length int64) (string, objectstore.Info, error) {
	t.Helper()
	body, info, err := f.store.Get(t.Context(), f.prefix+name, offset, length)
	if err != nil {
		return "", info, err
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	return string(data), info, err
}

// list gives the names below the test's prefix.
func (f fixture) list(t *testing.T, prefix string, o objectstore.ListOptions) []string {
	t.Helper()
	names := []string{}
	for object, err := range f.store.List(t.Context(), f.prefix+prefix, o) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, object.Key[len(f.prefix):])
	}
	return names
}

func numbered(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("n/%05d", i)
	}
	return names
}
