//go:build emulation

package e2e

import (
	"bytes"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"plan/test/lab"
)

// TestTheProgramForARM64Runs is left to make reliability, because the emulator is fetched, and the program compiled for another machine.
func TestTheProgramForARM64Runs(t *testing.T) {
	emulator, err := lab.Emulator(t.Context(), t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	p := compiled(t, "arm64", buildCache(t))
	for args, want := range map[string]string{
		"version":    fmt.Sprintf("plan %s %s %s linux/arm64\n", imageVersion, imageCommit, runtime.Version()),
		"validate -": "- is valid: plan zoned, 1 step\n",
	} {
		cmd := exec.CommandContext(t.Context(), emulator, append([]string{p.Binary}, strings.Fields(args)...)...)
		cmd.Stdin = strings.NewReader(zonedPlan)
		var complaint bytes.Buffer
		cmd.Stderr = &complaint
		if got, err := cmd.Output(); err != nil || string(got) != want {
			t.Errorf("plan %s: %v, %q, want %q\n%s", args, err, got, want, complaint.String())
		}
	}
}
