package lab

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// namespaces say in which mount and PID namespaces a process runs.
type namespaces int

const (
	callers  namespaces = iota // those of this process
	newOnes                    // new ones, which end with it
	nodesOwn                   // those of the process that is recorded as "node"
)

// processAttr puts a process that outlives this one into a session of its own, so that a Ctrl-C here does not
// reach it; any other gets SIGKILL when this process ends. One in the node's namespaces ends with the node.
func processAttr(outlive bool, where namespaces) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setsid: outlive, Setpgid: !outlive}
	if !outlive && where != nodesOwn { // os/exec would take its parent, outside, for dead
		attr.Pdeathsig = syscall.SIGKILL
	}
	if where == newOnes {
		attr.Cloneflags = syscall.CLONE_NEWNS | syscall.CLONE_NEWPID
	}
	return attr
}

// launch starts cmd, in the namespaces of process node unless that is 0, and tells started its pid in this process's
// own. The channel gets its end.
func launch(cmd *exec.Cmd, node int, started func(pid int) error) (<-chan error, error) {
	begun, told, exited := make(chan error, 1), make(chan struct{}), make(chan error, 1)
	start := func() {
		var err error
		if node != 0 {
			// The thread stays in the namespaces, so nothing else may run on it. Nor may it end: a process that it has
			// started earlier would take that for the end of its parent.
			defer func() { select {} }()
			err = enter(node)
		}
		if err == nil {
			err = cmd.Start()
		}
		begun <- err
		if err == nil {
			<-told
			exited <- cmd.Wait()
		}
	}
	if node != 0 {
		onThread(start)
	} else {
		go start()
	}
	if err := <-begun; err != nil {
		return nil, err
	}
	defer close(told)
	if err := started(cmd.Process.Pid); err != nil {
		cmd.Process.Kill()
		return nil, err
	}
	return exited, nil
}

// onThread starts do on a thread of its own, and not on the first one: what that sees is /proc/self.
func onThread(do func()) {
	begun := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			onThread(do) // this thread is taken meanwhile
			runtime.UnlockOSThread()
			close(begun)
			return
		}
		close(begun)
		do()
	}()
	<-begun
}

// enter takes the calling thread into the mount namespace of a process, and its children into the PID namespace, too.
func enter(pid int) error {
	var files [2]*os.File
	for i, kind := range []string{"mnt", "pid"} { // both, before /proc is another one
		file, err := os.Open(fmt.Sprintf("/proc/%d/ns/%s", pid, kind))
		if err != nil {
			return fmt.Errorf("find the node's namespaces: %w", err)
		}
		defer file.Close()
		files[i] = file
	}
	err := unix.Unshare(unix.CLONE_FS) // root and working directory, which the other threads keep
	for i, kind := range []int{unix.CLONE_NEWNS, unix.CLONE_NEWPID} {
		if err == nil {
			err = unix.Setns(int(files[i].Fd()), kind)
		}
	}
	return wrap(err, "enter the node's namespaces")
}
