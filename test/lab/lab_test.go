package lab

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
)

// startLab starts a lab that ends with the test, and fails when one of its processes is left.
func startLab(t *testing.T, dir string, opts Options) *Lab {
	t.Helper()
	opts.Log = t.Logf
	l, err := Start(t.Context(), dir, opts)
	if err != nil {
		t.Fatal(errors.Join(err, Stop(context.Background(), dir)))
	}
	t.Cleanup(func() {
		if err := l.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return l
}

func pids(dir string) map[string]int {
	out := map[string]int{}
	for _, p := range Status(dir) {
		if p.Running {
			out[p.Name] = p.PID
		}
	}
	return out
}

// TestLab is one test because each start costs seconds: two labs side by side, a second start, the seed, a stop.
func TestLab(t *testing.T) {
	if os.Getenv("PLAN_TEST_KUBECONFIG") != "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("PLAN_TEST_KUBECONFIG is set: the lab's own cluster would go untested")
		}
		t.Skip("PLAN_TEST_KUBECONFIG is set: this tests the lab's own cluster")
	}
	dirA, dirB := t.TempDir(), t.TempDir()
	b := make(chan *Lab)
	go func() {
		l, err := Start(t.Context(), dirB, Options{NoControllers: true})
		if err != nil {
			t.Error(err)
		}
		b <- l
	}()
	labA := startLab(t, dirA, Options{})
	labB := <-b
	if labB == nil {
		t.Fatal("the second lab did not start")
	}
	t.Cleanup(func() { labB.Stop(context.Background()) })

	t.Run("two labs are two clusters", func(t *testing.T) {
		if a, b := clusterUID(t, labA), clusterUID(t, labB); a == b {
			t.Errorf("both have UID %s", a)
		}
		if labA.S3.Endpoint == labB.S3.Endpoint || labA.Bitwarden.URL == labB.Bitwarden.URL {
			t.Error("they share an address")
		}
	})
	t.Run("a second start keeps every process", func(t *testing.T) {
		before := pids(dirA)
		again, err := Start(t.Context(), dirA, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer again.closeServed()
		if after := pids(dirA); len(before) != 4 || !maps.Equal(before, after) {
			t.Errorf("processes before %v, after %v", before, after)
		}
	})
	t.Run("S3 and Bitwarden answer over TLS", func(t *testing.T) { testServers(t, labA) })
	t.Run("seed", func(t *testing.T) { testSeed(t, labA) })
	t.Run("seed volumes without controllers", func(t *testing.T) { testSeedPVs(t, labB) })
	t.Run("stop leaves no process and a start brings the data back, at another port", func(t *testing.T) { testStop(t, labB) })
}

func testStop(t *testing.T, l *Lab) {
	uid, was := clusterUID(t, l), pids(l.Dir)
	if err := l.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, pid := range was {
		if p, err := readProcess(pid); err == nil && !p.dead() {
			t.Errorf("%s (pid %d) is still there: %+v", name, pid, p)
		}
	}
	if left := Status(l.Dir); len(left) != 0 {
		t.Errorf("still recorded: %v", left)
	}
	before := settingsOf(t, l.Dir)
	other, err := net.Listen("tcp", folder{}.addr(before, "apiserver"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	again := startLab(t, l.Dir, Options{NoControllers: true})
	if got := clusterUID(t, again); got != uid {
		t.Errorf("cluster UID was %s, is %s", uid, got)
	}
	testMoved(t, again, before)
}

// testMoved wants the cluster of a lab whose API server had to take another port to have moved the Service kubernetes, too.
func testMoved(t *testing.T, l *Lab, was settings) {
	t.Helper()
	want := settingsOf(t, l.Dir).inPods()
	if want.Equal(was.inPods()) {
		t.Fatalf("it did not move: %s", want)
	}
	c, err := l.Client()
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	err = wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		service, err := c.CoreV1().Services("default").Get(ctx, "kubernetes", metav1.GetOptions{})
		if err == nil {
			got = service.Spec.ClusterIP
		}
		return err == nil, nil // kube-apiserver makes it a moment after it is ready
	})
	if err != nil || got != want.String() {
		t.Errorf("the Service kubernetes is at %q, want %s: %v", got, want, err)
	}
}

func clusterUID(t *testing.T, l *Lab) string {
	t.Helper()
	c, err := l.Client()
	if err != nil {
		t.Fatal(err)
	}
	ns, err := c.CoreV1().Namespaces().Get(t.Context(), "kube-system", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return string(ns.UID)
}

func testServers(t *testing.T, l *Lab) {
	c, err := l.S3Client()
	if err != nil {
		t.Fatal(err)
	}
	key := "dir/hello"
	if _, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &l.S3.Bucket, Key: &key, Body: strings.NewReader("hi")}); err != nil {
		t.Error(err)
	}
	if c, err = l.LimitedS3().Client(l.CAFile); err != nil {
		t.Fatal(err)
	}
	get := func() error {
		_, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &l.S3.Bucket, Key: &key})
		return err
	}
	if err := get(); err == nil || !strings.Contains(err.Error(), "AccessDenied") {
		t.Errorf("the limited user reads: %v, want AccessDenied", err)
	}
	if err := l.AllowLimited(t.Context(), "s3:GetObject", "s3:ListBucket"); err != nil {
		t.Error(err)
	}
	if err := get(); err != nil {
		t.Errorf("the limited user reads, being allowed to: %v", err)
	}
	if _, err := c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &l.S3.Bucket, Key: &key}); err == nil {
		t.Error("the limited user deletes, being allowed to read alone")
	}
	if v, ok := l.BitwardenServer.Value(l.Bitwarden.SecretKeyID); !ok || v != l.S3.SecretKey {
		t.Error("Bitwarden does not hold the S3 secret key")
	}
	client, err := httpClient(l.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Get(l.Bitwarden.URL + "/api/projects/" + l.Bitwarden.Project)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("Bitwarden without a login answers %s, want 401", resp.Status)
	}
}

