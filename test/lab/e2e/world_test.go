package e2e

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

func clusterUID(ctx context.Context, c *kubernetes.Clientset) (string, error) {
	ns, err := c.CoreV1().Namespaces().Get(ctx, "kube-system", metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("read the cluster's UID: %w", err)
	}
	return string(ns.UID), nil
}

// keys lists the bucket below a prefix: each key with its ETag.
func (r *rig) keys(t *testing.T, prefix string) map[string]string {
	t.Helper()
	out := map[string]string{}
	pages := s3.NewListObjectsV2Paginator(r.s3, &s3.ListObjectsV2Input{Bucket: &r.S3.Bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			out[*o.Key] = aws.ToString(o.ETag)
		}
	}
	return out
}

// names are the keys below a prefix, sorted.
func (r *rig) names(t *testing.T, prefix string) []string {
	t.Helper()
	return slices.Sorted(maps.Keys(r.keys(t, prefix)))
}

func (r *rig) put(ctx context.Context, key string, body []byte, meta map[string]string) error {
	_, err := r.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: &r.S3.Bucket, Key: &key, Body: bytes.NewReader(body), Metadata: meta})
	return err
}

// object reads an object with its metadata.
func (r *rig) object(t *testing.T, key string) ([]byte, map[string]string) {
	t.Helper()
	got, err := r.s3.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &r.S3.Bucket, Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	body, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	return body, got.Metadata
}

// list is a stored backup as any JSON program sees it.
type list struct {
	Kind  string
	Items []map[string]any
}

// backup reads a backup from the bucket, with no code of the product.
func (r *rig) backup(t *testing.T, key string) (list, string) {
	t.Helper()
	body, _ := r.object(t, key)
	plain := unzip(t, body)
	var l list
	decode(t, plain, &l)
	return l, hexSHA(body)
}

func unzip(t *testing.T, body []byte) []byte {
	t.Helper()
	zr, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(zr)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

// decode keeps numbers as they are written.
func decode(t *testing.T, data []byte, v any) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(v); err != nil {
		t.Fatal(err)
	}
}

func hexSHA(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// kinds counts the objects of each kind.
func (l list) kinds() map[string]int {
	out := map[string]int{}
	for _, item := range l.Items {
		out[item["kind"].(string)]++
	}
	return out
}

// raw is what the API server itself answers.
func (r *rig) raw(t *testing.T, path string) []byte {
	t.Helper()
	raw, err := r.kube.RESTClient().Get().AbsPath(path).SetHeader("Accept", "application/json").DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// count is how many objects kubectl would show.
func (r *rig) count(t *testing.T, path string) int {
	t.Helper()
	var l list
	decode(t, r.raw(t, path), &l)
	return len(l.Items)
}

// world is all that a refused run must leave as it was: the bucket, and the objects of the cluster with their versions.
func (r *rig) world(t *testing.T) map[string]string {
	t.Helper()
	out := r.keys(t, "")
	for _, path := range []string{
		"/api/v1/nodes", "/api/v1/persistentvolumes", "/api/v1/persistentvolumeclaims", "/api/v1/namespaces", "/api/v1/secrets",
		"/api/v1/configmaps", "/api/v1/pods", "/apis/batch/v1/jobs", "/apis/storage.k8s.io/v1/storageclasses",
		"/apis/rbac.authorization.k8s.io/v1/clusterroles", "/apis/rbac.authorization.k8s.io/v1/rolebindings",
	} {
		var l struct {
			Items []struct{ Metadata metav1.ObjectMeta }
		}
		decode(t, r.raw(t, path), &l)
		for _, item := range l.Items {
			out[path+"/"+item.Metadata.Namespace+"/"+item.Metadata.Name] = item.Metadata.ResourceVersion
		}
	}
	return out
}

// unchanged wants the world as it was.
func (r *rig) unchanged(t *testing.T, before map[string]string) {
	t.Helper()
	after := r.world(t)
	var changes []string
	for name := range after {
		if before[name] != after[name] {
			changes = append(changes, "new or changed: "+name)
		}
	}
	for name := range before {
		if _, ok := after[name]; !ok {
			changes = append(changes, "gone: "+name)
		}
	}
	if len(changes) > 0 {
		slices.Sort(changes)
		t.Errorf("something changed:\n%s", strings.Join(changes, "\n"))
	}
}

func (r *rig) remove(t *testing.T, key string) {
	t.Helper()
	if _, err := r.s3.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &r.S3.Bucket, Key: &key}); err != nil {
		t.Fatal(err)
	}
}
