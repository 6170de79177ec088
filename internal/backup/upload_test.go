package backup_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"testing"
	"time"

	"plan/internal/backup"
	"plan/internal/kube"
	"plan/internal/kube/kubetest"
	"plan/internal/objectstore"
	"plan/internal/retention/retentiontest"
	"plan/internal/spool"
)

var started = time.Date(2026, 1, 15, 2, 0, 5, 0, time.UTC)

func keys(n int) (backup.Key, error) {
	return backup.NewKey("pv-backups", "home", backup.PVs, started, fmt.Sprintf("0000000%d", n))
}

const firstKey = "pv-backups/home/pvs-20260115-020005-00000000.json.gz"

// document makes one of n volumes in a run.
func document(t *testing.T, run, uid string, n int) backup.Content {
	t.Helper()
	s := kubetest.New(t)
	pvs := kube.Resource{Version: "v1", Resource: "persistentvolumes"}
	for i := range n {
		s.Add(pvs, "PersistentVolume", fmt.Sprintf(`{"metadata":{"name":"pv-%d"},"status":{"phase":"Bound"}}`, i))
	}
	buffer := spool.New(t.TempDir())
	t.Cleanup(func() { buffer.Close() })
	w, err := backup.NewWriter(buffer, backup.Index{Artefact: backup.PVs, Cluster: backup.Cluster{Name: "home", UID: uid}, Run: run, CreatedAt: started})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.List(t.Context(), s.Client(t), pvs, nil, nil); err != nil {
		t.Fatal(err)
	}
	index, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return backup.Content{Spool: buffer, Index: index}
}

type warnings []string

func (w *warnings) add(format string, args ...any) { *w = append(*w, fmt.Sprintf(format, args...)) }

func upload(t *testing.T, store objectstore.Store, c backup.Content) (backup.Stored, warnings, error) {
	t.Helper()
	var w warnings
	stored, err := backup.Upload(t.Context(), store, keys, c, w.add)
	return stored, w, err
}

func TestUploadStoresAndReadsBack(t *testing.T) {
	var store retentiontest.Store
	c := document(t, "run-1", "uid", 3)
	stored, warned, err := upload(t, &store, c)
	if err != nil || len(warned) != 0 {
		t.Fatal(err, warned)
	}
	if stored.Key.String() != firstKey || stored.Adopted || stored.Size != c.Spool.Size() || stored.Meta != c.Meta() || stored.Index.Bound() != 3 {
		t.Errorf("%+v", stored)
	}
	var ops []string
	for _, call := range store.Calls() {
		ops = append(ops, call.Op)
	}
	if got := strings.Join(ops, " "); got != "put get" {
		t.Errorf("calls %q, want one put and one get", got)
	}
}

func TestRepeatedUploadAdoptsWhatIsStored(t *testing.T) {
	var store retentiontest.Store
	first, _, err := upload(t, &store, document(t, "run-1", "uid", 3))
	if err != nil {
		t.Fatal(err)
	}
	// Meanwhile the cluster has more volumes: what is stored counts.
	again, warned, err := upload(t, &store, document(t, "run-1", "uid", 4))
	if err != nil || len(warned) != 0 {
		t.Fatal(err, warned)
	}
	if !again.Adopted || again.Meta != first.Meta || again.Index.Objects != 3 || len(store.Keys()) != 1 {
		t.Errorf("%+v", again)
	}
}

// stored is a sound backup as a store has it.
func stored(t *testing.T, run, uid string) (body []byte, meta map[string]string) {
	t.Helper()
	c := document(t, run, uid, 2)
	body = make([]byte, c.Spool.Size())
	if _, err := c.Spool.Reader().Read(body); err != nil {
		t.Fatal(err)
	}
	return body, c.Meta().Map()
}