func testSeed(t *testing.T, l *Lab) {
	for range 2 { // the second changes nothing
		if err := l.Seed(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	c, err := l.Client()
	if err != nil {
		t.Fatal(err)
	}
	// A volume is in its phase a moment before its claim is.
	err = wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		pvcs, err := c.CoreV1().PersistentVolumeClaims("").List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, err
		}
		return len(pvcs.Items) == 27 && !slices.ContainsFunc(pvcs.Items, func(p corev1.PersistentVolumeClaim) bool {
			return p.Status.Phase != corev1.ClaimBound || p.Annotations["pv.kubernetes.io/bind-completed"] != "yes"
		}), nil
	})
	if err != nil {
		t.Errorf("the claims are not all bound: %v", err)
	}
	for _, n := range seedNodes() {
		got, err := c.CoreV1().Nodes().Get(t.Context(), n.name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if cpu := got.Status.Capacity.Cpu().String(); n.cpu != "" && (cpu != n.cpu || len(got.Spec.Taints) != len(n.object().Spec.Taints)) {
			t.Errorf("node %s: cpu %s, taints %v", n.name, cpu, got.Spec.Taints)
		}
	}
}

func testSeedPVs(t *testing.T, l *Lab) {
	if err := l.SeedPVs(t.Context(), 40); err != nil {
		t.Fatal(err)
	}
	c, err := l.Client()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := c.CoreV1().RESTClient().Get().Resource("persistentvolumes").SetHeader("Accept", "application/json").DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if size := len(raw) / 40; size < 3000 || size > 3600 {
		t.Errorf("a volume has %d bytes of JSON, want about 3,300", size)
	}
	claims, err := c.CoreV1().PersistentVolumeClaims("").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(claims.Items) != 40 {
		t.Errorf("%d claims, want 40", len(claims.Items))
	}
	for _, p := range claims.Items {
		if p.Status.Phase != corev1.ClaimBound {
			t.Errorf("claim %s/%s is %s", p.Namespace, p.Name, p.Status.Phase)
		}
	}
}

func TestEnvironmentCanBeEvaluated(t *testing.T) {
	l := &Lab{Dir: "/tmp/it's here"}
	if want := `export LAB_DIR='/tmp/it'\''s here'` + "\n"; !strings.Contains(l.Exports(), want) {
		t.Errorf("want %q in:\n%s", want, l.Exports())
	}
}

func TestDeleteRefusesOtherFolders(t *testing.T) {
	dir := t.TempDir()
	if err := Delete(t.Context(), dir); err == nil {
		t.Error("deleted a folder that is no lab's")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Error(err)
	}
}
