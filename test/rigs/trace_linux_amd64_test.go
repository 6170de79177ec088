package rigs

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"unsafe"
)

// tracer follows a process and all its threads and acts on one of their system calls, counted over all threads. strace can do the same
// but counts each thread by itself, and which thread of a Go program makes a call is chance: most points would never be met.
type tracer struct {
	calls  int             // how many of the set there were
	at     int             // the one to act on, from 1; 0 is none
	onward bool            // and all later ones
	errno  syscall.Errno   // what it then gives; 0: the process is killed before the call is made
	among  map[uint64]bool // the set
	files  string          // with it only calls on files below this folder count

	hit    []string // what was acted on
	failed map[int]bool
}

// supported says why processes cannot be traced here; "" is that they can. It traces this program, which has nothing to do.
func (*tracer) supported() string {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	self, err := os.Executable()
	if err != nil {
		return err.Error()
	}
	pid, err := syscall.ForkExec(self, []string{self, "-test.list=^$"}, &syscall.ProcAttr{Sys: &syscall.SysProcAttr{Ptrace: true}})
	if err != nil {
		return fmt.Sprintf("a process cannot be traced here (ptrace: %v)", err)
	}
	t := &tracer{among: changing()}
	if ws, err := t.follow(pid); err != nil || ws.ExitStatus() != 0 || t.calls == 0 {
		return fmt.Sprintf("a process cannot be traced here: %d calls seen, %v, %v", t.calls, ws, err)
	}
	return ""
}

// changing are the system calls by which a process changes anything that is seen from outside, files as well as sockets.
func changing() map[uint64]bool {
	return calls(syscall.SYS_WRITE, syscall.SYS_PWRITE64, syscall.SYS_WRITEV, syscall.SYS_FSYNC, syscall.SYS_FDATASYNC, syscall.SYS_RENAME,
		syscall.SYS_RENAMEAT, sysRenameat2, syscall.SYS_OPENAT, syscall.SYS_OPEN, syscall.SYS_UNLINK, syscall.SYS_UNLINKAT, syscall.SYS_LINKAT,
		syscall.SYS_MKDIR, syscall.SYS_MKDIRAT, syscall.SYS_FTRUNCATE, syscall.SYS_FLOCK, syscall.SYS_CONNECT, syscall.SYS_SENDTO)
}

// storing are those that fail when a disk is full or broken.
func storing() map[uint64]bool {
	return calls(syscall.SYS_WRITE, syscall.SYS_PWRITE64, syscall.SYS_WRITEV, syscall.SYS_FSYNC, syscall.SYS_FDATASYNC)
}

// networking are those without which nobody is called, listened to or looked up.
func networking() map[uint64]bool {
	return calls(syscall.SYS_SOCKET, syscall.SYS_SOCKETPAIR, syscall.SYS_CONNECT, syscall.SYS_BIND, syscall.SYS_LISTEN, syscall.SYS_ACCEPT, syscall.SYS_ACCEPT4,
		syscall.SYS_SENDTO, syscall.SYS_SENDMSG, sysSendmmsg, syscall.SYS_RECVFROM, syscall.SYS_RECVMSG, sysIOUringSetup)
}

const (
	sysRenameat2    = 316
	sysSendmmsg     = 307
	sysIOUringSetup = 425
)

func calls(numbers ...uint64) map[uint64]bool {
	set := map[uint64]bool{}
	for _, n := range numbers {
		set[n] = true
	}
	return set
}

const (
	optionExitKill = 0x100000
	waitAll        = 0x40000000 // __WALL
	waitNoThread   = 0x20000000 // __WNOTHREAD: children of this thread only
	syscallStop    = syscall.SIGTRAP | 0x80
	getSyscallInfo = 0x420e
)

