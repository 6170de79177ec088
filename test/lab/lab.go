// Package lab starts real servers on this machine's loopback for the demo and the tests: etcd, kube-apiserver and
// kube-controller-manager, an S3 server (versitygw), a Bitwarden-protocol server and a sink for pings. S3 and
// Bitwarden speak TLS with the lab's own CA. All its state is below one folder, its programs are in a cache
// beside it. It needs Linux, Go and etcd (which it fetches on Debian), and no rights of root.
package lab

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

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

	// BitwardenServer has the fault switches; nil when the server is another process (Options.Helper).
	BitwardenServer *bwtest.Server

	opts   Options
	served []*http.Server
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
	if err := f.keys(); err != nil {
		return nil, err
	}
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
		opts: opts,
	}
	if opts.Elsewhere.Kubeconfig != "" {
		l.Kubeconfig, l.Limited, l.Etcd = opts.Elsewhere.Kubeconfig, "", ""
	}
	if opts.Elsewhere.S3.Endpoint != "" {
		l.S3 = opts.Elsewhere.S3
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
	g, ctx := errgroup.WithContext(ctx)
	up := func(c component) error { return f.ensure(ctx, l.opts.Log, c, l.opts.Helper != "") }
	if l.opts.Elsewhere.Kubeconfig == "" {
		g.Go(func() error { return l.startCluster(f, s, p, up) })
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
	if l.opts.Helper == "" {
		g.Go(func() error { return l.serveHere(f, s) })
	} else {
		g.Go(func() error { return up(f.helper("bitwarden", s, l)) })
		g.Go(func() error { return up(f.helper("ping", s, l)) })
	}
	return g.Wait()
}

// startCluster starts each server when the one it needs is ready.
func (l *Lab) startCluster(f folder, s settings, p programs, up func(component) error) error {
	cs := []component{f.etcd(s, p), f.apiserver(s, p, l.opts.APIServer)}
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

// programs are the paths of what the lab runs.
type programs struct{ etcd, apiserver, controllerManager, versitygw string }

// Install fetches and builds everything that Start would need and that is not there.
func Install(ctx context.Context, opts Options) error {
	if opts.Log == nil {
		opts.Log = func(string, ...any) {}
	}
	cache, err := CacheDir()
	if err != nil {
		return err
	}
	_, err = (&Lab{opts: opts}).programs(ctx, cache)
	return err
}

func (l *Lab) programs(ctx context.Context, cache string) (p programs, err error) {
	if l.opts.Elsewhere.Kubeconfig == "" {
		if p.etcd, err = etcd(ctx, l.opts.Log, cache); err != nil {
			return p, err
		}
		dir, err := kubernetesPin().build(ctx, l.opts.Log, cache, "kube-apiserver", "kube-controller-manager", "kubectl")
		if err != nil {
			return p, err
		}
		p.apiserver, p.controllerManager = filepath.Join(dir, "kube-apiserver"), filepath.Join(dir, "kube-controller-manager")
		l.Kubectl = filepath.Join(dir, "kubectl")
	}
	if l.opts.Elsewhere.S3.Endpoint == "" {
		dir, err := versitygwPin().build(ctx, l.opts.Log, cache, "versitygw")
		if err != nil {
			return p, err
		}
		p.versitygw = filepath.Join(dir, "versitygw")
	}
	return p, nil
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
	if cache, err := CacheDir(); err == nil && l.Etcd != "" {
		l.Kubectl = filepath.Join(kubernetesPin().folder(cache), "kubectl")
	}
	return l, nil
}
