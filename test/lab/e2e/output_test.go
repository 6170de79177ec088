package e2e

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestOtherOutputsKeepSecretsToo: text and a line of JSON per event.
func TestOtherOutputsKeepSecretsToo(t *testing.T) {
	r := theLab(t)
	p := r.program(t, "HEALTHCHECKS_URL="+r.PingURL+pingCanary)
	for _, format := range []string{"text", "ndjson"} {
		got := p.must(t, 0, "apply", example(t), "-o", format)
		r.leaks(t, format, got.all())
		got.says(t, "pv-backups/home/pvs-", "nodes-backups/home/nodes-")
		if format == "text" {
			continue
		}
		lines := strings.Split(strings.TrimSpace(got.stdout), "\n")
		for _, line := range lines {
			if !json.Valid([]byte(line)) {
				t.Errorf("not a line of JSON: %q", line)
			}
		}
	}
}

// TestAFailedPingSaysNothingOfItsAddress: the address is a secret, and the run has failed.
func TestAFailedPingSaysNothingOfItsAddress(t *testing.T) {
	r := theLab(t)
	p := r.program(t, "PING="+nobody()+pingCanary)
	text := r.planText("{name: home}", "    - {id: list, uses: list-pvs, timeout: 20s}\n"+finallyPing)
	got := p.with(keysOf("x", "y")...).must(t, 1, "apply", p.write(t, "plan.yaml", text))
	r.leaks(t, "output", got.all())
	got.says(t, "ping", "failed")
}
