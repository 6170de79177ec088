//go:build !linux

package runstore

func bootID() string { return "" }

func pidStarted(int) uint64 { return 0 }
