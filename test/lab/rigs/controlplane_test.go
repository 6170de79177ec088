package rigs

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"plan/test/lab"
	"plan/test/lab/labtest"
)

// TestTheControlPlanesOwnFaults: an API server that answers 429 for real, forgets lists while they are read (410) and sends clients away.
func TestTheControlPlanesOwnFaults(t *testing.T) {
	labtest.Need(t)
	t.Parallel()
	flags := []string{"--goaway-chance=0.02", "--enable-priority-and-fairness=false", "--max-requests-inflight=1", "--max-mutating-requests-inflight=1", "--etcd-compaction-interval=1s",
		"--feature-gates=ListFromCacheSnapshot=false"} // or the API server remembers lists that etcd has forgotten
	r := newRig(t, lab.Options{APIServer: flags})
	if err := r.unprivileged(t.Context()); err != nil {
		t.Fatal(err)
	}
	const together = 2
	if err := r.share(t.Context(), t.TempDir(), together); err != nil {
		t.Fatal(err)
	}
	begin, dir, answers, codes := time.Now(), t.TempDir(), tally{}, tally{}
	config, err := r.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	p, err := labtest.NewProxy(r.Lab, dir, config.Host, count(&answers))
	if err != nil {
		t.Fatal(err)
	}
	defer p.End()
	kubeconfig, err := p.Kubeconfig(r.Limited, dir)
	if err != nil {
		t.Fatal(err)
	}
	runs, untrue := r.through(t, begin, &codes, "KUBECONFIG="+kubeconfig, "SSL_CERT_FILE="+p.CAFile)
	if err := r.forgotten(t.Context(), dir, kubeconfig, p.CAFile); err != nil {
		t.Error(err)
	}
	for _, code := range []string{"410", "429"} {
		if !slices.Contains(slices.Collect(maps.Keys(answers.n)), code) {
			t.Errorf("the API server never answered %s", code)
		}
	}
	fmt.Printf("rig control plane: %d runs, %d untrue, %.0f s; answers: %s; exit codes by plan: %s\n", runs, untrue, time.Since(begin).Seconds(), answers.String(), codes.String())
}

// through makes runs with an environment.
func (r *rig) through(t *testing.T, begin time.Time, codes *tally, env ...string) (ended, untrue int32) {
	t.Helper()
	var next, done, wrong atomic.Int32
	dir, most := t.TempDir(), max(len(references()), number(t, "PLAN_RIG_RESTARTS", 3))
	var group errgroup.Group
	for _, w := range r.workers {
		group.Go(func() error {
			for n := int(next.Add(1)); n <= most && inTime(begin); n = int(next.Add(1)) {
				ref := references()[n%len(references())]
				trial, err := r.newTrial(t.Context(), dir, w, ref, n)
				if err != nil {
					return err
				}
				trial.command = trial.with(env...)
				code, err := trial.try(quiet)
				if err != nil {
					wrong.Add(1)
					t.Errorf("run %d, %s: %v", n, ref.name, err)
				}
				codes.add(fmt.Sprintf("%s %d", ref.name, code))
				done.Add(1)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	return done.Load(), wrong.Load()
}

// unprivileged lets the limited user do everything: an administrator of the group system:masters is never told to wait.
func (r *rig) unprivileged(ctx context.Context) error {
	_, err := r.kube.RbacV1().ClusterRoleBindings().Update(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "rig-everything"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "limited"}},
	}, metav1.UpdateOptions{})
	return err
}

// forgotten backs up more volumes than a page holds, while the pages come so slowly that the server forgets the list.
func (r *rig) forgotten(ctx context.Context, dir, kubeconfig, caFile string) error {
	var group errgroup.Group
	group.SetLimit(16)
	for i := range 1100 {
		group.Go(func() error {
			_, err := r.kube.CoreV1().PersistentVolumes().Create(ctx, &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("rig-many-%04d", i)}, Spec: corev1.PersistentVolumeSpec{
				Capacity: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}, AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
				PersistentVolumeSource: corev1.PersistentVolumeSource{NFS: &corev1.NFSVolumeSource{Server: "192.168.10.5", Path: "/tank"}},
			}}, metav1.CreateOptions{})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	c, err := r.command(dir, "KUBECONFIG="+kubeconfig, "SSL_CERT_FILE="+caFile)
	if err != nil {
		return err
	}
	plan, err := c.write("many.yaml", r.planText(r.S3.Endpoint, "many", "    - {id: pvs, uses: backup-pvs, with: {prefix: many}}\n"))
	if err != nil {
		return err
	}
	stop := r.busy(ctx)
	got, err := c.must(0, "apply", plan, "-o", "json")
	stop()
	if err != nil {
		return err
	}
	d, err := got.document()
	if err != nil {
		return err
	}
	least := map[string][]string{}
	for i := range 1100 {
		least["PersistentVolume"] = append(least["PersistentVolume"], fmt.Sprintf("rig-many-%04d", i))
	}
	return r.sound(ctx, d.step("pvs").text("key"), least)
}

// count counts the server's answers, and lets the second page of a long list come late.
func count(answers *tally) labtest.Hook {
	var late atomic.Int32
	return func(w http.ResponseWriter, req *http.Request, next http.Handler) {
		if strings.HasSuffix(req.URL.Path, "/persistentvolumes") && req.URL.Query().Get("continue") != "" && late.Add(1) <= 2 {
			time.Sleep(4 * time.Second) // compaction comes every second, and forgets what is older than that
		}
		next.ServeHTTP(recorder{w, answers}, req)
	}
}

type recorder struct {
	http.ResponseWriter
	answers *tally
}

func (r recorder) WriteHeader(code int) {
	r.answers.add(fmt.Sprint(code))
	r.ResponseWriter.WriteHeader(code)
}

// Unwrap is for http.ResponseController.
func (r recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// busy writes to the cluster until it is stopped: only a revision that is not the newest is forgotten.
func (r *rig) busy(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "rig-busy"}, Data: map[string]string{"i": fmt.Sprint(i)}}
			if _, err := r.kube.CoreV1().ConfigMaps("default").Update(ctx, m, metav1.UpdateOptions{}); err != nil {
				_, _ = r.kube.CoreV1().ConfigMaps("default").Create(ctx, m, metav1.CreateOptions{}) // the next update tells
			}
			time.Sleep(50 * time.Millisecond)
		}
	})
	return func() { cancel(); writer.Wait() }
}
