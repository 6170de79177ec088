//go:build linux

package rigs

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

// tooLong ends a process that does not end by itself: no run here takes seconds, and a signal is obeyed within 15 s.
const tooLong = 90 * time.Second

// result is how a process ended.
type result struct {
	code           int            // -1 when a signal ended it
	signal         syscall.Signal // 0 when it ended by itself
	stdout, stderr string
	took           time.Duration
	calls          int // of those that were counted, when it was traced
	hit            []string
	stuck          bool // it had to be ended
}

func (r result) String() string {
	return fmt.Sprintf("exit %d, signal %d after %s\n--- stdout\n%s--- stderr\n%s", r.code, r.signal, r.took.Round(time.Millisecond), tail(r.stdout), tail(r.stderr))
}

func tail(s string) string {
	if len(s) > 3000 {
		return "…" + s[len(s)-3000:]
	}
	return s
}

// process is one that runs, for whoever wants to send it a signal.
type process struct {
	mu    sync.Mutex
	pid   int
	ended bool
}

// signal sends a signal, unless the process has ended.
func (p *process) signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ended && p.pid > 0 {
		_ = syscall.Kill(p.pid, s) // it may have ended just now, unreaped
	}
}

// start is how the program is started: with which arguments, watched by whom.
type start struct {
	args   []string
	env    []string       // besides the world's
	watch  func(*process) // called in a goroutine of its own once the process is there
	tracer *tracer        // nil: not traced
}

// run runs the program to its end. Child processes are those of the thread, which is locked, so that a tracer meets no others.
func (w *world) run(t testing.TB, s start) result {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	out, errOut := w.create(t, "stdout"), w.create(t, "stderr")
	defer out.Close()
	defer errOut.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	begin := time.Now()
	pid, err := syscall.ForkExec(program(t), append([]string{"plan"}, s.args...), &syscall.ProcAttr{
		Dir: w.dir, Env: append(w.env, s.env...), Files: []uintptr{null.Fd(), out.Fd(), errOut.Fd()},
		Sys: &syscall.SysProcAttr{Ptrace: s.tracer != nil},
	})
	if err != nil {
		t.Fatal(err)
	}
	p := &process{pid: pid}
	var r result
	guard := time.AfterFunc(tooLong, func() { p.mu.Lock(); r.stuck = true; p.mu.Unlock(); p.signal(syscall.SIGKILL) })
	defer guard.Stop()
	if s.watch != nil {
		go s.watch(p)
	}
	var ws syscall.WaitStatus
	if s.tracer != nil {
		ws, err = s.tracer.follow(pid)
		r.calls, r.hit = s.tracer.calls, s.tracer.hit
	} else {
		_, err = wait4(pid, &ws, 0)
	}
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	if err != nil {
		t.Fatalf("wait for the process: %v", err)
	}
	r.took, r.code = time.Since(begin), ws.ExitStatus()
	if ws.Signaled() {
		r.signal = ws.Signal()
	}
	r.stdout, r.stderr = w.read(t, "stdout"), w.read(t, "stderr")
	if r.stuck {
		t.Errorf("plan %v did not end within %s\n%s", s.args, tooLong, r)
	}
	return r
}

func wait4(pid int, ws *syscall.WaitStatus, options int) (int, error) {
	for {
		got, err := syscall.Wait4(pid, ws, options, nil)
		if err != syscall.EINTR {
			return got, err
		}
	}
}

func (w *world) create(t testing.TB, name string) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(w.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (w *world) read(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(w.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
