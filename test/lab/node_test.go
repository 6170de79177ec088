package lab

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
)

// needNode skips a test where there can be no node, and fails it where none may be skipped.
func needNode(t *testing.T) {
	t.Helper()
	reason := ""
	if err := NodeMissing(); err != nil {
		reason = err.Error()
	}
	for _, name := range []string{"PLAN_TEST_KUBECONFIG", "PLAN_LAB_NODE"} {
		if v := os.Getenv(name); v != "" && v != "1" {
			reason = name + " is " + v + ": this tests the lab's own node"
		}
	}
	if reason == "" {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}

// sleeper makes a pod that runs on, and waits until it does.
func sleeper(t *testing.T, l *Lab, name string) {
	t.Helper()
	c, err := l.Client()
	if err != nil {
		t.Fatal(err)
	}
	no := false
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.PodSpec{
		AutomountServiceAccountToken: &no, // the account may come a moment later
		Containers:                   []corev1.Container{{Name: "it", Image: ShellImage, Command: []string{"sleep", "1000"}}},
	}}
	created := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		_, err = c.CoreV1().Pods("default").Create(ctx, pod, metav1.CreateOptions{})
		return err == nil, nil
	})
	if created != nil {
		t.Fatal(created, err)
	}
	var got *corev1.Pod
	ran := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		got, err = c.CoreV1().Pods("default").Get(ctx, name, metav1.GetOptions{})
		return err == nil && got.Status.Phase == corev1.PodRunning, nil
	})
	if ran != nil {
		t.Fatalf("pod %s does not run: %v, %v, %+v", name, ran, err, got.Status)
	}
}

// leftovers are what this machine still has of a lab's node: processes, mounts, control groups, bridges.
func leftovers(t *testing.T, dir string, number int) []string {
	t.Helper()
	var out []string
	pods, docker := networks(number)
	procs, err := filepath.Glob("/proc/[0-9]*/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(procs, "/proc/self/mountinfo") {
		b, _ := os.ReadFile(name) // a process that ends has none
		if strings.Contains(string(b), cgroup(number)+"/") || strings.Contains(string(b), dir) {
			out = append(out, name)
		}
	}
	for _, pattern := range []string{"/sys/fs/cgroup" + cgroup(number), "/sys/fs/cgroup/*" + cgroup(number), "/sys/class/net/" + pods.bridge, "/sys/class/net/" + docker.bridge} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, found...)
	}
	return out
}

// TestNodesSideBySideLeaveNothing is one test because each start costs seconds: two labs with a node, one is killed.
func TestNodesSideBySideLeaveNothing(t *testing.T) {
	needNode(t)
	dirA, dirB := t.TempDir(), t.TempDir()
	ended := make(chan error, 1)
	var labA *Lab
	go func() {
		var err error
		labA, err = Start(t.Context(), dirA, Options{Node: true})
		ended <- err
	}()
	labB := startLab(t, dirB, Options{Node: true})
	if err := <-ended; err != nil {
		t.Fatal(errors.Join(err, Stop(context.Background(), dirA)))
	}
	t.Cleanup(func() { labA.Stop(context.Background()) })
	a, b := settingsOf(t, dirA), settingsOf(t, dirB)
	if a.Number == b.Number {
		t.Fatalf("both have networks %d", a.Number)
	}
	sleeper(t, labA, "one")
	sleeper(t, labB, "one")
	if left := leftovers(t, dirA, a.Number); len(left) < 3 {
		t.Errorf("of a node that runs a pod there is only %v", left)
	}

	t.Run("a kubelet that is killed comes back alone", func(t *testing.T) { testKubelet(t, labB) })
	t.Run("a killed node ends with all its pods, and stop removes the rest", func(t *testing.T) {
		for _, p := range Status(dirA) {
			if err := syscall.Kill(p.PID, syscall.SIGKILL); err != nil {
				t.Errorf("%s: %v", p.Name, err)
			}
		}
		if err := labA.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if left := leftovers(t, dirA, a.Number); len(left) != 0 {
			t.Errorf("left: %v", left)
		}
		sleeper(t, labB, "two")
	})
	t.Run("stop leaves nothing", func(t *testing.T) {
		if err := labB.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if left := leftovers(t, dirB, b.Number); len(left) != 0 {
			t.Errorf("left: %v", left)
		}
	})
}

