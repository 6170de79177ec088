package s3

import (
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"plan/internal/objectstore"
	"plan/internal/objectstore/s3test"
	"plan/internal/objectstore/storetest"
)

// fake starts a server and gives a store on it that does not wait between tries.
func fake(t *testing.T) (*s3test.Server, *Store) {
	t.Helper()
	server := s3test.New("bucket")
	http := httptest.NewServer(server)
	t.Cleanup(http.Close)
	store, err := New(t.Context(), Config{
		Bucket: "bucket", Endpoint: http.URL, PathStyle: true, AccessKey: "id", SecretKey: "secret", MaxBackoff: time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	return server, store
}

func TestConformance(t *testing.T) {
	storetest.Run(t, batch, func(t *testing.T) objectstore.Store {
		_, store := fake(t)
		return store
	})
}

func TestConformanceOfAServerWithSmallPages(t *testing.T) {
	storetest.Run(t, batch, func(t *testing.T) objectstore.Store {
		server, store := fake(t)
		server.PageLimit = 3
		return store
	})
}

// TestRealServer runs the suite on the S3 server that the environment names.
func TestRealServer(t *testing.T) {
	config := Config{
		Endpoint:  os.Getenv("PLAN_TEST_S3_ENDPOINT"),
		Bucket:    os.Getenv("PLAN_TEST_S3_BUCKET"),
		AccessKey: os.Getenv("PLAN_TEST_S3_ACCESS_KEY"),
		SecretKey: os.Getenv("PLAN_TEST_S3_SECRET_KEY"),
		CAFile:    os.Getenv("PLAN_TEST_S3_CA_FILE"),
		PathStyle: true,
	}
	if config.Endpoint == "" {
		const reason = "no real S3 server: PLAN_TEST_S3_ENDPOINT is not set"
		if os.Getenv("CI") == "true" && os.Getenv("PLAN_TEST_LAB") == "1" {
			t.Fatal(reason)
		}
		t.Skip(reason)
	}
	store, err := New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	storetest.Run(t, batch, func(*testing.T) objectstore.Store { return store })
}
