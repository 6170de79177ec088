package s3

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"plan/internal/objectstore/s3test"
)

func TestSessionIsResumedWithAServerThatClosesConnections(t *testing.T) {
	fake := s3test.New("bucket")
	var resumed []bool
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		resumed = append(resumed, r.TLS.DidResume)
		fake.ServeHTTP(w, r)
	}))
	server.Config.SetKeepAlivesEnabled(false)
	server.StartTLS()
	defer server.Close()
	store, err := New(t.Context(), Config{Bucket: "bucket", Endpoint: server.URL, PathStyle: true, AccessKey: "id", SecretKey: "s", Insecure: true})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := store.Head(t.Context(), "k"); err == nil {
			t.Fatal("there is no such key")
		}
	}
	if len(resumed) != 3 || resumed[0] || !resumed[1] || !resumed[2] {
		t.Errorf("sessions resumed: %v, want all but the first", resumed)
	}
}
