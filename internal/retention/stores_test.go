package retention_test

import (
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"plan/internal/backup"
	"plan/internal/objectstore"
	"plan/internal/objectstore/dir"
	"plan/internal/objectstore/s3"
	"plan/internal/objectstore/s3test"
	"plan/internal/retention"
)

// meta is that of a sound backup of cluster k3s.
func meta() map[string]string {
	return backup.Meta{Artefact: backup.PVs, Cluster: "k3s", ClusterUID: uid, Run: "r", Count: 5, Objects: 5}.Map()
}

func s3Store(t *testing.T) (*s3test.Server, objectstore.Store) {
	t.Helper()
	server := s3test.New("backups")
	listener := httptest.NewServer(server)
	t.Cleanup(listener.Close)
	store, err := s3.New(t.Context(), s3.Config{Bucket: "backups", Endpoint: listener.URL, PathStyle: true, AccessKey: "a", SecretKey: "b"})
	if err != nil {
		t.Fatal(err)
	}
	return server, store
}

func left(server *s3test.Server) (keys []string) {
	for k := range server.Objects() {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func TestPruneOverS3ReachesBeyondAThousandKeys(t *testing.T) {
	server, store := s3Store(t)
	var keys []string
	for n := range 2300 {
		keys = append(keys, key("k3s", backup.PVs, n))
		server.Store(keys[n], s3test.Object{Metadata: meta()})
		server.Store(key("k3s-prod", backup.PVs, n), s3test.Object{Metadata: meta()})
		server.Store(strings.Replace(keys[n], "k3s/", "k3s/deeper/", 1), s3test.Object{Metadata: meta()})
	}
	o := options()
	o.Now, o.MaxDelete, o.Keep.Last = start.AddDate(0, 0, 2400), 5000, 30
	report, err := retention.Prune(t.Context(), store, o)
	if err != nil || !slices.Equal(report.Deleted, keys[:2270]) {
		t.Fatalf("deleted %d, %v", len(report.Deleted), err)
	}
	if got := len(left(server)); got != 2*2300+30 {
		t.Errorf("%d objects are left", got)
	}
	if n := server.Calls(s3test.Deletes); n != 3 {
		t.Errorf("%d requests to delete 2270 keys", n)
	}
}

func TestPruneOverS3DeletesNothingAfterASpoiltListing(t *testing.T) {
	effects := []s3test.Effect{
		s3test.AccessDenied, s3test.EmptyBody, s3test.ForeignBody, s3test.CutAnswer, s3test.RepeatToken, s3test.Circle, s3test.NoToken,
		s3test.NoFlag, s3test.ForeignKey, s3test.Unsorted,
	}
	for _, effect := range effects {
		t.Run(string(effect), func(t *testing.T) {
			server, store := s3Store(t)
			server.PageLimit = 10
			for n := range 30 {
				server.Store(key("k3s", backup.PVs, n), s3test.Object{Metadata: meta()})
			}
			server.Inject(s3test.Fault{Effect: effect, Op: s3test.List, Skip: 1})
			if report, err := retention.Prune(t.Context(), store, options()); err == nil {
				t.Errorf("no error, %d deleted", len(report.Deleted))
			}
			if n := server.Calls(s3test.Deletes) + server.Calls(s3test.Delete); n != 0 {
				t.Errorf("%d deletions", n)
			}
		})
	}
}

func TestPruneOverS3NamesTheKeyThatStays(t *testing.T) {
	server, store := s3Store(t)
	for n := range 6 {
		server.Store(key("k3s", backup.PVs, n), s3test.Object{Metadata: meta()})
	}
	locked := key("k3s", backup.PVs, 2)
	server.Inject(s3test.Fault{Effect: s3test.AccessDenied, Op: s3test.Deletes, Key: locked})
	report, err := retention.Prune(t.Context(), store, options())
	if err == nil || !strings.Contains(err.Error(), locked) || len(report.Deleted) != 3 {
		t.Errorf("deleted %v, error %v", report.Deleted, err)
	}
	if keys := left(server); !slices.Contains(keys, locked) || len(keys) != 3 {
		t.Errorf("left %v", keys)
	}
}

func TestPruneInADirectory(t *testing.T) {
	store, err := dir.New(dir.Config{Path: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	put := func(k string) {
		t.Helper()
		if err := store.Put(t.Context(), k, strings.NewReader("x"), 1, objectstore.PutOptions{Metadata: meta()}); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 5 {
		put(key("k3s", backup.PVs, n))
		put(key("k3s-prod", backup.PVs, n))
		put(fmt.Sprintf("b/k3s/old/%s", strings.TrimPrefix(key("k3s", backup.PVs, n), "b/k3s/")))
	}
	report, err := retention.Prune(t.Context(), store, options())
	if err != nil || len(report.Deleted) != 3 || report.Kept != 2 {
		t.Fatalf("%+v, %v", report, err)
	}
	count := 0
	for _, err := range store.List(t.Context(), "b/", objectstore.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		count++
	}
	if count != 12 {
		t.Errorf("%d objects are left, want 12", count)
	}
}
