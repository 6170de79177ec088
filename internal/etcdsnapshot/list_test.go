package etcdsnapshot_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plan/internal/etcdsnapshot"
	"plan/internal/objectstore"
	"plan/internal/objectstore/s3"
	"plan/internal/objectstore/s3test"
	"plan/internal/retention/retentiontest"
)

const folder = "k3s-etcd-snapshots/"

var taken = time.Unix(1768478400, 0).UTC()

// key is one of a snapshot made so many hours before taken.
func key(base string, hours int) string {
	return fmt.Sprintf("%s%s-%d", folder, base, taken.Add(-time.Duration(hours)*time.Hour).Unix())
}

func TestListSortsWhatIsThere(t *testing.T) {
	store := &retentiontest.Store{}
	for k, size := range map[string]int{
		key("etcd-snapshot-a.example.org", 12): 1, key("etcd-snapshot-a.example.org", 0): 3, key("on-demand-b-2", 6) + ".zip": 2,
		key("etcd-snapshot-b-2", 3): 0, key("etcd-snapshot-b-2", 9): 0,
		folder + ".metadata/etcd-snapshot-b-2-1768478400": 5, folder + "old/etcd-snapshot-b-2-1768478400": 5, folder + "README.md": 0, folder + "1768478400": 5,
		folder: 0, folder + "old/": 0, "k3s-etcd-snapshots-other/etcd-snapshot-b-2-1768478400": 5,
	} {
		store.Add(k, make([]byte, size), nil)
	}
	got, err := etcdsnapshot.List(t.Context(), store, folder, nil)
	if err != nil {
		t.Fatal(err)
	}
	hours := func(n int) time.Time { return taken.Add(-time.Duration(n) * time.Hour) }
	snapshot := func(base, suffix string, n int, size int64) etcdsnapshot.Snapshot {
		k := key(base, n) + suffix
		return etcdsnapshot.Snapshot{Key: k, Name: k[len(folder):], Time: hours(n), Size: size, LastModified: time.Unix(0, 0).UTC(), Zip: suffix != ""}
	}
	want := etcdsnapshot.Listing{
		Snapshots: []etcdsnapshot.Snapshot{snapshot("etcd-snapshot-a.example.org", "", 0, 3), snapshot("on-demand-b-2", ".zip", 6, 2), snapshot("etcd-snapshot-a.example.org", "", 12, 1)},
		Empty:     etcdsnapshot.Empties{Others: etcdsnapshot.Others{Count: 2, Examples: []string{key("etcd-snapshot-b-2", 9), key("etcd-snapshot-b-2", 3)}}, Newest: snapshot("etcd-snapshot-b-2", "", 3, 0)},
		Sidecars:  etcdsnapshot.Others{Count: 1, Examples: []string{folder + ".metadata/etcd-snapshot-b-2-1768478400"}},
		Nested:    etcdsnapshot.Others{Count: 1, Examples: []string{folder + "old/etcd-snapshot-b-2-1768478400"}},
		Foreign:   etcdsnapshot.Others{Count: 2, Examples: []string{folder + "1768478400", folder + "README.md"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestTheNewestIsFoundBehindAThousandKeys: a page of a listing has 1,000, and the key of the newest need not be on the first.
func TestTheNewestIsFoundBehindAThousandKeys(t *testing.T) {
	server := s3test.New("bucket")
	for i := range 2500 {
		server.Store(key(fmt.Sprintf("etcd-snapshot-n%04d", i), 2500-i), s3test.Object{Body: []byte("x"), LastModified: taken})
	}
	store := serve(t, server)
	asked := int64(0)
	l, err := etcdsnapshot.List(t.Context(), store, folder, func(_ string, done, _ int64, _ string) { asked = done })
	if err != nil || len(l.Snapshots) != 2500 || l.Snapshots[0].Key != key("etcd-snapshot-n2499", 1) || asked != 2000 {
		t.Errorf("%d snapshots, the newest %+v, progress %d, %v", len(l.Snapshots), l.Snapshots[0], asked, err)
	}
}

// TestHalfAListingIsAnError spoils the second page in every way.
func TestHalfAListingIsAnError(t *testing.T) {
	for _, effect := range []s3test.Effect{s3test.AccessDenied, s3test.NoSuchBucket, s3test.CutAnswer, s3test.NoToken, s3test.RepeatToken, s3test.EmptyBody, s3test.ForeignBody, s3test.ErrorIn200} {
		t.Run(string(effect), func(t *testing.T) {
			server := s3test.New("bucket")
			for i := range 1500 {
				server.Store(key("etcd-snapshot-n", i), s3test.Object{Body: []byte("x"), LastModified: taken})
			}
			server.Inject(s3test.Fault{Effect: effect, Op: s3test.List, Skip: 1})
			l, err := etcdsnapshot.List(t.Context(), serve(t, server), folder, nil)
			if err == nil || len(l.Snapshots) != 0 {
				t.Errorf("%d snapshots, %v", len(l.Snapshots), err)
			}
		})
	}
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := etcdsnapshot.List(ctx, &retentiontest.Store{}, folder, nil); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func serve(t *testing.T, server *s3test.Server) objectstore.Store {
	t.Helper()
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	store, err := s3.New(t.Context(), s3.Config{Bucket: "bucket", Endpoint: web.URL, Region: "r", PathStyle: true, AccessKey: "a", SecretKey: "s", MaxBackoff: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func TestHead(t *testing.T) {
	cases := map[string]struct {
		metadata map[string]string
		want     etcdsnapshot.Meta
	}{
		"k3s":           {map[string]string{"k3s-cluster-id": "u", "k3s-node-name": "n", "k3s-token-hash": "h"}, etcdsnapshot.Meta{ClusterID: "u", Node: "n", TokenHash: "h"}},
		"an older k3s":  {map[string]string{"k3s-cluster-id": "u", "k3s-node-name": "n"}, etcdsnapshot.Meta{ClusterID: "u", Node: "n"}},
		"RKE2":          {map[string]string{"rke2-cluster-id": "u", "rke2-node-name": "n", "rke2-token-hash": "h"}, etcdsnapshot.Meta{ClusterID: "u", Node: "n", TokenHash: "h"}},
		"none":          {nil, etcdsnapshot.Meta{}},
		"somebody else": {map[string]string{"cluster-id": "u", "x-k3s-cluster-id": "v"}, etcdsnapshot.Meta{}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			store := &retentiontest.Store{}
			store.Add("k", []byte("x"), tc.metadata)
			got, err := etcdsnapshot.Head(t.Context(), store, "k")
			if diff := cmp.Diff(tc.want, got); diff != "" || err != nil {
				t.Error(diff, err)
			}
		})
	}
	if _, err := etcdsnapshot.Head(t.Context(), &retentiontest.Store{}, "k"); !errors.Is(err, objectstore.ErrNotFound) {
		t.Error(err)
	}
}
