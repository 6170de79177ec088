package podlogs_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plan/internal/podlogs"
)

func TestTailKeepsTheEnd(t *testing.T) {
	tail := podlogs.NewTail(func(s string) string { return strings.ReplaceAll(s, "se\tcret", "***") })
	tail.Add(podlogs.Line{Pod: "p", Prefix: "[a]", Time: at(0), Text: "it is se\tcret\x1b"})
	tail.Add(podlogs.Line{Pod: "p", Prefix: "[a]", Time: at(1), Notice: "not se\tcret"})
	want := map[string]string{"p": "2026-03-02T02:00:00.000000005Z [a] it is ***\\x1b\n2026-03-02T02:00:01.000000005Z [plan: not ***]\n"}
	if diff := cmp.Diff(want, tail.Pods()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for i := range 10_000 {
		tail.Add(podlogs.Line{Pod: "p", Prefix: "[a]", Time: time.Unix(int64(i), 0), Text: strings.Repeat("é", 60)})
	}
	kept := tail.Pods()["p"]
	n := strings.Count(kept, "\n")
	if len(kept) > podlogs.TailPerPod || len(kept) < podlogs.TailPerPod-200 || !strings.HasSuffix(kept, "\n") {
		t.Errorf("%d bytes are kept", len(kept))
	}
	if first, _, _ := strings.Cut(kept, " "); first != time.Unix(int64(10_000-n), 0).UTC().Format(time.RFC3339Nano) {
		t.Errorf("%d lines are kept from %s on", n, first)
	}
}

func TestTailDropsTheOldestOfAll(t *testing.T) {
	tail := podlogs.NewTail(strings.Clone)
	names := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n"}
	for _, name := range names {
		for range 70 {
			tail.Add(podlogs.Line{Pod: name, Text: strings.Repeat("x", 1000)})
		}
	}
	total := 0
	kept := tail.Pods()
	for _, text := range kept {
		total += len(text)
	}
	if total > podlogs.TailOfAll || total < podlogs.TailOfAll-2000 {
		t.Errorf("%d bytes are kept", total)
	}
	if _, first := kept["a"]; first || len(kept["n"]) < podlogs.TailPerPod-2000 {
		t.Errorf("the first pod is kept: %v; of the last %d bytes are", first, len(kept["n"]))
	}
}

func TestTailCutsLongLines(t *testing.T) {
	tail := podlogs.NewTail(strings.Clone)
	for range 10 {
		tail.Add(podlogs.Line{Pod: "p", Prefix: "[a]", Text: strings.Repeat("日", podlogs.MaxLine/3)})
	}
	lines := strings.SplitAfter(tail.Pods()["p"], "\n")
	if len(lines) != 5 || !strings.HasSuffix(lines[0], "日 [plan: the rest is not kept]\n") {
		t.Errorf("%d lines, the first ends in %q", len(lines), lines[0][len(lines[0])-50:])
	}
}
