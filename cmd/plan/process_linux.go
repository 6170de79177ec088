package main

import (
	"os"
	"strconv"
	"strings"
)

// bootID names this boot of the machine, and pidStarted when this process began, in clock ticks after it; with the pid they name the process for ever. Both are zero
// where /proc does not tell (proc(5)).
func bootID() string {
	data, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

func pidStarted() uint64 {
	data, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return 0
	}
	_, fields, _ := strings.Cut(string(data), ") ") // the name before it may hold blanks
	parts := strings.Fields(fields)
	if len(parts) < 20 {
		return 0
	}
	ticks, err := strconv.ParseUint(parts[19], 10, 64)
	if err != nil {
		return 0
	}
	return ticks
}
