package job_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"plan/internal/backup"
	"plan/internal/backup/job"
	"plan/internal/kube"
	"plan/internal/kube/kubetest"
	"plan/internal/objectstore"
	"plan/internal/objectstore/s3"
	"plan/internal/objectstore/s3test"
	"plan/internal/retention"
)

var started = time.Date(2026, 1, 15, 2, 0, 5, 0, time.UTC)

var pvs = kube.Resource{Version: "v1", Resource: "persistentvolumes"}

// world is a cluster of volumes and an S3 server.
type world struct {
	s3   *s3test.Server
	kube *kubetest.Server
	temp string
	job  job.Job
	said []string
}

func newWorld(t *testing.T, volumes int) *world {
	w := &world{s3: s3test.New("backups"), kube: kubetest.New(t), temp: t.TempDir()}
	for i := range volumes {
		w.kube.Add(pvs, "PersistentVolume", fmt.Sprintf(`{"metadata":{"name":"pv-%d"},"status":{"phase":"Bound"}}`, i))
	}
	server := httptest.NewServer(w.s3)
	t.Cleanup(server.Close)
	store, err := s3.New(t.Context(), s3.Config{
		Bucket: "backups", Endpoint: server.URL, PathStyle: true, AccessKey: "id", SecretKey: "secret", MaxBackoff: time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.job = job.Job{
		Artefact: backup.PVs, Prefix: "pv-backups", Max: 50,
		Cluster: backup.Cluster{Name: "home", UID: kubetest.UID}, Run: "run-1", Started: started,
		Hash: func(n int) string { return fmt.Sprintf("0000000%d", n) },
		Kube: w.kube.Client(t), Store: store, Now: started, Temp: w.temp,
		Log:      func(format string, args ...any) { w.said = append(w.said, fmt.Sprintf(format, args...)) },
		Progress: func(string, int64, int64, string) {},
		Primary:  pvs,
		Collect:  func(ctx context.Context, list job.List) error { return list(ctx, pvs, nil) },
	}
	return w
}

// on is the job of a run of its own.
func (w *world) on(day int) job.Job {
	j := w.job
	j.Started = started.AddDate(0, 0, day)
	j.Now, j.Run = j.Started, fmt.Sprintf("run-%d", day)
	return j
}

func TestBackupIsInTheBucketWithItsMetadata(t *testing.T) {
	w := newWorld(t, 3)
	report, err := w.job.Make(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	o, ok := w.s3.Objects()["pv-backups/home/pvs-20260115-020005-00000000.json.gz"]
	if !ok || int64(len(o.Body)) != report.Size {
		t.Fatalf("%d bytes are stored, the report says %d", len(o.Body), report.Size)
	}
	meta, err := backup.ParseMetadata(o.Metadata)
	if err != nil || meta != report.Meta || meta.Count != 3 || meta.ClusterUID != kubetest.UID {
		t.Errorf("%+v, %v", meta, err)
	}
}

func TestBackupUnderFaultsOfTheStore(t *testing.T) {
	tests := map[string]struct {
		fault   s3test.Fault
		err     error // nil: the backup is made
		adopted bool
	}{
		"answer to the upload is lost":      {fault: s3test.Fault{Op: s3test.Put, Effect: s3test.ResetAfter, Times: 1}, adopted: true},
		"upload is truncated":               {fault: s3test.Fault{Op: s3test.Put, Effect: s3test.StoreShort}, err: backup.ErrDamaged},
		"conditional requests not known":    {fault: s3test.Fault{Op: s3test.Put, Header: "If-None-Match", Effect: s3test.NotImplemented}},
		"another writer at the same time":   {fault: s3test.Fault{Op: s3test.Put, Effect: s3test.Conflict, Times: 1}},
		"writing denied":                    {fault: s3test.Fault{Op: s3test.Put, Effect: s3test.AccessDenied}, err: objectstore.ErrDenied},
		"reading back denied":               {fault: s3test.Fault{Op: s3test.Get, Effect: s3test.AccessDenied}, err: objectstore.ErrDenied},
		"reading back is cut":               {fault: s3test.Fault{Op: s3test.Get, Effect: s3test.CutBody}, err: io.ErrUnexpectedEOF},
		"reading back is cut, undeclared":   {fault: s3test.Fault{Op: s3test.Get, Effect: s3test.CutAnswer}, err: backup.ErrDamaged},
		"bucket gone":                       {fault: s3test.Fault{Op: s3test.Put, Effect: s3test.NoSuchBucket}, err: objectstore.ErrNoBucket},
		"reading back gives something else": {fault: s3test.Fault{Op: s3test.Get, Effect: s3test.ForeignBody}, err: backup.ErrNoMetadata},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 3)
			w.s3.Inject(tt.fault)
			report, err := w.job.Make(t.Context())
			if tt.err != nil {
				if !errors.Is(err, tt.err) {
					t.Errorf("error %v, want %v", err, tt.err)
				}
				return
			}
			if err != nil || report.Index.Objects != 3 || report.Adopted != tt.adopted || len(w.s3.Objects()) != 1 {
				t.Errorf("%+v, %v, %d objects", report, err, len(w.s3.Objects()))
			}
		})
	}
}

