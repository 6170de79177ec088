package runstore

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"plan/engine"
)

// A process stands in for the one that has the run.
func sleeper(t *testing.T) (Identity, chan error) {
	t.Helper()
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Skip(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	id := Process()
	id.PID, id.Started = cmd.Process.Pid, pidStarted(cmd.Process.Pid)
	return id, done
}

func TestCancelInterruptsTheVeryProcessAndNoOther(t *testing.T) {
	if bootID() == "" {
		t.Skip("this system does not tell processes apart")
	}
	who, done := sleeper(t)
	cases := map[string]struct {
		change func(*Identity)
		says   string
	}{
		"another host":      {func(i *Identity) { i.Host = "elsewhere" }, "on host elsewhere"},
		"another boot":      {func(i *Identity) { i.BootID = "other" }, "not for certain"},
		"a recycled pid":    {func(i *Identity) { i.Started-- }, "not for certain"},
		"no such process":   {func(i *Identity) { i.PID = 1 << 22 }, "not for certain"},
		"no boot id":        {func(i *Identity) { i.BootID = "" }, "not for certain"},
		"no process at all": {func(i *Identity) { i.PID = 0 }, "names no process"},
		"all processes":     {func(i *Identity) { i.PID = -1 }, "names no process"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			other := who
			tc.change(&other)
			s := Local(t.TempDir())
			begunBy(t, s, other)
			if err := s.Cancel(t.Context(), "a"); err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("error %v", err)
			}
		})
	}
	select {
	case err := <-done:
		t.Fatalf("the process ended: %v", err)
	default:
	}
	s := Local(t.TempDir())
	begunBy(t, s, who)
	if err := s.Cancel(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if exit, ok := errors.AsType[*exec.ExitError](<-done); !ok || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGINT {
		t.Errorf("it ended with %v", exit)
	}
	if Alive(who.Host, who.PID, who.BootID, who.Started) {
		t.Error("a process that has ended is alive")
	}
}

// begunBy makes a run that a process has, as far as can be seen.
func begunBy(t *testing.T, s Store, who Identity) {
	t.Helper()
	first := begun("a", t0)
	first.Host, first.PID, first.BootID, first.PIDStarted = who.Host, who.PID, who.BootID, who.Started
	j, err := s.Create(t.Context(), "a", first)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
}

func TestCancelOfACrashedRunSaysThatNobodyHasIt(t *testing.T) {
	s := Local(t.TempDir())
	made(t, s, "a", t0, engine.AttemptStartedRecord{Step: "x", Attempt: 1})
	if err := s.Cancel(t.Context(), "a"); !errors.Is(err, ErrNotRunning) {
		t.Error(err)
	}
}

func TestThisProcessIsAlive(t *testing.T) {
	p := Process()
	if p.BootID == "" {
		t.Skip("this system does not tell processes apart")
	}
	if !Alive(p.Host, p.PID, p.BootID, p.Started) {
		t.Errorf("%+v is not alive", p)
	}
	for name, other := range map[string]Identity{
		"host": {"x", p.PID, p.BootID, p.Started}, "pid": {p.Host, 1, p.BootID, p.Started},
		"boot": {p.Host, p.PID, "x", p.Started}, "start": {p.Host, p.PID, p.BootID, p.Started + 1}, "nothing": {},
	} {
		if Alive(other.Host, other.PID, other.BootID, other.Started) {
			t.Errorf("of another %s: alive", name)
		}
	}
}

func TestAnEndedContextStopsTheList(t *testing.T) {
	s := Local(t.TempDir())
	made(t, s, "a", t0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.List(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
