package verifystore

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"
)

// FuzzQuantity: a size that is taken is not negative, and is exactly what Kubernetes reads.
func FuzzQuantity(f *testing.F) {
	for _, s := range []string{"0", "10Mi", "1.5Gi", "-1Ki", "1e3", "1E", "0x10", "1e400", "9223372036854775807", "9223372036854775808", "8Ei", "10MB", "1m", "", " 1", "+1", ".5Ki", "1_000"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := bytes(s)
		if err != nil {
			return
		}
		q, err := resource.ParseQuantity(s)
		if err != nil || n < 0 || q.Cmp(*resource.NewQuantity(n, resource.BinarySI)) != 0 {
			t.Fatalf("%q was read as %d; %v", s, n, err)
		}
	})
}
