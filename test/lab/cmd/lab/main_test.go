package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"plan/test/lab"
)

// TestServersOutliveTheCommand runs the built command as a user would.
func TestServersOutliveTheCommand(t *testing.T) {
	if os.Getenv("PLAN_TEST_KUBECONFIG") != "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("PLAN_TEST_KUBECONFIG is set: the lab's own cluster would go untested")
		}
		t.Skip("PLAN_TEST_KUBECONFIG is set: this tests the lab's own cluster")
	}
	bin, dir := filepath.Join(t.TempDir(), "lab"), filepath.Join(t.TempDir(), "a lab")
	if out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	run := func(args ...string) string {
		t.Helper()
		out, err := exec.Command(bin, append(args, "--dir", dir)...).CombinedOutput()
		if err != nil {
			t.Fatalf("lab %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	t.Cleanup(func() { exec.Command(bin, "down", "--dir", dir).Run() })
	run("up", "--seed")
	before := lab.Status(dir)
	for _, p := range before {
		if !p.Running {
			t.Errorf("%s does not run", p.Name)
		}
	}
	run("up")
	if after := lab.Status(dir); len(before) != 6 || len(after) != 6 || before[0] != after[0] || before[5] != after[5] {
		t.Errorf("processes before %v, after %v", before, after)
	}
	script := run("env") + `"$LAB_KUBECTL" get pv -o name | wc -l; "$LAB_KUBECTL" -n external-secrets get secret bitwarden-machine-account -o name`
	out, err := exec.Command("bash", "-euc", script).CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "30\n") {
		t.Errorf("kubectl with lab env: %v\n%s", err, out)
	}
	run("down", "--delete")
	if left := lab.Status(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}
