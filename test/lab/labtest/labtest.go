// Package labtest is what the tests against a lab have in common: the program, built once, and proxies in front of servers.
package labtest

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// Need skips a test where no lab is wanted, and fails it where none may be skipped.
func Need(t testing.TB) {
	t.Helper()
	if os.Getenv("PLAN_TEST_LAB") != "1" {
		Without(t, "it needs the lab's servers: PLAN_TEST_LAB=1 starts them (make test sets it)")
	}
}

// Without skips a test for a reason, and fails it where none may be skipped.
func Without(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}

// Build makes the program of the module in a folder.
func Build(moduleRoot, binary string) error {
	build := exec.Command("go", "build", "-o", binary, "./cmd/plan")
	build.Dir = moduleRoot
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build plan: %w\n%s", err, out)
	}
	return nil
}
