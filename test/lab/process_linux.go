package lab

import "syscall"

// processAttr puts a process that outlives this one into a session of its own, so that a Ctrl-C here does not
// reach it; any other gets SIGKILL when this process ends.
func processAttr(outlive bool) *syscall.SysProcAttr {
	if outlive {
		return &syscall.SysProcAttr{Setsid: true}
	}
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
