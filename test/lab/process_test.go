package lab

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

func testFolder(t *testing.T) folder {
	t.Helper()
	f := folder{dir: t.TempDir()}
	if _, err := f.open(); err != nil {
		t.Fatal(err)
	}
	return f
}

func shell(script string) component {
	return component{
		name: "it", argv: []string{"/bin/sh", "-c", script}, limit: 20 * time.Second, grace: 10 * time.Second,
		ready: func(context.Context) error { return nil },
	}
}

func TestReusedPidIsNotMistaken(t *testing.T) {
	f := testFolder(t)
	self, err := readProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	other := record{PID: os.Getpid(), Start: self.start + 1, Boot: bootID(), Grace: "1s"}
	if other.alive() {
		t.Error("a process with another start time counts as the recorded one")
	}
	if err := writeJSON(f.recordFile("it"), other); err != nil {
		t.Fatal(err)
	}
	if err := f.stop(t.Context(), "it"); err != nil { // would end this test
		t.Error(err)
	}
	other.Start, other.Boot = self.start, "another boot"
	if other.alive() {
		t.Error("a process of another boot counts as the recorded one")
	}
}

func TestEnsureReplacesWhatHasAnotherCommandLine(t *testing.T) {
	f := testFolder(t)
	defer f.stop(context.Background(), "it")
	pid := func(c component) int {
		t.Helper()
		if err := f.ensure(t.Context(), t.Logf, c, false); err != nil {
			t.Fatal(err)
		}
		r, _ := f.record("it")
		return r.PID
	}
	first := pid(shell("exec sleep 1000"))
	if again := pid(shell("exec sleep 1000")); again != first {
		t.Errorf("the same command line was started twice: %d, %d", first, again)
	}
	if other := pid(shell("exec sleep 1001")); other == first {
		t.Error("another command line was not started")
	}
}

// A process that got a SIGKILL may be there a little longer, and never be ready again.
func TestEnsureReplacesWhatIsDying(t *testing.T) {
	f, c := testFolder(t), shell("exec sleep 1000")
	defer f.stop(context.Background(), "it")
	if err := f.ensure(t.Context(), t.Logf, c, false); err != nil {
		t.Fatal(err)
	}
	dying, _ := f.record("it")
	c.ready = func(context.Context) error { // ensure has found it alive when it asks this
		if r, _ := f.record("it"); r.PID != dying.PID {
			return nil
		}
		return errors.Join(errors.New("connection refused"), syscall.Kill(dying.PID, syscall.SIGKILL))
	}
	if err := f.ensure(t.Context(), t.Logf, c, false); err != nil {
		t.Fatal(err)
	}
	if r, _ := f.record("it"); !r.alive() {
		t.Error("nothing runs")
	}
}

func TestFailedStartTellsTheLog(t *testing.T) {
	c := shell("echo no such disk; exit 3")
	c.ready = func(context.Context) error { return errors.New("connection refused") }
	err := testFolder(t).ensure(t.Context(), t.Logf, c, false)
	for _, want := range []string{"start it", "exit status 3", "no such disk"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say %q", err, want)
		}
	}
}

func TestStopKillsWhatIgnoresSIGTERM(t *testing.T) {
	f, c := testFolder(t), shell("trap '' TERM; echo ready; while :; do sleep 1; done")
	c.grace = 50 * time.Millisecond
	c.ready = func(context.Context) error {
		if b, _ := os.ReadFile(f.logFile("it")); len(b) == 0 {
			return errors.New("no trap yet")
		}
		return nil
	}
	if err := f.ensure(t.Context(), t.Logf, c, false); err != nil {
		t.Fatal(err)
	}
	r, _ := f.record("it")
	if err := f.stop(t.Context(), "it"); err != nil {
		t.Fatal(err)
	}
	if r.alive() {
		t.Error("it is still there")
	}
}

func TestPortsAreKeptUnlessTaken(t *testing.T) {
	f := testFolder(t)
	first, err := f.open()
	if err != nil {
		t.Fatal(err)
	}
	srv, err := f.listen(site{addr: f.addr(first, "ping"), handler: http.NotFoundHandler()}, make(chan error, 1)) // somebody else, as far as the records tell
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	second, err := f.open()
	if err != nil {
		t.Fatal(err)
	}
	for name, port := range first.Ports {
		if same := second.Ports[name] == port; same == (name == "ping") {
			t.Errorf("port of %s was %d, is %d", name, port, second.Ports[name])
		}
	}
}