func settingsOf(t *testing.T, dir string) settings {
	t.Helper()
	s, err := folder{dir: dir}.load()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func testKubelet(t *testing.T, l *Lab) {
	before := pids(l.Dir)
	if err := syscall.Kill(before["kubelet"], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	again, err := Start(t.Context(), l.Dir, Options{Node: true})
	if err != nil {
		t.Fatal(err)
	}
	defer again.closeServed()
	after := pids(l.Dir)
	if before["kubelet"] == after["kubelet"] || again.Registry != l.Registry {
		t.Errorf("before %v and %v, after %v and %v", before, l.Registry, after, again.Registry)
	}
	delete(before, "kubelet")
	for name, pid := range before {
		if after[name] != pid {
			t.Errorf("%s was started again", name)
		}
	}
	sleeper(t, l, "after")
	c, err := l.Client()
	if err != nil {
		t.Fatal(err)
	}
	one, err := c.CoreV1().Pods("default").Get(t.Context(), "one", metav1.GetOptions{})
	if err != nil || one.Status.Phase != corev1.PodRunning || one.Status.ContainerStatuses[0].RestartCount != 0 {
		t.Errorf("the pod that ran before: %v, %+v", err, one.Status)
	}
}

func TestALabThatWasNotStoppedLeavesItsBridgesToTheNext(t *testing.T) {
	needNode(t)
	gone, next := testFolder(t), testFolder(t)
	s := settingsOf(t, gone.dir)
	if err := gone.network(t.Context(), &s); err != nil {
		t.Fatal(err)
	}
	if err := makeCgroups(s.Number); err != nil {
		t.Fatal(err)
	}
	if left := leftovers(t, gone.dir, s.Number); len(left) < 3 {
		t.Fatalf("there is only %v", left)
	}
	unlock, ok := tryLock(gone.path("lock"))
	if !ok {
		t.Fatal("somebody has the lock")
	}
	next.sweep(t.Context())
	if left := leftovers(t, gone.dir, s.Number); len(left) < 3 {
		t.Errorf("of a lab that is being started there is only %v", left)
	}
	unlock()
	next.sweep(t.Context())
	if left := leftovers(t, gone.dir, s.Number); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func TestWithoutWhatANodeNeedsTheReasonIsGiven(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Start(t.Context(), t.TempDir(), Options{Node: true})
	for _, want := range []string{"apt-get", "git", "kind", "k3d", "PLAN_TEST_KUBECONFIG", "PLAN_LAB_NODE=0"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not name %s", err, want)
		}
	}
}

func TestANodeThatIsLeftOutIsSaidToBe(t *testing.T) {
	cases := map[string]struct {
		elsewhere Elsewhere
		env       string
	}{
		"PLAN_LAB_NODE=0": {env: "0"}, "PLAN_TEST_KUBECONFIG": {elsewhere: Elsewhere{Kubeconfig: "/somewhere"}},
	}
	for want, c := range cases {
		t.Run(want, func(t *testing.T) {
			t.Setenv("PLAN_LAB_NODE", c.env)
			var said []string
			o := Options{Node: true, Elsewhere: c.elsewhere, Log: func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }}
			if node, err := o.wantsNode(); node || err != nil || !strings.Contains(strings.Join(said, "\n"), want) {
				t.Errorf("%v, %v, said %q", node, err, said)
			}
		})
	}
}

func TestNetworksOfLabsDoNotMeet(t *testing.T) {
	var seen []string
	for n := 1; n < 255; n++ {
		pods, docker := networks(n)
		for _, n := range []network{pods, docker} {
			if len(n.bridge) > 15 || !n.subnet.Contains(n.gateway) || slices.Contains(seen, n.subnet.String()) || slices.Contains(seen, n.bridge) {
				t.Errorf("%+v", n)
			}
			seen = append(seen, n.subnet.String(), n.bridge)
		}
	}
}

func TestRegistriesRefuseWhatTheyShall(t *testing.T) {
	reached := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	cases := map[string]struct {
		handler  http.Handler
		method   string
		path     string
		password string
		want     int
	}{
		"pull from read-only":    {denied(reached), "GET", "/v2/read-only/a/manifests/1", "", 200},
		"push to read-only":      {denied(reached), "POST", "/v2/read-only/a/blobs/uploads/", "", 403},
		"push elsewhere":         {denied(reached), "POST", "/v2/a/blobs/uploads/", "", 200},
		"private, nobody":        {guarded("lab", "secret", reached), "GET", "/v2/", "", 401},
		"private, wrong":         {guarded("lab", "secret", reached), "GET", "/v2/", "secret2", 401},
		"private, with password": {guarded("lab", "secret", reached), "GET", "/v2/", "secret", 200},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			req, w := httptest.NewRequest(c.method, c.path, nil), httptest.NewRecorder()
			if c.password != "" {
				req.SetBasicAuth("lab", c.password)
			}
			c.handler.ServeHTTP(w, req)
			if w.Code != c.want || (w.Code == 401) != (w.Header().Get("WWW-Authenticate") != "") {
				t.Errorf("%d, %v, want %d", w.Code, w.Header(), c.want)
			}
		})
	}
}
