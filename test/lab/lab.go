// Package lab starts real servers on this machine's loopback for the demo and the tests: etcd, kube-apiserver and
// kube-controller-manager, an S3 server (versitygw), a Bitwarden-protocol server and a sink for pings; when asked for, a
// node that runs pods, registries of images, Docker and a git server. What is not Kubernetes' own speaks TLS with the
// lab's own CA. All its state is below one folder, its programs are in a cache beside it. It needs Linux, Go and etcd
// (which it fetches on Debian), and no rights of root but for the node and Docker.
package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sync/errgroup"

	"plan/internal/bitwarden/bwtest"
)

// Log takes a line of progress.
type Log func(format string, args ...any)

// Options say what Start starts. The zero value is right for tests.
type Options struct {
	// Helper is the path of the lab command (cmd/lab). With it the servers outlive this process, until Stop.
	// Without it they end when this process does, and Bitwarden and the ping sink are served by this process.
	Helper string
	// Log takes progress; nil drops it.
	Log Log
	// Node adds what runs pods: kube-scheduler, kubelet, containerd, and a registry of images. It needs root (NodeMissing);
	// PLAN_LAB_NODE=0 leaves it out all the same. A node that runs already keeps running without this.
	Node bool
	// NoControllers leaves kube-controller-manager out: what is written stays as it is.
	NoControllers bool
	// APIServer holds more flags for kube-apiserver. Of a flag given twice the last one counts.
	APIServer []string
	// Elsewhere names servers to use instead of the lab's own.
	Elsewhere Elsewhere
}

// Elsewhere names servers outside the lab. An empty field means the lab's own.
type Elsewhere struct {
	Kubeconfig string // its current context is used
	S3         S3     // used when Endpoint is set
}

// FromEnvironment reads PLAN_TEST_KUBECONFIG and PLAN_TEST_S3_ENDPOINT, _BUCKET, _REGION, _ACCESS_KEY, _SECRET_KEY.
func FromEnvironment() Elsewhere {
	return Elsewhere{
		Kubeconfig: os.Getenv("PLAN_TEST_KUBECONFIG"),
		S3: S3{
			Endpoint: os.Getenv("PLAN_TEST_S3_ENDPOINT"), Bucket: os.Getenv("PLAN_TEST_S3_BUCKET"),
			Region:    os.Getenv("PLAN_TEST_S3_REGION"),
			AccessKey: os.Getenv("PLAN_TEST_S3_ACCESS_KEY"), SecretKey: os.Getenv("PLAN_TEST_S3_SECRET_KEY"),
		},
	}
}

// Lab is a lab that runs.
type Lab struct {
	Dir        string
	Kubeconfig string // administrator; context "lab", unless it is a cluster elsewhere
	Limited    string // kubeconfig of user "limited", who may nothing until a role says so; "" elsewhere
	Kubectl    string // path of a kubectl of the cluster's version; "" elsewhere
	Etcd       string // etcd's client URL; "" elsewhere
	CAFile     string // PEM of the CA that signed the servers' certificates
	BundleFile string // CAFile and the system's roots, for SSL_CERT_FILE
	S3         S3
	Bitwarden  Bitwarden
	PingURL    string // answers 200 and records what it got in PingFile, one JSON object a line
	PingFile   string
	Node       string   // name of the node that runs pods; "" when the lab has none
	Registry   Registry // serves when the lab has a node, or after StartRegistry
	Git        Git      // serves after StartGit
	Docker     Docker   // the zero value until StartDocker
	InPods     InPods   // the servers as pods reach them, when the lab has a node

	// BitwardenServer has the fault switches; nil when the server is another process (Options.Helper).
	BitwardenServer *bwtest.Server

	opts   Options
	mu     sync.Mutex
	served []io.Closer
}

// Start brings up the lab of a folder and returns when every server answers. What runs already is kept, so a second
// Start is quick; a server whose command line has changed is restarted. When Start fails it leaves what it started
// to Stop.
func Start(ctx context.Context, dir string, opts Options) (*Lab, error) {
	if opts.Log == nil {
		opts.Log = func(string, ...any) {}
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find the lab's folder: %w", err)
	}
	f := folder{dir: abs}
	node, err := opts.wantsNode()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(abs, 0o700); err != nil {
		return nil, fmt.Errorf("make the lab's folder: %w", err)
	}
	unlock, err := lockFile(ctx, f.path("lock"), func() { opts.Log("waiting for another start or stop in %s", abs) })
	if err != nil {
		return nil, err
	}
	defer unlock()
	s, err := f.open()
	if err != nil {
		return nil, err
	}
	if !f.hasKeys(s) { // what runs, if anything does, has certificates of another CA, or for another address
		if err := f.stopAll(ctx); err != nil {
			return nil, err
		}
	}
	if err := f.keys(s); err != nil {
		return nil, err
	}
	opts.Node = node
	l := f.describe(s, opts)
	if err := l.start(ctx, f, s); err != nil {
		return nil, errors.Join(err, l.closeServed())
	}
	return l, nil
}

