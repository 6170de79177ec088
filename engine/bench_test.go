package engine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func chainPlan(n int) (*Plan, Options) {
	p := &Plan{Name: "chain", MaxParallel: 8}
	for i := range n {
		s := &Step{ID: fmt.Sprintf("s%d", i), Retry: Retry{Attempts: 1}}
		if i > 0 {
			s.Needs = []string{p.Steps[i-1].ID}
		}
		p.Steps = append(p.Steps, s)
	}
	return p, Options{RunID: "r", Do: func(context.Context, *Call) (Result, error) { return Result{}, nil }}
}

// BenchmarkChain walks 1,000 and 10,000 no-op steps without a journal; the time per step should be the same.
func BenchmarkChain(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p, o := chainPlan(n)
			b.ReportAllocs()
			for b.Loop() {
				if res := Run(b.Context(), p, o); res.ExitCode != 0 {
					b.Fatal(res.ExitCode)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/step")
		})
	}
}

// BenchmarkChainJournal walks 1,000 no-op steps with a journal on disk; BenchmarkChainJournalFloor is its floor: write and fsync per step.
func BenchmarkChainJournal(b *testing.B) {
	p, o := chainPlan(1000)
	dir, i := b.TempDir(), 0
	for b.Loop() {
		j, err := CreateJournal(filepath.Join(dir, fmt.Sprint(i)), RunStartedRecord{Run: "r"})
		if err != nil {
			b.Fatal(err)
		}
		i++
		o.Journal = j
		if res := Run(b.Context(), p, o); res.ExitCode != 0 {
			b.Fatal(res.Err)
		}
		j.Close()
	}
}

func BenchmarkChainJournalFloor(b *testing.B) {
	dir, i := b.TempDir(), 0
	line := make([]byte, 400)
	for b.Loop() {
		f, err := os.Create(filepath.Join(dir, fmt.Sprint(i)))
		if err != nil {
			b.Fatal(err)
		}
		i++
		for range 1000 {
			if _, err := f.Write(line); err != nil {
				b.Fatal(err)
			}
			if err := f.Sync(); err != nil {
				b.Fatal(err)
			}
		}
		f.Close()
	}
}

// BenchmarkMatrix walks one step of 1,000 and of 10,000 instances; the time per instance should be the same.
func BenchmarkMatrix(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p, o := chainPlan(1)
			p.Steps[0].Matrix = over(numbers(n)...)
			b.ReportAllocs()
			for b.Loop() {
				if res := Run(b.Context(), p, o); res.ExitCode != 0 {
					b.Fatal(res.ExitCode)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/instance")
		})
	}
}
