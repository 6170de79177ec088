package lab

import (
	"context"
	_ "embed" // the node's configuration
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// NodeName is the name of the node that runs pods. kube-apiserver reaches its kubelet by this name.
const NodeName = "localhost"

// The node's own label. The scheduler puts pods nowhere else: the nodes of the seed have nobody who would run them.
const (
	NodeLabel      = "plan-lab/node"
	NodeLabelValue = "real"
)

var (
	//go:embed node/init.sh
	nodeInit string
	//go:embed node/containerd.toml
	containerdConfig string
	//go:embed node/cni.conflist
	cniConfig string
	//go:embed node/kubelet.yaml
	kubeletConfig string
	//go:embed node/scheduler.yaml
	schedulerConfig string
)

// NodeMissing tells what a node needs and this machine lacks; nil when nothing is missing.
func NodeMissing() error {
	var missing []string
	if os.Geteuid() != 0 {
		missing = append(missing, "the rights of root, for mounts and namespaces")
	}
	if _, err := hierarchies(); err != nil {
		missing = append(missing, err.Error())
	}
	if b, _ := os.ReadFile("/proc/filesystems"); !strings.Contains(string(b), "\toverlay\n") {
		missing = append(missing, "overlayfs in the kernel (modprobe overlay)")
	}
	for _, tool := range []string{"apt-get", "dpkg-deb", "git", "ldd", "mount"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing = append(missing, tool+" on the PATH, as on Debian")
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("the lab's node (kubelet and containerd) cannot run here; missing: %s. Use another cluster instead: "+
		"PLAN_TEST_KUBECONFIG=<kubeconfig of a kind or k3d cluster>; or leave the node out: PLAN_LAB_NODE=0", strings.Join(missing, "; "))
}

// wantsNode decides whether the node is part: when it is asked for and nothing speaks against it. It says why not.
func (o Options) wantsNode() (bool, error) {
	switch {
	case !o.Node:
		return false, nil
	case o.Elsewhere.Kubeconfig != "":
		o.Log("PLAN_TEST_KUBECONFIG names another cluster: the lab starts no node")
		return false, nil
	case os.Getenv("PLAN_LAB_NODE") == "0":
		o.Log("PLAN_LAB_NODE=0 leaves the node out: pods stay pending")
		return false, nil
	}
	return true, NodeMissing()
}

// prepareNode makes what is not a process: bridges, control groups, certificates, configuration.
func (f folder) prepareNode(ctx context.Context, s *settings, p programs) error {
	if err := f.network(ctx, s); err != nil {
		return err
	}
	if err := makeCgroups(s.Number); err != nil {
		return err
	}
	pods, _ := networks(s.Number)
	if err := f.addressKeys("address", pods.gateway); err != nil {
		return err
	}
	values := strings.NewReplacer(
		"@LAB@", f.dir, "@NODE@", f.path("node"), "@PKI@", f.path("pki"), "@CNI@", p.cni, "@RUNC@", p.runc, "@SNAPSHOTTER@", f.snapshotter(),
		"@BRIDGE@", pods.bridge, "@SUBNET@", pods.subnet.String(), "@GATEWAY@", pods.gateway.String(), "@SERVERS@", s.inPods().String()+"/32", "@CGROUP@", cgroup(s.Number),
		"@PORT@", strconv.Itoa(s.Ports["kubelet"]), "@HEALTHZ@", strconv.Itoa(s.Ports["kubelet-healthz"]), "@LABEL@", NodeLabel, "@VALUE@", NodeLabelValue,
	)
	if err := os.MkdirAll(f.path("node", "cni"), 0o700); err != nil {
		return fmt.Errorf("make the node's folder: %w", err)
	}
	for name, text := range map[string]string{
		"init.sh": nodeInit, "containerd.toml": containerdConfig, "cni/lab.conflist": cniConfig, "kubelet.yaml": kubeletConfig,
		"scheduler.yaml": schedulerConfig, "docker.json": "{}\n",
	} {
		if err := writeFile(f.path("node", name), []byte(values.Replace(text))); err != nil {
			return fmt.Errorf("write the node's configuration: %w", err)
		}
	}
	return f.trustRegistries(*s)
}

// snapshotter is overlayfs, but for a folder that is on one itself, as in a container.
func (f folder) snapshotter() string {
	var st unix.Statfs_t
	if err := unix.Statfs(f.dir, &st); err == nil && st.Type == unix.OVERLAYFS_SUPER_MAGIC {
		return "native"
	}
	return "overlayfs"
}

// startRuntime starts the node's namespaces with containerd in them.
func (f folder) startRuntime(p programs, up func(component) error) error {
	if err := up(f.nodeNamespaces(p)); err != nil {
		return err
	}
	return up(f.containerd(p))
}

// startImages brings the lab's images into containerd and the registry.
func (l *Lab) startImages(ctx context.Context, f folder, p programs, up func(component) error) error {
	archive, err := f.images(ctx, p)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return l.pushImages(ctx, archive) })
	g.Go(func() error {
		if err := f.startRuntime(p, up); err != nil {
			return err
		}
		return f.importImages(ctx, p, archive)
	})
	return g.Wait()
}