// syscallInfo is struct ptrace_syscall_info.
type syscallInfo struct {
	Op   uint8 // 1: about to be made, 2: made
	_    [3]uint8
	Arch uint32
	_    [2]uint64 // instruction and stack pointer
	Nr   uint64
	Args [6]uint64
	_    [2]uint64
}

// follow traces a process that was started for it to its end. It is called on the thread that has started it.
func (t *tracer) follow(pid int) (syscall.WaitStatus, error) {
	t.failed = map[int]bool{}
	var ws syscall.WaitStatus
	if _, err := wait4(pid, &ws, waitAll); err != nil || !ws.Stopped() {
		return ws, fmt.Errorf("trace: the process did not stop at its beginning: %v, %v", ws, err)
	}
	options := syscall.PTRACE_O_TRACESYSGOOD | syscall.PTRACE_O_TRACECLONE | syscall.PTRACE_O_TRACEFORK | syscall.PTRACE_O_TRACEVFORK | optionExitKill
	if err := syscall.PtraceSetOptions(pid, options); err != nil {
		return ws, fmt.Errorf("trace: %w", err)
	}
	known := map[int]bool{pid: true}
	if err := syscall.PtraceSyscall(pid, 0); err != nil {
		return ws, fmt.Errorf("trace: %w", err)
	}
	for {
		thread, err := wait4(-1, &ws, waitAll|waitNoThread)
		switch {
		case err != nil:
			return ws, fmt.Errorf("trace: %w", err)
		case ws.Exited() || ws.Signaled():
			if delete(known, thread); thread == pid {
				return ws, nil
			}
			continue
		}
		pass := 0
		switch sig := ws.StopSignal(); {
		case sig == syscallStop:
			err = t.stop(pid, thread)
		case !known[thread]:
			known[thread] = true // its first stop
		case sig != syscall.SIGTRAP:
			pass = int(sig)
		}
		if err == nil {
			err = syscall.PtraceSyscall(thread, pass)
		}
		if err != nil && !errors.Is(err, syscall.ESRCH) { // killed meanwhile
			return ws, fmt.Errorf("trace: %w", err)
		}
	}
}

// stop takes in a call that is about to be made, or was made.
func (t *tracer) stop(pid, thread int) error {
	var info syscallInfo
	_, _, errno := syscall.Syscall6(syscall.SYS_PTRACE, getSyscallInfo, uintptr(thread), unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
	if errno != 0 {
		return errno
	}
	switch {
	case info.Op == 2 && t.failed[thread]:
		delete(t.failed, thread)
		return setResult(thread, t.errno)
	case info.Op != 1 || !t.among[info.Nr]:
		return nil
	}
	file := ""
	if t.files != "" || t.errno != 0 {
		if file, _ = os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, int(info.Args[0]))); !strings.HasPrefix(file, t.files) {
			return nil
		}
	}
	if t.calls++; t.at == 0 || t.calls < t.at || t.calls > t.at && !t.onward {
		return nil
	}
	t.hit = append(t.hit, file)
	if t.errno == 0 {
		return syscall.Kill(pid, syscall.SIGKILL)
	}
	t.failed[thread] = true
	return setCall(thread, ^uint64(0)) // a call that does not exist: nothing is made
}

func setCall(thread int, nr uint64) error {
	var regs syscall.PtraceRegs
	if err := syscall.PtraceGetRegs(thread, &regs); err != nil {
		return err
	}
	regs.Orig_rax = nr
	return syscall.PtraceSetRegs(thread, &regs)
}

func setResult(thread int, errno syscall.Errno) error {
	var regs syscall.PtraceRegs
	if err := syscall.PtraceGetRegs(thread, &regs); err != nil {
		return err
	}
	regs.Rax = -uint64(errno)
	return syscall.PtraceSetRegs(thread, &regs)
}

// journal tells whether a journal was hit.
func (t *tracer) journal() bool {
	return slices.ContainsFunc(t.hit, func(file string) bool { return strings.HasSuffix(file, "/journal") })
}
