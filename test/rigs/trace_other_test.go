//go:build linux && !amd64

package rigs

import "syscall"

// tracer is for amd64: elsewhere a system call is changed by other means.
type tracer struct {
	calls, at int
	onward    bool
	errno     syscall.Errno
	among     map[uint64]bool
	files     string
	hit       []string
}

func (*tracer) supported() string { return "system calls are counted and failed on amd64 only" }

func (*tracer) follow(int) (syscall.WaitStatus, error) { return 0, syscall.ENOSYS }
func (*tracer) journal() bool                          { return false }
func changing() map[uint64]bool                        { return nil }
func storing() map[uint64]bool                         { return nil }
func networking() map[uint64]bool                      { return nil }
