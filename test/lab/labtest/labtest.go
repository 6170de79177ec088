// Package labtest is what the tests against a lab have in common: the program, built once, and proxies in front of servers.
package labtest

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"plan/test/lab"
)

// Need skips a test where no lab is wanted, and fails it where none may be skipped.
func Need(t testing.TB) {
	t.Helper()
	if os.Getenv("PLAN_TEST_LAB") != "1" {
		Without(t, "it needs the lab's servers: PLAN_TEST_LAB=1 starts them (make test sets it)")
	}
}

// NeedNode skips a test where there is no lab with a node, and fails it where none may be skipped. Start one with
// lab.Options{Node: true}.
func NeedNode(t testing.TB) {
	t.Helper()
	Need(t)
	if reason := NoNode(); reason != "" {
		Without(t, reason)
	}
}

// NoNode is why no lab can have a node here; "" if one can.
func NoNode() string {
	if os.Getenv("PLAN_LAB_NODE") == "0" {
		return "it needs the lab's node, and PLAN_LAB_NODE=0 leaves it out"
	}
	if os.Getenv("PLAN_TEST_KUBECONFIG") != "" {
		return "it needs the lab's own node, and PLAN_TEST_KUBECONFIG names another cluster"
	}
	if err := lab.NodeMissing(); err != nil {
		return err.Error()
	}
	return ""
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
