//go:build !linux

package main

func bootID() string { return "" }

func pidStarted() uint64 { return 0 }