// startNode starts what makes pods run, when the cluster and containerd do, and returns when the node is ready.
func (l *Lab) startNode(ctx context.Context, f folder, s settings, p programs, up func(component) error) error {
	var g errgroup.Group
	g.Go(func() error { return up(f.scheduler(s, p)) })
	g.Go(func() error { return up(f.kubelet(s, p)) })
	if err := g.Wait(); err != nil {
		return err
	}
	if err := l.awaitNode(ctx, f); err != nil {
		b, _ := os.ReadFile(f.logFile("kubelet")) // the error is worth reporting without its log
		return fmt.Errorf("wait for the node: %w; the end of %s:\n%s", err, f.logFile("kubelet"), tail(b, 15))
	}
	return nil
}

func (l *Lab) awaitNode(ctx context.Context, f folder) error {
	c, err := l.Client()
	if err != nil {
		return err
	}
	started, err := os.Stat(f.recordFile("kubelet"))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("not ready after %s", startLimit))
	defer cancel()
	for {
		last := makeReady(ctx, c, started.ModTime())
		if last == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), last)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// makeReady wants the Service whose address the kubelet tells pods, and a kubelet that started then to have called its node ready. It takes away
// the taint that a new node has until then: the controller that would is off.
func makeReady(ctx context.Context, c kubernetes.Interface, started time.Time) error {
	if _, err := c.CoreV1().Services(metav1.NamespaceDefault).Get(ctx, "kubernetes", metav1.GetOptions{}); err != nil {
		return err
	}
	n, err := c.CoreV1().Nodes().Get(ctx, NodeName, metav1.GetOptions{})
	if err != nil {
		return err
	}
	i := slices.IndexFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool { return c.Type == corev1.NodeReady })
	if i < 0 {
		return errors.New("the node has no status")
	}
	ready := n.Status.Conditions[i]
	if ready.Status != corev1.ConditionTrue {
		return fmt.Errorf("the node is not ready: %s", ready.Message)
	}
	if ready.LastHeartbeatTime.Time.Before(started.Truncate(time.Second)) {
		return errors.New("the node's status is of an earlier kubelet")
	}
	taints := slices.DeleteFunc(slices.Clone(n.Spec.Taints), func(t corev1.Taint) bool { return t.Key == corev1.TaintNodeNotReady })
	if len(taints) == len(n.Spec.Taints) {
		return nil
	}
	n.Spec.Taints = taints
	if _, err := c.CoreV1().Nodes().Update(ctx, n, metav1.UpdateOptions{}); apierrors.IsConflict(err) {
		return err // kubelet was quicker; the next look decides
	} else if err != nil {
		return fmt.Errorf("take the taint away: %w", err)
	}
	return nil
}

// nodePID is the pid of the first process of the node's namespaces.
func (f folder) nodePID() (int, error) {
	if r, ok := f.record("node"); ok && r.alive() {
		return r.PID, nil
	}
	return 0, errors.New("the lab's node does not run")
}

// inside is the path of a file of the node's mount namespace, as seen from outside.
func (f folder) inside(name string) (string, error) {
	pid, err := f.nodePID()
	if err != nil {
		return "", err
	}
	return filepath.Join("/proc", strconv.Itoa(pid), "root", name), nil
}

// inNode runs a command in the node's namespaces.
func (f folder) inNode(ctx context.Context, argv ...string) ([]byte, error) {
	var out strings.Builder
	err := f.runInNode(ctx, argv, nil, &out, &out)
	return []byte(out.String()), err
}

// Exec runs a command in the namespaces of the node of the lab in a folder.
func Exec(ctx context.Context, dir string, argv []string, in io.Reader, out, errs io.Writer) error {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("find the lab's folder: %w", err)
	}
	return folder{dir: abs}.runInNode(ctx, argv, in, out, errs)
}

func (f folder) runInNode(ctx context.Context, argv []string, in io.Reader, out, errs io.Writer) error {
	pid, err := f.nodePID()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, errs
	exited, err := launch(cmd, pid, func(int) error { return nil })
	if err != nil {
		return err
	}
	return <-exited
}
