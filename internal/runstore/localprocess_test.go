package runstore

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// holder starts a test in a process of its own, and returns when that has what it is to hold.
func holder(t *testing.T, test, env string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+test+"$")
	cmd.Env = append(os.Environ(), env)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	if lines := bufio.NewScanner(out); !lines.Scan() || lines.Text() != "held" {
		t.Fatalf("the other process says %q", lines.Text())
	}
	return cmd
}

// TestAFileLockEndsWithItsProcess, and a killed process leaves a local run to be gone on with.
func TestAFileLockEndsWithItsProcess(t *testing.T) {
	dir := os.Getenv("PLAN_TEST_HOLD_RUN")
	if dir != "" {
		if _, err := Local(dir).Create(t.Context(), "a", begun("a", t0)); err != nil {
			t.Fatal(err)
		}
		fmt.Println("held")
		time.Sleep(time.Hour)
	}
	dir = filepath.Join(t.TempDir(), "state")
	cmd := holder(t, "TestAFileLockEndsWithItsProcess", "PLAN_TEST_HOLD_RUN="+dir)
	s := Local(dir)
	if _, _, err := s.Open(t.Context(), "a"); !errors.Is(err, ErrRunning) {
		t.Errorf("while it lives: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	j, entries, err := s.Open(t.Context(), "a")
	if err != nil || len(entries) != 1 {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
}
