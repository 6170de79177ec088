package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"k8s.io/client-go/kubernetes"

	"plan/test/lab"
	"plan/test/lab/labtest"
)

// moduleRoot is where the product's module is, as seen from this package.
const moduleRoot = "../../.."

// rig is what the tests share: a lab with a small home cluster, and the program.
type rig struct {
	*lab.Lab
	dir    string // of all of it
	binary string
	uid    string // of the cluster
	kube   *kubernetes.Clientset

	options lab.Options
	s3      *s3.Client
}

// shared starts the lab for the first test that needs it.
var shared = sync.OnceValues(func() (*rig, error) { return makeRig(lab.Options{Elsewhere: lab.FromEnvironment()}) })

// started are the labs to be ended with the tests.
var (
	started   []*rig
	startedMu sync.Mutex
)

func TestMain(m *testing.M) {
	flag.Parse()
	var early sync.WaitGroup
	if all := flag.Lookup("test.run").Value.String() == ""; all && os.Getenv("PLAN_TEST_LAB") == "1" && labtest.NoNode() == "" {
		early.Go(func() { _, _ = inCluster() }) // while tests run that do not need it; the others are told its error
	}
	code := m.Run()
	early.Wait()
	if os.Getenv("PLAN_TEST_LAB") == "1" {
		for _, r := range started {
			if err := errors.Join(r.Stop(context.Background()), os.RemoveAll(r.dir)); err != nil {
				fmt.Fprintln(os.Stderr, "end the lab:", err)
				code = max(code, 1)
			}
		}
	}
	os.Exit(code)
}

// theLab is the shared lab. Without one the test is skipped, and fails where it must not be skipped.
func theLab(t *testing.T) *rig {
	t.Helper()
	labtest.Need(t)
	r, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// ownServers skips a test that changes rights or breaks servers, where they are not the lab's own.
func (r *rig) ownServers(t *testing.T) {
	t.Helper()
	if r.Limited != "" && lab.FromEnvironment().S3.Endpoint == "" {
		return
	}
	labtest.Without(t, "it needs the lab's own cluster and S3 server, and PLAN_TEST_KUBECONFIG or PLAN_TEST_S3_ENDPOINT names others")
}

// makeRig builds the program, and starts and fills a lab. Its servers end with this process, however that ends.
func makeRig(o lab.Options) (_ *rig, err error) {
	dir, err := os.MkdirTemp("", "plan-e2e-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	r := &rig{dir: dir, options: o, binary: filepath.Join(dir, "plan")}
	if err := labtest.Build(moduleRoot, r.binary); err != nil {
		return nil, err
	}
	// Not the first test's context: the lab is for all of them.
	if r.Lab, err = lab.Start(context.Background(), filepath.Join(dir, "lab"), o); err != nil {
		return nil, errors.Join(err, lab.Stop(context.Background(), filepath.Join(dir, "lab")))
	}
	if err := r.connect(context.Background()); err != nil {
		return nil, errors.Join(err, r.Stop(context.Background()))
	}
	startedMu.Lock()
	defer startedMu.Unlock()
	started = append(started, r)
	return r, nil
}

// connect makes the clients and fills the cluster.
func (r *rig) connect(ctx context.Context) (err error) {
	if r.kube, err = r.Client(); err != nil {
		return err
	}
	if r.s3, err = r.S3Client(); err != nil {
		return err
	}
	if err := r.Seed(ctx); err != nil {
		return err
	}
	if r.uid, err = clusterUID(ctx, r.kube); err != nil {
		return err
	}
	return nil
}
