package lab

import (
	"context"
	"fmt"
)

// Emulator returns the path of a program that runs static programs for 64-bit ARM: Debian's, unpacked into the lab's cache and not installed.
func Emulator(ctx context.Context, log Log) (string, error) {
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	path, err := packageFile{"qemu-user-static", "usr/bin/qemu-aarch64-static"}.get(ctx, log, cache)
	if err != nil {
		return "", fmt.Errorf("find an emulator: %w", err)
	}
	return path, nil
}
