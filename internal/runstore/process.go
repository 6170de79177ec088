package runstore

import (
	"os"

	"plan/engine"
)

// Identity names one process for ever: pids are used again, but not with the same start within one boot.
type Identity struct {
	Host    string
	PID     int
	BootID  string // empty where the system does not tell
	Started uint64 // clock ticks after boot; 0 where the system does not tell
}

// Process is this process.
func Process() Identity {
	host, _ := os.Hostname() // without one it is nobody's, and never found alive
	pid := os.Getpid()
	return Identity{Host: host, PID: pid, BootID: bootID(), Started: pidStarted(pid)}
}

// of is the process that a record names.
func of(r engine.RunStartedRecord) Identity {
	return Identity{Host: r.Host, PID: r.PID, BootID: r.BootID, Started: r.PIDStarted}
}

// Alive tells whether the very process runs on this machine. It is false for one of another host, and where the system does not tell
// processes apart: that a process is dead follows from false only on its own host.
func Alive(host string, pid int, bootID string, started uint64) bool {
	return Identity{host, pid, bootID, started}.alive(Process())
}

// alive tells whether i runs where self does.
func (i Identity) alive(self Identity) bool {
	return i.PID > 0 && i.BootID != "" && i.Started != 0 && i.Host == self.Host && i.BootID == self.BootID && pidStarted(i.PID) == i.Started
}
