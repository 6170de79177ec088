package runstore

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// bootID names this boot of the machine (proc(5)). Empty where /proc does not tell.
func bootID() string {
	data, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

// pidStarted is when a process began, in clock ticks after boot (proc_pid_stat(5)). 0 when there is none, also when it has ended and its
// parent has not asked yet, and where /proc does not tell.
func pidStarted(pid int) uint64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	parts := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:])) // the name before it may hold anything
	const state, start = 0, 19                                               // fields 3 and 22
	if len(parts) <= start || parts[state] == "Z" || parts[state] == "X" {
		return 0
	}
	ticks, err := strconv.ParseUint(parts[start], 10, 64)
	if err != nil {
		return 0
	}
	return ticks
}
