package main

import (
	"strings"
	"testing"
	"time"
)

func TestMediansAreOfEachFigureAlone(t *testing.T) {
	got := medians([]figures{{3 * time.Second, 1 * time.Second, 20}, {1 * time.Second, 3 * time.Second, 30}, {2 * time.Second, 2 * time.Second, 10}})
	if want := (figures{2 * time.Second, 2 * time.Second, 20}); got != want {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestChildIsMeasuredAndItsFailureIsSaid(t *testing.T) {
	b := &bench{}
	busy := contestant{name: "busy", argv: []string{"sh", "-c", "i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done"}}
	f, err := b.measure(t.Context(), busy, 0)
	if err != nil || f.wall <= 0 || f.rss <= 0 {
		t.Errorf("%+v, %v", f, err)
	}
	_, err = b.measure(t.Context(), contestant{name: "bad", argv: []string{"sh", "-c", "echo no such thing >&2; exit 3"}}, 0)
	if err == nil || !strings.Contains(err.Error(), "no such thing") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("error %v", err)
	}
}

func TestDocumentSaysWhichTargetsAreMissed(t *testing.T) {
	b := &bench{plan: "true", rows: []row{{
		title: "work", rounds: 3, base: 1, absent: []string{"another"},
		entries: []entry{{"plan", "plan work", figures{time.Second, time.Second, 50 << 20}}, {"peer", "peer work", figures{4 * time.Second, 2 * time.Second, 100 << 20}}},
		targets: []target{{"of the peer's time", 0.25, 0.35, "%.2f ×"}, {"memory", 50, 40, "%.0f MiB"}},
	}}}
	text := b.document(t.Context())
	for _, want := range []string{
		"| work | of the peer's time | 0.25 × | ≤ 0.35 × | met |",
		"| work | memory | 50 MiB | ≤ 40 MiB | **missed** |",
		"| plan | 0.25 × | 0.50 × | 0.50 × | 1.00 s | 1.00 s | 50 MiB |",
		"left out: another.",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the document lacks %q:\n%s", want, text)
		}
	}
}
