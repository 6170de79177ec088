package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// stateDir follows the XDG base directory specification. A user without a home, as in a minimal pod, gets a folder of its own among the temporary files.
func stateDir(given string) (string, error) {
	if given != "" {
		return filepath.Abs(given)
	}
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "plan"), nil
	}
	if home, err := os.UserHomeDir(); err == nil && filepath.IsAbs(home) {
		if err := os.MkdirAll(filepath.Join(home, ".local", "state", "plan"), 0o700); err == nil {
			return filepath.Join(home, ".local", "state", "plan"), nil
		}
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("plan-%d", os.Getuid())), nil
}