// describe is the lab of these settings, whether or not it runs.
func (f folder) describe(s settings, opts Options) *Lab {
	l := &Lab{
		Dir: f.dir, Kubeconfig: f.path("kubeconfig"), Limited: f.path("limited.kubeconfig"), Etcd: "http://" + f.addr(s, "etcd"),
		CAFile: f.path("pki", "ca.crt"), BundleFile: f.path("pki", "bundle.crt"),
		S3:      s.S3,
		PingURL: "http://" + f.addr(s, "ping"), PingFile: f.path("pings.ndjson"),
		Registry: f.registry(s), Git: f.git(s),
		opts: opts,
	}
	if r, ok := f.record("kubelet"); opts.Node || ok && r.alive() {
		l.Node = NodeName
	}
	if opts.Elsewhere.Kubeconfig != "" {
		l.Kubeconfig, l.Limited, l.Etcd = opts.Elsewhere.Kubeconfig, "", ""
	}
	if opts.Elsewhere.S3.Endpoint != "" {
		l.S3 = opts.Elsewhere.S3
	}
	if l.Node != "" {
		l.InPods = f.asPodsSee(s, opts.Elsewhere)
	}
	_, l.Bitwarden = fillBitwarden(s.BitwardenSeed, "https://"+f.addr(s, "bitwarden"), l.S3)
	return l
}

func (l *Lab) start(ctx context.Context, f folder, s settings) error {
	cache, err := CacheDir()
	if err != nil {
		return err
	}
	p, err := l.programs(ctx, cache)
	if err != nil {
		return err
	}
	if err := f.clusterFiles(s); err != nil {
		return err
	}
	up := func(c component) error { return f.ensure(ctx, l.opts.Log, c, l.opts.Helper != "") }
	if l.opts.Node {
		if err := f.prepareNode(ctx, &s, p); err != nil {
			return err
		}
		l.Git = f.git(s)
	}
	if err := l.startServers(ctx, f, s, p, up); err != nil || !l.opts.Node {
		return err
	}
	return l.startNode(ctx, f, s, p, up)
}

// startServers starts what does not need the cluster to be there, and the cluster.
func (l *Lab) startServers(ctx context.Context, f folder, s settings, p programs, up func(component) error) error {
	g, ctx := errgroup.WithContext(ctx)
	if l.opts.Elsewhere.Kubeconfig == "" {
		g.Go(func() error { return l.startCluster(ctx, f, s, p, up) })
	}
	g.Go(func() error {
		if l.opts.Elsewhere.S3.Endpoint == "" {
			if err := f.accounts(s); err != nil {
				return err
			}
			if err := up(f.versitygw(s, p)); err != nil {
				return err
			}
		}
		return l.S3.makeBucket(ctx, l.s3CA())
	})
	helpers := []string{"bitwarden", "ping"}
	if l.opts.Node {
		helpers = append(helpers, "pods")
	}
	for _, name := range helpers {
		g.Go(func() error { return l.serveMore(ctx, f, s, name) })
	}
	if l.opts.Node {
		g.Go(func() error {
			if err := l.serveMore(ctx, f, s, "registry"); err != nil {
				return err
			}
			return l.startImages(ctx, f, p, up)
		})
	}
	return g.Wait()
}

// startCluster starts each server when the one it needs is ready.
func (l *Lab) startCluster(ctx context.Context, f folder, s settings, p programs, up func(component) error) error {
	if err := up(f.etcd(s, p)); err != nil {
		return err
	}
	if err := f.moveServices(ctx, s); err != nil {
		return err
	}
	cs := []component{f.apiserver(s, p, l.opts.APIServer)}
	if !l.opts.NoControllers {
		cs = append(cs, f.controllerManager(s, p))
	}
	for _, c := range cs {
		if err := up(c); err != nil {
			return err
		}
	}
	return nil
}

// Open describes the lab of a folder that was started before, without starting anything.
func Open(dir string, opts Options) (*Lab, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find the lab's folder: %w", err)
	}
	f := folder{dir: abs}
	if _, err := os.Stat(f.settingsFile()); err != nil {
		return nil, fmt.Errorf("open the lab in %s (start it first): %w", abs, err)
	}
	s, err := f.load()
	if err != nil {
		return nil, err
	}
	l := f.describe(s, opts)
	if cache, err := CacheDir(); err == nil {
		l.Docker = f.docker(cache)
		if l.Etcd != "" {
			l.Kubectl = filepath.Join(kubernetesPin().folder(cache), "kubectl")
		}
	}
	return l, nil
}