func TestUploadLeavesWhatIsNotItsOwnAndTakesAnotherKey(t *testing.T) {
	tests := map[string]func(t *testing.T) ([]byte, map[string]string){
		"an object of 3 bytes": func(t *testing.T) ([]byte, map[string]string) {
			body, meta := stored(t, "run-1", "uid")
			return body[:3], meta
		},
		"an empty object":   func(t *testing.T) ([]byte, map[string]string) { _, meta := stored(t, "run-1", "uid"); return nil, meta },
		"no metadata":       func(t *testing.T) ([]byte, map[string]string) { body, _ := stored(t, "run-1", "uid"); return body, nil },
		"another cluster's": func(t *testing.T) ([]byte, map[string]string) { return stored(t, "run-1", "other") },
		"another run's":     func(t *testing.T) ([]byte, map[string]string) { return stored(t, "run-2", "uid") },
		"metadata's own hash": func(t *testing.T) ([]byte, map[string]string) {
			return withMeta(t, "plan-sha256", strings.Repeat("0", 64))
		},
		"metadata's count":   func(t *testing.T) ([]byte, map[string]string) { return withMeta(t, "plan-count", "1") },
		"malformed metadata": func(t *testing.T) ([]byte, map[string]string) { return withMeta(t, "plan-count", "many") },
		"a later format":     func(t *testing.T) ([]byte, map[string]string) { return withMeta(t, "plan-format", "2") },
	}
	for name, there := range tests {
		t.Run(name, func(t *testing.T) {
			var store retentiontest.Store
			body, meta := there(t)
			store.Add(firstKey, body, meta)
			got, warned, err := upload(t, &store, document(t, "run-1", "uid", 3))
			if err != nil {
				t.Fatal(err)
			}
			if got.Adopted || !strings.HasSuffix(got.Key.String(), "-00000001.json.gz") || got.Index.Objects != 3 {
				t.Errorf("%+v", got)
			}
			if len(warned) != 1 || !strings.Contains(warned[0], firstKey) {
				t.Errorf("warnings %q", warned)
			}
			if still, info, err := store.Get(t.Context(), firstKey, 0, -1); err != nil || info.Size != int64(len(body)) {
				t.Errorf("what was there is changed: %v, %v", info, err)
			} else {
				still.Close()
			}
		})
	}
}

func withMeta(t *testing.T, key, value string) ([]byte, map[string]string) {
	t.Helper()
	body, meta := stored(t, "run-1", "uid")
	meta = maps.Clone(meta)
	meta[key] = value
	return body, meta
}

func TestUploadGivesUpWhenEveryKeyIsTaken(t *testing.T) {
	var store retentiontest.Store
	for n := range 10 {
		k, err := keys(n)
		if err != nil {
			t.Fatal(err)
		}
		store.Add(k.String(), []byte("abc"), nil)
	}
	_, warned, err := upload(t, &store, document(t, "run-1", "uid", 1))
	if err == nil || len(warned) != 5 {
		t.Errorf("%v, %q", err, warned)
	}
}

// truncating keeps the first bytes of what is put, and says nothing.
type truncating struct {
	*retentiontest.Store
	keep int64
}

func (s truncating) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, o objectstore.PutOptions) error {
	part := make([]byte, s.keep)
	if _, err := body.Read(part); err != nil {
		return err
	}
	s.Add(key, part, o.Metadata)
	return nil
}

func TestTruncatedUploadIsFound(t *testing.T) {
	store := truncating{new(retentiontest.Store), 3}
	_, _, err := upload(t, store, document(t, "run-1", "uid", 3))
	if !errors.Is(err, backup.ErrDamaged) || !strings.Contains(err.Error(), "its 3 bytes") || !strings.Contains(err.Error(), firstKey) {
		t.Errorf("error %v", err)
	}
	if !errors.Is(err, objectstore.ErrDamaged) {
		t.Errorf("error %v is not one after which another attempt is made", err)
	}
}

func TestVerifyTellsABrokenConnectionFromADamagedBackup(t *testing.T) {
	store := &retentiontest.Store{}
	if _, _, err := upload(t, store, document(t, "run-1", "uid", 3)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	store.Fault = func(context.Context, string, string) error { cancel(); return nil }
	if _, err := backup.Verify(ctx, store, firstKey); !errors.Is(err, context.Canceled) || errors.Is(err, backup.ErrDamaged) {
		t.Errorf("error %v, want Canceled", err)
	}
	store.Fault = nil
	if _, err := backup.Verify(t.Context(), store, firstKey+"x"); err == nil {
		t.Error("a foreign key is verified")
	}
	missing := strings.Replace(firstKey, "00000000", "00000009", 1)
	if _, err := backup.Verify(t.Context(), store, missing); !errors.Is(err, objectstore.ErrNotFound) {
		t.Errorf("error %v, want ErrNotFound", err)
	}
}

func TestObjectsGivesThemInOrderAndStops(t *testing.T) {
	store := &retentiontest.Store{}
	if _, _, err := upload(t, store, document(t, "run-1", "uid", 3)); err != nil {
		t.Fatal(err)
	}
	var names []string
	for o, err := range backup.Objects(t.Context(), store, firstKey) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, o.Kind)
		if len(names) == 2 {
			break
		}
	}
	if len(names) != 2 {
		t.Errorf("%v", names)
	}
	body, meta := stored(t, "run-1", "uid")
	store.Add(firstKey, body[:len(body)-1], meta)
	var last error
	for _, err := range backup.Objects(t.Context(), store, firstKey) {
		last = err
	}
	if !errors.Is(last, backup.ErrDamaged) {
		t.Errorf("error %v, want ErrDamaged", last)
	}
}
