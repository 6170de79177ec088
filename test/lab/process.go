package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// component is one server of the lab that runs as a process of its own.
type component struct {
	name  string
	argv  []string
	env   []string                    // added to this process's own
	ready func(context.Context) error // nil when it serves
	limit time.Duration               // for becoming ready
	grace time.Duration               // between SIGTERM and SIGKILL
	where namespaces
}

// record is what the lab remembers of a process it started. PID and start time together name a process
// for as long as the machine runs (proc(5): starttime is in clock ticks since boot).
type record struct {
	PID   int      `json:"pid"`
	Start uint64   `json:"start"`
	Boot  string   `json:"boot"`
	Argv  []string `json:"argv"`
	Grace string   `json:"grace"`
}

func (f folder) recordFile(name string) string { return filepath.Join(f.dir, "run", name+".json") }

// record reads what was recorded of name; ok is false when there is nothing readable.
func (f folder) record(name string) (r record, ok bool) {
	b, err := os.ReadFile(f.recordFile(name))
	if err != nil || json.Unmarshal(b, &r) != nil {
		return record{}, false
	}
	return r, true
}

// alive reports whether the recorded process still runs: the same process, and not one that merely waits for its
// parent to ask how it ended.
func (r record) alive() bool {
	p, err := readProcess(r.PID)
	return err == nil && p.start == r.Start && !p.dead() && r.Boot == bootID()
}

// process is what the kernel tells of one (fields 3, 20 and 22 of /proc/PID/stat, proc(5)).
type process struct {
	state   string
	threads int
	start   uint64
}

// dead: a zombie whose threads have all ended. With threads left it may still hold its files and ports.
func (p process) dead() bool { return p.state == "X" || p.state == "Z" && p.threads <= 1 }

func readProcess(pid int) (process, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return process{}, err
	}
	// The name in field 2 may hold blanks and parentheses; the fields go on after its last one.
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 20 {
		return process{}, fmt.Errorf("read /proc/%d/stat: %d fields", pid, len(fields))
	}
	p := process{state: fields[0]}
	p.threads, err = strconv.Atoi(fields[17])
	if err == nil {
		p.start, err = strconv.ParseUint(fields[19], 10, 64)
	}
	return p, err
}

func bootID() string {
	b, _ := os.ReadFile("/proc/sys/kernel/random/boot_id") // without one, pid and start time have to do
	return strings.TrimSpace(string(b))
}

// ensure brings c up: a process that runs with the same command line is kept, any other is replaced.
// It returns when c is ready. A process that ends meanwhile, as one that was just killed does, is replaced too.
func (f folder) ensure(ctx context.Context, log Log, c component, outlive bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.limit, fmt.Errorf("not ready after %s", c.limit))
	defer cancel()
	if r, ok := f.record(c.name); ok && r.alive() {
		if slices.Equal(r.Argv, c.argv) {
			if err := f.await(ctx, c, r.ended); !errors.Is(err, errEnded) {
				return err
			}
			log("restarting %s: it has ended", c.name)
		} else {
			log("restarting %s: its command line has changed", c.name)
			if err := f.stop(ctx, c.name); err != nil {
				return err
			}
		}
	}
	exited, err := f.spawn(c, outlive)
	if err != nil {
		return fmt.Errorf("start %s: %w", c.name, err)
	}
	return f.await(ctx, c, func() error {
		select {
		case err := <-exited:
			return fmt.Errorf("it ended: %v", err)
		default:
			return nil
		}
	})
}

var errEnded = errors.New("it ended")

// ended is nil while the recorded process runs.
func (r record) ended() error {
	if r.alive() {
		return nil
	}
	return errEnded
}

// spawn starts c and records it. A process that is not to outlive this one is killed by the kernel when this
// one ends, however it ends. The channel gets the process's end.
func (f folder) spawn(c component, outlive bool) (<-chan error, error) {
	out, err := os.Create(f.logFile(c.name))
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := exec.Command(c.argv[0], c.argv[1:]...)
	cmd.Env = append(os.Environ(), c.env...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = f.dir, out, out
	cmd.SysProcAttr = processAttr(outlive, c.where)
	node := 0
	if c.where == nodesOwn {
		if node, err = f.nodePID(); err != nil {
			return nil, err
		}
	}
	return launch(cmd, node, func(pid int) error {
		p, err := readProcess(pid) // before Wait: even one that has ended already is still in /proc
		if err == nil {
			err = writeJSON(f.recordFile(c.name), record{PID: pid, Start: p.start, Boot: bootID(), Argv: c.argv, Grace: c.grace.String()})
		}
		return wrap(err, "record the process")
	})
}

// await polls until c is ready, its process ends or ctx does. Its error holds the end of c's log.
func (f folder) await(ctx context.Context, c component, ended func() error) error {
	var last error
	for {
		if last = c.ready(ctx); last == nil {
			return nil
		}
		if err := ended(); err != nil {
			return f.failure(c, err)
		}
		select {
		case <-ctx.Done():
			return f.failure(c, fmt.Errorf("%w: %w", context.Cause(ctx), last))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (f folder) failure(c component, err error) error {
	b, _ := os.ReadFile(f.logFile(c.name)) // the error is worth reporting without its log
	return fmt.Errorf("start %s: %w; the end of %s:\n%s", c.name, err, f.logFile(c.name), tail(b, 15))
}

// stop ends the recorded process of that name, by SIGTERM and, after its grace, by SIGKILL, and returns when it
// is gone. A process that is not the recorded one is left alone.
func (f folder) stop(ctx context.Context, name string) error {
	r, ok := f.record(name)
	if ok && r.alive() {
		grace, err := time.ParseDuration(r.Grace)
		if err != nil {
			grace = time.Second
		}
		if err := r.end(ctx, grace); err != nil {
			return fmt.Errorf("stop %s (pid %d): %w", name, r.PID, err)
		}
	}
	if err := os.Remove(f.recordFile(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("forget %s: %w", name, err)
	}
	return nil
}

func (r record) end(ctx context.Context, grace time.Duration) error {
	for _, step := range []struct {
		sig  syscall.Signal
		wait time.Duration
	}{{syscall.SIGTERM, grace}, {syscall.SIGKILL, 20 * time.Second}} {
		if err := syscall.Kill(r.PID, step.sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
		for deadline := time.Now().Add(step.wait); time.Now().Before(deadline); {
			if !r.alive() {
				return nil
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
	return errors.New("still there after SIGKILL")
}
