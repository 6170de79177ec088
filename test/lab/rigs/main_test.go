package rigs

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"plan/internal/bitwarden"
	"plan/test/lab"
	"plan/test/lab/labtest"
)

// The program is built once, for all labs.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "plan-rigs-")
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "plan")
	return binary, labtest.Build("../../..", binary)
})

// world is the lab that most tests here share: they break what is between its servers and the program, not the servers.
var world = sync.OnceValues(func() (*rig, error) {
	binary, err := program()
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(binary)
	log, flags, err := labtest.NewAudit(dir, auditPolicy)
	if err != nil {
		return nil, err
	}
	r, err := startRig(context.Background(), filepath.Join(dir, "lab"), lab.Options{APIServer: flags})
	if err != nil {
		return nil, err
	}
	r.audit = log
	return r, r.share(context.Background(), filepath.Join(dir, "shared"), workers()+2)
})

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil { // they wait more than they work
		panic(err)
	}
	code := m.Run()
	if os.Getenv("PLAN_TEST_LAB") == "1" {
		if binary, _ := program(); binary != "" {
			dir := filepath.Dir(binary)
			if err := errors.Join(lab.Stop(context.Background(), filepath.Join(dir, "lab")), os.RemoveAll(dir)); err != nil {
				fmt.Fprintln(os.Stderr, "end the lab:", err)
				code = max(code, 1)
			}
		}
	}
	os.Exit(code)
}

// theWorld is the shared lab.
func theWorld(t *testing.T) *rig {
	t.Helper()
	labtest.Need(t)
	t.Parallel()
	r, err := world()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// rig is a lab, filled, and what looks at it without the product.
type rig struct {
	*lab.Lab
	binary  string
	uid     string // of the cluster
	kube    *kubernetes.Clientset
	s3      *s3.Client
	vault   *bitwarden.Client
	audit   *labtest.Audit // of the shared lab
	workers []*worker
}

func startRig(ctx context.Context, dir string, o lab.Options) (*rig, error) {
	binary, err := program()
	if err != nil {
		return nil, err
	}
	r := &rig{binary: binary}
	if r.Lab, err = lab.Start(ctx, dir, o); err == nil {
		err = r.connect(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, lab.Stop(ctx, dir))
	}
	return r, nil
}

// newRig starts a lab that ends with the test, in which servers may be killed.
func newRig(t *testing.T, o lab.Options) *rig {
	t.Helper()
	dir := t.TempDir()
	r, err := startRig(context.Background(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Stop(context.Background()); err != nil { // the test's context has ended
			t.Error(err)
		}
	})
	return r
}

// workers is how many runs go on at a time.
func workers() int {
	n, err := strconv.Atoi(os.Getenv("PLAN_RIG_WORKERS"))
	if err != nil || n < 1 {
		return 6
	}
	return n
}

func (r *rig) connect(ctx context.Context) (err error) {
	if r.kube, err = r.Client(); err != nil {
		return err
	}
	if r.s3, err = r.S3Client(); err != nil {
		return err
	}
	if r.vault, err = bitwarden.New(bitwarden.Config{ServerURL: r.Bitwarden.URL, CAFile: r.CAFile}, r.Bitwarden.Token); err != nil {
		return err
	}
	if err := errors.Join(r.Seed(ctx), r.SeedBackups(ctx), r.seedMore(ctx)); err != nil {
		return err
	}
	ns, err := r.kube.CoreV1().Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("read the cluster's UID: %w", err)
	}
	r.uid = string(ns.UID)
	return nil
}

// snapshotClasses is where VolumeSnapshotClasses are.
const snapshotClasses = "/apis/snapshot.storage.k8s.io/v1/volumesnapshotclasses"

// seedMore adds a StorageClass, a VolumeSnapshotClass with a small definition of its kind, and a label of people's on a node.
func (r *rig) seedMore(ctx context.Context) error {
	post := func(path, object string) error {
		return r.kube.RESTClient().Post().AbsPath(path).SetHeader("Content-Type", "application/json").Body([]byte(object)).Do(ctx).Error()
	}
	err := post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", `{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition",
		"metadata":{"name":"volumesnapshotclasses.snapshot.storage.k8s.io","annotations":{"api-approved.kubernetes.io":"unapproved, for a test"}},
		"spec":{"group":"snapshot.storage.k8s.io","scope":"Cluster","names":{"plural":"volumesnapshotclasses","singular":"volumesnapshotclass","kind":"VolumeSnapshotClass","listKind":"VolumeSnapshotClassList"},
		"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}}`)
	for range 500 {
		if err != nil {
			return fmt.Errorf("make a VolumeSnapshotClass: %w", err)
		}
		object := `{"apiVersion":"snapshot.storage.k8s.io/v1","kind":"VolumeSnapshotClass","metadata":{"name":"rig"},"driver":"driver.longhorn.io","deletionPolicy":"Delete"}`
		if err = post(snapshotClasses, object); !apierrors.IsNotFound(err) { // not served yet
			break
		}
		err = nil
		time.Sleep(20 * time.Millisecond)
	}
	if err != nil {
		return fmt.Errorf("make a VolumeSnapshotClass: %w", err)
	}
	list, err := r.kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	if err := post("/apis/storage.k8s.io/v1/storageclasses", `{"apiVersion":"storage.k8s.io/v1","kind":"StorageClass","metadata":{"name":"rig"},"provisioner":"rigs.example/none"}`); err != nil {
		return err
	}
	_, err = r.kube.CoreV1().Nodes().Patch(ctx, list.Items[0].Name, types.MergePatchType, []byte(`{"metadata":{"labels":{"rigs.example/label":"kept"}}}`), metav1.PatchOptions{})
	return err
}

// number is a number that the environment may give.
func number(t *testing.T, name string, usual int) int {
	t.Helper()
	n, err := strconv.Atoi(cmp.Or(os.Getenv(name), strconv.Itoa(usual)))
	if err != nil || n < 0 {
		t.Fatalf("%s is %q, not a number", name, os.Getenv(name))
	}
	return n
}

// inTime tells whether a rig may begin something more: PLAN_RIG_MINUTES bounds each of them, whatever its number.
func inTime(begin time.Time) bool {
	minutes, err := strconv.Atoi(os.Getenv("PLAN_RIG_MINUTES"))
	return err != nil || time.Since(begin) < time.Duration(minutes)*time.Minute
}

// seed is that of all chance in this package: PLAN_RIG_SEED, or one of its own.
var seed = sync.OnceValue(func() uint64 {
	if n, err := strconv.ParseUint(os.Getenv("PLAN_RIG_SEED"), 10, 64); err == nil {
		return n
	}
	return uint64(rand.Uint32())
})

// chance is the chance of one run.
func chance(stream uint64) *rand.Rand { return rand.New(rand.NewPCG(seed(), stream)) }
