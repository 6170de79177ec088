package s3

import (
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"plan/internal/objectstore"
)

// page is what encoding/xml reads in a listing.
type page struct {
	XMLName     xml.Name
	IsTruncated string
	Contents    []struct{ Key string }
}

// FuzzListing: whatever a server answers with, a listing is an error or it is whole. Whole is what another reader finds complete as well, with
// every key in it, in growing order and below the prefix.
func FuzzListing(f *testing.F) {
	entry := "<Contents><Key>p/a</Key><Size>1</Size><LastModified>2025-01-01T00:00:00Z</LastModified></Contents>"
	for _, s := range []string{
		"", "<html/>", "<ListBucketResult/>", "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>",
		"<ListBucketResult>" + entry + "<IsTruncated>false</IsTruncated></ListBucketResult>",
		"<ListBucketResult>" + entry + entry + "<IsTruncated>false</IsTruncated></ListBucketResult>",
		"<ListBucketResult>" + entry + "<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken></ListBucketResult>",
		"<ListBucketResult>" + entry + "<IsTruncated>false</IsTruncated>", "<?xml version='1.0'?>\n<!-- x --><Error><Code>AccessDenied</Code></Error>",
		"<ListBucketResult><Contents><Key>q</Key><Size>1</Size></Contents><IsTruncated>false</IsTruncated></ListBucketResult>",
		"<ListBucketResult><Contents><Key>p/b</Key><Size>-1</Size></Contents><IsTruncated>no</IsTruncated></ListBucketResult>", "<ListBucketResult>&x;</ListBucketResult>",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		keys, err := listed(t, body)
		if err != nil {
			return
		}
		var other page
		if err := xml.NewDecoder(strings.NewReader(body)).Decode(&other); err != nil {
			t.Fatalf("a listing of %q, which is no document: %v", body, err)
		}
		if other.XMLName.Local != "ListBucketResult" || len(keys) != len(other.Contents) {
			t.Fatalf("%q of <%s> with %d entries", keys, other.XMLName.Local, len(other.Contents))
		}
		last := ""
		for i, key := range keys {
			if key <= last || !strings.HasPrefix(key, "p/") || other.Contents[i].Key != key {
				t.Fatalf("%q after %q, and the answer has %q", key, last, other.Contents[i].Key)
			}
			last = key
		}
	})
}

// listed lists below p/ on a server that answers once, and then fails for good.
func listed(t *testing.T, body string) (keys []string, err error) {
	answered := false
	server := roundTripper(func(*http.Request) (*http.Response, error) {
		if answered {
			return &http.Response{StatusCode: http.StatusForbidden, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(""))}, nil
		}
		answered = true
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body))}, nil
	})
	store, err := New(t.Context(), Config{Bucket: "bucket", Endpoint: "http://h", PathStyle: true, AccessKey: "id", SecretKey: "s", MaxBackoff: time.Nanosecond,
		WrapTransport: func(http.RoundTripper) http.RoundTripper { return server }})
	if err != nil {
		t.Fatal(err)
	}
	for object, err := range store.List(t.Context(), "p/", objectstore.ListOptions{}) {
		if err != nil {
			if known := (*objectstore.Error)(nil); !errors.As(err, &known) || known.Op != "list" {
				t.Fatalf("the error is %T: %v", err, err)
			}
			return nil, err
		}
		if object.Size < 0 {
			t.Fatalf("%q has the size %d", object.Key, object.Size)
		}
		keys = append(keys, object.Key)
	}
	return keys, nil
}