func TestAttemptAfterATruncatedUploadLeavesItAndTakesAnotherKey(t *testing.T) {
	w := newWorld(t, 3)
	w.s3.Inject(s3test.Fault{Op: s3test.Put, Effect: s3test.StoreShort, Times: 1})
	if _, err := w.job.Make(t.Context()); !errors.Is(err, backup.ErrDamaged) {
		t.Fatalf("error %v, want ErrDamaged", err)
	}
	report, err := w.job.Make(t.Context())
	if err != nil || report.Key.Hash != "00000001" || len(w.s3.Objects()) != 2 {
		t.Errorf("%+v, %v", report, err)
	}
	if said := strings.Join(w.said, "\n"); !strings.Contains(said, "its 3 bytes") || !strings.Contains(said, "left as it is") {
		t.Errorf("said %q", said)
	}
}

func TestFailedPruneKeepsTheReportOfTheBackup(t *testing.T) {
	w := newWorld(t, 3)
	for day := range 3 {
		if _, err := w.on(day).Make(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	w.s3.Inject(s3test.Fault{Op: s3test.Deletes, Effect: s3test.AccessDenied})
	w.s3.Inject(s3test.Fault{Op: s3test.Delete, Effect: s3test.AccessDenied})
	j := w.on(3)
	j.Keep = &retention.Keep{Last: 1}
	report, err := j.Make(t.Context())
	if !errors.Is(err, objectstore.ErrDenied) || !strings.Contains(err.Error(), "the backup is stored and verified, but 3 of 3 old backups stay: delete \"pv-backups/home/pvs-") {
		t.Errorf("error %v", err)
	}
	if report.Size == 0 || len(report.Pruned) != 0 || len(w.s3.Objects()) != 4 {
		t.Errorf("%+v, %d objects", report, len(w.s3.Objects()))
	}
	w.s3.Heal()
	again, err := j.Make(t.Context())
	if err != nil || !again.Adopted || len(again.Pruned) != 3 || len(w.s3.Objects()) != 1 {
		t.Errorf("another attempt: %+v, %v, %d objects", again, err, len(w.s3.Objects()))
	}
}

func TestPreviewSaysWhatMakeDoes(t *testing.T) {
	w := newWorld(t, 3)
	for day := range 3 {
		if _, err := w.on(day).Make(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	j := w.on(3)
	j.Keep = &retention.Keep{Last: 2}
	before := w.s3.Calls(s3test.Put)
	p, err := j.Preview(t.Context())
	if err != nil || w.s3.Calls(s3test.Put) != before {
		t.Fatalf("%v, %d puts", err, w.s3.Calls(s3test.Put)-before)
	}
	report, err := j.Make(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if p.Key != report.Key.String() || len(p.Remove) != 2 || p.Remove[0].Key != report.Pruned[0] || p.Remove[1].Key != report.Pruned[1] {
		t.Errorf("preview %+v, done %+v", p, report)
	}
	if p, err = j.Preview(t.Context()); err != nil || p.Key != "" || len(p.Remove) != 0 {
		t.Errorf("preview afterwards: %+v, %v", p, err)
	}
}

// TestPreviewTellsOfTheBackupAlsoWhenPruningWouldFail, for the backup is made first; and how much would be in it, which rules ask for.
func TestPreviewTellsOfTheBackupAlsoWhenPruningWouldFail(t *testing.T) {
	w := newWorld(t, 3)
	p, err := w.job.Preview(t.Context())
	if err != nil || p.Count != 3 || string(p.Planned()) != `{"count":3}` {
		t.Errorf("%+v, %v", p, err)
	}
	for day := range 3 {
		if _, err := w.on(day).Make(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	j := w.on(3)
	j.Keep, j.Max = &retention.Keep{Last: 1}, 1
	p, err = j.Preview(t.Context())
	var many *retention.TooManyError
	if !errors.As(err, &many) || many.Victims != 3 || p.Key == "" || p.Count != 3 || len(p.Remove) != 0 {
		t.Errorf("%+v, %v", p, err)
	}
	if _, made := j.Make(t.Context()); !errors.As(made, &many) || len(w.s3.Objects()) != 4 {
		t.Errorf("%v, %d objects", made, len(w.s3.Objects()))
	}
}

func TestNothingIsLeftBehindWhenTheListFails(t *testing.T) {
	w := newWorld(t, 600) // two pages
	w.kube.Fail(kubetest.Fault{Path: "continue", Status: 410})
	_, err := w.job.Make(t.Context())
	if !errors.Is(err, kube.ErrExpired) || len(w.s3.Objects()) != 0 {
		t.Errorf("error %v, %d objects", err, len(w.s3.Objects()))
	}
	if left, err := os.ReadDir(w.temp); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
