package runstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// aLog is one that was kept so many seconds after the run began.
func aLog(of, name string, attempt int, second int, text string) Log {
	return Log{Of: of, Attempt: attempt, Name: name, Time: t0.Add(time.Duration(second) * time.Second), Data: []byte(text)}
}

// keep keeps logs of run a and closes the keeper.
func keep(t *testing.T, s Store, logs ...Log) {
	t.Helper()
	k := s.KeepLogs(t.Context(), "a")
	for _, l := range logs {
		if err := k.Keep(l); err != nil {
			t.Error(err)
		}
	}
	if err := k.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// kept are the logs of run a, without their times.
func kept(t *testing.T, s Store) []Log {
	t.Helper()
	logs, err := s.Logs(t.Context(), "a")
	if err != nil {
		t.Error(err)
	}
	for i := range logs {
		logs[i].Time = time.Time{}
	}
	return logs
}

// Both stores keep the logs of pods, each in its way.
func theStoreKeepsLogs(t *testing.T, s Store) {
	if _, err := s.Logs(t.Context(), "a"); !errors.Is(err, ErrNotFound) {
		t.Errorf("of a run that is not there: %v", err)
	}
	if _, err := s.Logs(t.Context(), "../a"); err == nil {
		t.Error("of what is no run's id")
	}
	made(t, s, "a", t0)
	keep(t, s)
	if logs := kept(t, s); len(logs) != 0 {
		t.Errorf("before there are any: %v", logs)
	}
	odd := "../..//\x00é." + strings.Repeat("x", 40)
	keep(t, s, aLog("report", "job-0", 1, 1, "one\n"), aLog("report[region=eu,n=2]", odd, 2, 2, "\x1b[2J\x00\xff\n"), aLog("report", "job-0", 2, 3, ""))
	keep(t, s, aLog("report", "job-0", 1, 4, "one, again\n"), aLog("report", "job-1", 1, 5, "two\n"))
	want := []Log{
		{"report[region=eu,n=2]", 2, odd, time.Time{}, []byte("\x1b[2J\x00\xff\n")}, {"report", 2, "job-0", time.Time{}, []byte{}},
		{"report", 1, "job-0", time.Time{}, []byte("one, again\n")}, {"report", 1, "job-1", time.Time{}, []byte("two\n")},
	}
	if diff := cmp.Diff(want, kept(t, s)); diff != "" {
		t.Error(diff)
	}
	k := s.KeepLogs(t.Context(), "a")
	defer k.Close(t.Context())
	for name, l := range map[string]Log{"no step": {Name: "x", Attempt: 1}, "no name": {Of: "x", Attempt: 1}, "no attempt": {Of: "x", Name: "x"}} {
		if err := k.Keep(l); err == nil {
			t.Errorf("%s: it is kept", name)
		}
	}
	if list, err := s.List(t.Context()); err != nil || len(list) != 1 {
		t.Errorf("the list: %+v, %v", list, err)
	}
}

func TestTheLocalStoreKeepsLogs(t *testing.T) {
	dir := t.TempDir()
	s := Local(dir)
	made(t, s, "a", t0)
	before := s.summary(t.Context(), "a").Bytes
	if err := s.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	theStoreKeepsLogs(t, s)
	if after := s.summary(t.Context(), "a").Bytes; after <= before {
		t.Errorf("the logs count nothing: %d bytes, %d without", after, before)
	}
	root := filepath.Join(dir, "runs", "a", "logs")
	for p, want := range map[string]os.FileMode{root: 0o700 | os.ModeDir, filepath.Join(root, "report"): 0o700 | os.ModeDir, filepath.Join(root, "report", "job-0.1"): 0o600} {
		if info, err := os.Stat(p); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v", p, info, err)
		}
	}
	if err := s.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "runs")); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestWhatIsNoLogIsLeftOut(t *testing.T) {
	s := Local(t.TempDir())
	made(t, s, "a", t0)
	keep(t, s, aLog("report", "job-0", 1, 1, "one\n"))
	root := s.logs("a")
	for _, name := range []string{"report/.new-123", "report/job", "report/job.x", "report/%zz.1", ".hidden/job.1", "file"} {
		path := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte("x"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(root, "file")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Log{{"report", 1, "job-0", time.Time{}, []byte("one\n")}}, kept(t, s)); diff != "" {
		t.Error(diff)
	}
}

func TestOfALogTheEndIsKeptInWholeLines(t *testing.T) {
	line := strings.Repeat("x", 99) + "\n"
	for name, tc := range map[string]struct {
		data  string
		bytes int
	}{
		"short":                     {line, 100},
		"as long as may be":         {strings.Repeat("y", MaxLog), MaxLog},
		"begins within a line":      {strings.Repeat(line, 700), MaxLog / 100 * 100},
		"begins with one":           {"x\n" + strings.Repeat("z", MaxLog-1) + "\n", MaxLog},
		"one line that is too long": {strings.Repeat("z", 2*MaxLog), 0},
	} {
		t.Run(name, func(t *testing.T) {
			got := tail([]byte(tc.data))
			if len(got) != tc.bytes || !strings.HasSuffix(tc.data, string(got)) {
				t.Errorf("%d bytes, want %d", len(got), tc.bytes)
			}
		})
	}
}

// Whatever a name is, its file is one in the folder meant, no two names have one, and the name is read back unless it was too long.
func TestNamesOfFilesAreSafe(t *testing.T) {
	seen := map[string]string{}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(rapid.String(), rapid.StringMatching(`[./~%a-z\\[\]=,]{1,300}`), rapid.SampledFrom([]string{".", "..", "...", "~", "%", "a/../b", "-"})).Draw(t, "name")
		if name == "" {
			return
		}
		file := fileName(name)
		if file == "" || len(file) > maxFileName || file[0] == '.' || strings.ContainsAny(file, "/\x00\\") {
			t.Fatalf("the file of %q is %q", name, file)
		}
		if other, ok := seen[file]; ok && other != name {
			t.Fatalf("%q is the file of %q and of %q", file, name, other)
		}
		seen[file] = name
		back, err := nameOf(file)
		if err != nil || back != name && len(file) < maxFileName {
			t.Fatalf("%q comes back as %q, %v", name, back, err)
		}
	})
}

func TestManyKeepLogsAtOnce(t *testing.T) {
	s := Local(t.TempDir())
	made(t, s, "a", t0)
	k := s.KeepLogs(t.Context(), "a")
	var all sync.WaitGroup
	for i := range 8 {
		for n := range 5 { // of one pod, too
			all.Go(func() {
				if err := k.Keep(aLog("m[n=1]", fmt.Sprint("pod-", i), 1, n, strings.Repeat("x", n))); err != nil {
					t.Error(err)
				}
			})
		}
	}
	all.Wait()
	if err := k.Close(context.Background()); err != nil {
		t.Error(err)
	}
	logs := kept(t, s)
	for _, l := range logs {
		if len(bytes.Trim(l.Data, "x")) > 0 {
			t.Errorf("%s: %q", l.Name, l.Data)
		}
	}
	if len(logs) != 8 {
		t.Errorf("%d logs", len(logs))
	}
}
