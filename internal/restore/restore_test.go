package restore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"

	"plan/internal/backup"
	"plan/internal/kube"
	"plan/internal/kube/kubetest"
	"plan/internal/objects"
	"plan/internal/restore"
	"plan/internal/restore/restoretest"
	"plan/internal/retention/retentiontest"
)

var (
	volumes = kube.Resource{Version: "v1", Resource: "persistentvolumes"}
	claims  = kube.Resource{Version: "v1", Resource: "persistentvolumeclaims"}
	classes = kube.Resource{Group: "storage.k8s.io", Version: "v1", Resource: "storageclasses"}
	spaces  = kube.Resource{Version: "v1", Resource: "namespaces"}

	nodesResource = kube.Resource{Version: "v1", Resource: "nodes"}
	snapshots     = kube.Resource{Group: "snapshot.storage.k8s.io", Version: "v1", Resource: "volumesnapshotclasses"}
)

// atOnce does not wait, but ends after many tries, so that a wait for nothing ends.
func atOnce(ctx context.Context, try int) error {
	if try > 200 {
		return errors.New("waited long enough")
	}
	return ctx.Err()
}

func options() restore.Options { return restore.Options{Pause: atOnce} }

// stored is a backup of a server in a store of its own.
func stored(t testing.TB, from *kubetest.Server, more ...kube.Resource) restore.Backup {
	t.Helper()
	var s retentiontest.Store
	b, err := restore.Read(t.Context(), &s, restoretest.Backup(t, from, &s, restoretest.Made{}, more...), backup.PVs)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// target is an empty cluster whose volumes are bound.
func target(t testing.TB) *kubetest.Server {
	s := kubetest.New(t)
	s.BindVolumes()
	return s
}

func survey(t testing.TB, s *kubetest.Server, b restore.Backup, o restore.Options) *restore.Plan {
	t.Helper()
	p, err := restore.Survey(t.Context(), s.Client(t), b, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// clean are the objects of a server that backups are about, in normal form.
func clean(t testing.TB, s *kubetest.Server) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, r := range restoretest.Resources() {
		for page, err := range s.Client(t).List(t.Context(), r, 0) {
			if err != nil {
				t.Fatal(err)
			}
			for _, item := range page.Items {
				c, err := objects.Clean(objects.Typed(item, page.APIVersion, page.Kind))
				if err != nil {
					t.Fatal(err)
				}
				if id := objects.IDOf(c); id.Name != "kube-system" && id.Kind != "VolumeAttachment" {
					all[id.String()] = string(c)
				}
			}
		}
	}
	return all
}

// phases counts the volumes by phase.
func phases(t testing.TB, s *kubetest.Server) map[string]int {
	t.Helper()
	n := map[string]int{}
	for path, item := range s.Objects() {
		if strings.HasPrefix(path, volumes.Path()+"/") {
			n[gjson.Get(item, "status.phase").String()]++
		}
	}
	return n
}

// TestRestoringRandomClustersGivesThemBack: P7, in memory. Clusters end up empty of namespaces without claims, which no backup holds.
func TestRestoringRandomClustersGivesThemBack(t *testing.T) {
	seed := rand.Uint64()
	fmt.Printf("random clusters: seed %d\n", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for i := range 40 {
		n := 1 + r.IntN(60)
		from, to := kubetest.New(t), target(t)
		from.BindVolumes()
		restoretest.Fill(t, from, restoretest.Cluster(r, n))
		b := stored(t, from)
		report, err := restore.Execute(t.Context(), to.Client(t), survey(t, to, b, options()))
		if err != nil {
			t.Fatalf("cluster %d: %v", i, err)
		}
		want := clean(t, from)
		for name := range want {
			if strings.HasPrefix(name, "namespace ") && !slices.ContainsFunc(b.Objects, func(o restore.Object) bool { return o.ID.String() == name }) {
				delete(want, name)
			}
		}
		if diff := cmp.Diff(want, clean(t, to)); diff != "" {
			t.Fatalf("cluster %d of seed %d (-backed up +restored):\n%s", i, seed, diff)
		}
		if !maps(phases(t, from), phases(t, to)) || report.Created != int64(len(b.Objects)) || report.Unchanged+report.Different != 0 {
			t.Errorf("cluster %d: %v and %v, %+v of %d", i, phases(t, from), phases(t, to), report, len(b.Objects))
		}
		again, err := restore.Execute(t.Context(), to.Client(t), survey(t, to, b, options()))
		if err != nil || again.Unchanged != int64(len(b.Objects)) || again.Created+again.Different != 0 {
			t.Errorf("cluster %d again: %+v, %v", i, again, err)
		}
	}
}

func maps(a, b map[string]int) bool { return cmp.Diff(a, b) == "" }

// TestRestoreSurvivesTheEndOfEveryRequest ends a restore at each of its requests, before or after it was executed, and runs it again.
func TestRestoreSurvivesTheEndOfEveryRequest(t *testing.T) {
	from := kubetest.New(t)
	from.BindVolumes()
	restoretest.Fill(t, from, restoretest.Cluster(rand.New(rand.NewPCG(7, 7)), 12))
	b := stored(t, from)
	whole := target(t)
	if _, err := restore.Execute(t.Context(), whole.Client(t), survey(t, whole, b, options())); err != nil {
		t.Fatal(err)
	}
	requests := len(whole.Requests())
	want := clean(t, whole)
	for k := 1; k <= requests; k++ {
		for name, fault := range map[string]kubetest.Fault{
			"refused": {Kth: k, Status: http.StatusInternalServerError}, "executed, unanswered": {Kth: k, Cut: 1, Honest: true},
		} {
			to := target(t)
			to.Fail(fault)
			if p, err := restore.Survey(t.Context(), to.Client(t), b, options()); err == nil {
				_, _ = restore.Execute(t.Context(), to.Client(t), p)
			}
			if _, err := restore.Execute(t.Context(), to.Client(t), survey(t, to, b, options())); err != nil {
				t.Errorf("request %d %s: %v", k, name, err)
			}
			if diff := cmp.Diff(want, clean(t, to)); diff != "" {
				t.Errorf("request %d %s:\n%s", k, name, diff)
			}
		}
	}
}

// pair is a server with one volume that is bound, policy Delete, and what change makes of it.
func pair(t testing.TB, change func(volume, claim string) (string, string)) *kubetest.Server {
	s := kubetest.New(t)
	s.BindVolumes()
	volume := `{"metadata":{"name":"data-0","uid":"u1","annotations":{"a.example/b":"c"}},"spec":{"capacity":{"storage":"2Gi"},"storageClassName":"fast","persistentVolumeReclaimPolicy":"Delete","csi":{"driver":"driver.longhorn.io","volumeHandle":"h-0"},"claimRef":{"namespace":"media","name":"films"}}}`
	claim := `{"metadata":{"name":"films","namespace":"media","uid":"u2"},"spec":{"volumeName":"data-0","storageClassName":"fast","resources":{"requests":{"storage":"2Gi"}}}}`
	if change != nil {
		volume, claim = change(volume, claim)
	}
	s.Add(spaces, "Namespace", `{"metadata":{"name":"media","labels":{"team":"tv"}}}`)
	s.Add(volumes, "PersistentVolume", volume)
	s.Add(claims, "PersistentVolumeClaim", claim)
	return s
}

func inVolume(old, to string) func(string, string) (string, string) {
	return func(v, c string) (string, string) { return strings.ReplaceAll(v, old, to), c }
}

func get(t testing.TB, s *kubetest.Server, path string) gjson.Result {
	t.Helper()
	item, ok := s.Objects()[path]
	if !ok {
		t.Fatalf("%s is not there", path)
	}
	return gjson.Parse(item)
}

const (
	theVolume = "/api/v1/persistentvolumes/data-0"
	theClaim  = "/api/v1/namespaces/media/persistentvolumeclaims/films"
)

// TestVolumesKeepTheirDataUntilTheyAreBound watches what is created, and looks at what stays when nothing binds.
func TestVolumesKeepTheirDataUntilTheyAreBound(t *testing.T) {
	b := stored(t, pair(t, nil))
	to := kubetest.New(t) // nobody binds here
	var sent []string
	to.React = func(verb, kind string, object map[string]any) error {
		if kind == "PersistentVolume" {
			data, _ := json.Marshal(object)
			sent = append(sent, verb+" "+gjson.GetBytes(data, "spec.persistentVolumeReclaimPolicy").String()+" "+gjson.GetBytes(data, `metadata.annotations.plan\/reclaim-policy`).String())
		}
		return nil
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	o := options()
	o.Pause = func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() }
	report, err := restore.Execute(ctx, to.Client(t), survey(t, to, b, o))
	if err == nil || !strings.Contains(err.Error(), "persistentvolume data-0 is not bound to persistentvolumeclaim media/films") || !strings.Contains(err.Error(), "restore again with the same key") {
		t.Errorf("error %v", err)
	}
	if errors.Is(err, context.DeadlineExceeded) || report.Created != 3 { // with the namespace
		t.Errorf("%+v, %v", report, err)
	}
	if v := get(t, to, theVolume); v.Get("spec.persistentVolumeReclaimPolicy").String() != "Retain" || v.Get(`metadata.annotations.plan\/restore`).String() != b.Key.String() || v.Get("spec.claimRef.uid").Exists() {
		t.Errorf("the volume is %s", v)
	}
	to.BindVolumes()
	report, err = restore.Execute(t.Context(), to.Client(t), survey(t, to, b, options()))
	if err != nil || report.Created != 1 || report.Unchanged != 2 {
		t.Errorf("the second time: %+v, %v", report, err)
	}
	if diff := cmp.Diff([]string{"create Retain Delete", "update Delete "}, sent); diff != "" {
		t.Errorf("writes of the volume:\n%s", diff)
	}
	if v := get(t, to, theVolume); strings.Contains(v.String(), "plan/") || v.Get("metadata.annotations").String() != `{"a.example/b":"c"}` {
		t.Errorf("the volume is %s", v)
	}
}

func TestBackupInTheMiddleOfARestoreHasTheFinalPolicy(t *testing.T) {
	b := stored(t, pair(t, inVolume(`"annotations":{"a.example/b":"c"}},"spec":{`, `"annotations":{"plan/restore":"other","plan/reclaim-policy":"Delete"}},"spec":{`)))
	for _, o := range b.Objects {
		if strings.Contains(string(o.Want), "plan/") {
			t.Errorf("%s", o.Want)
		}
	}
}

// pairOf are the volume and claim of pair when they are bound.
func pairOf(t testing.TB) (volume, claim string) {
	s := there(t, nil)
	return s.Objects()[theVolume], s.Objects()[theClaim]
}
