package retention_test

import (
	"context"
	"fmt"
	"iter"
	"runtime"
	"testing"
	"time"

	"plan/internal/backup"
	"plan/internal/objectstore"
	"plan/internal/retention"
)

// endless is a store that makes up its objects, so that only what retention keeps takes memory.
type endless struct {
	objectstore.Store
	n    int
	meta map[string]string
}

func (e endless) List(context.Context, string, objectstore.ListOptions) iter.Seq2[objectstore.Object, error] {
	return func(yield func(objectstore.Object, error) bool) {
		for i := range e.n {
			k := backup.Key{Prefix: "b/", Cluster: "k3s", Artefact: backup.PVs, Started: start.Add(time.Duration(i) * time.Minute), Hash: fmt.Sprintf("%08x", i)}
			if !yield(objectstore.Object{Key: k.String()}, nil) {
				return
			}
		}
	}
}

func (e endless) Head(context.Context, string) (objectstore.Info, error) {
	return objectstore.Info{Metadata: e.meta}, nil
}

// BenchmarkSurvey shows what 100,000 candidates take: time, and heap that is in use afterwards.
func BenchmarkSurvey(b *testing.B) {
	store := endless{n: 100_000, meta: backup.Meta{Artefact: backup.PVs, Cluster: "k3s", ClusterUID: uid, Count: 5, Objects: 5}.Map()}
	o := options()
	o.MaxDelete, o.Keep.Last = store.n, 30
	b.ReportAllocs()
	for b.Loop() {
		plan, err := retention.Survey(b.Context(), store, o)
		if err != nil || len(plan.Remove) != store.n-30 {
			b.Fatal(len(plan.Remove), err)
		}
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.HeapAlloc)/(1<<20), "heap-MiB")
		runtime.KeepAlive(plan)
	}
}
