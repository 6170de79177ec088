package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// contestant is a program that does a row's work, or part of it.
type contestant struct {
	name    string
	argv    []string
	prepare func(ctx context.Context) error // before each run, not measured; may be nil
}

// figures are medians of some runs.
type figures struct {
	wall, cpu time.Duration // cpu is user and system time
	rss       int64         // peak resident set, bytes
}

// race runs the contestants in turn, rounds times: what else the machine does meets all of them alike.
func (b *bench) race(ctx context.Context, rounds int, contestants []contestant) ([]figures, error) {
	runs := make([][]figures, len(contestants))
	for round := range rounds {
		for i, c := range contestants {
			f, err := b.measure(ctx, c, round)
			if err != nil {
				return nil, err
			}
			b.talk("  %d/%d %-28s %8s %8s cpu %6s", round+1, rounds, c.name, seconds(f.wall), seconds(f.cpu), mebibytes(f.rss))
			runs[i] = append(runs[i], f)
		}
	}
	out := make([]figures, len(contestants))
	for i := range runs {
		out[i] = medians(runs[i])
	}
	return out, nil
}

// measure runs a program once. Its peak memory is at least this program's own at that moment, because Linux keeps that figure over
// fork and exec (getrusage(2)); so this program stays small and leaves all work to others.
func (b *bench) measure(ctx context.Context, c contestant, round int) (figures, error) {
	if c.prepare != nil {
		if err := c.prepare(ctx); err != nil {
			return figures{}, fmt.Errorf("prepare %s: %w", c.name, err)
		}
	}
	cmd := b.command(ctx, c.argv)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	start := time.Now()
	err := cmd.Run()
	f := figures{wall: time.Since(start)}
	if err != nil {
		return f, fmt.Errorf("run %s (%s), round %d: %w\n%s", c.name, strings.Join(c.argv, " "), round+1, err, stderr.Bytes())
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return f, fmt.Errorf("run %s: this system does not tell what a process used", c.name)
	}
	f.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	f.rss = usage.Maxrss << 10 // Linux counts in KiB, getrusage(2)
	return f, nil
}

// command is a program with the lab's environment; what it prints is thrown away.
func (b *bench) command(ctx context.Context, argv []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	cmd.Env = append(os.Environ(), b.env...)
	return cmd
}

func medians(runs []figures) figures {
	return figures{
		wall: median(runs, func(f figures) time.Duration { return f.wall }),
		cpu:  median(runs, func(f figures) time.Duration { return f.cpu }),
		rss:  median(runs, func(f figures) int64 { return f.rss }),
	}
}

func median[T cmp.Ordered](runs []figures, of func(figures) T) T {
	values := make([]T, len(runs))
	for i, f := range runs {
		values[i] = of(f)
	}
	slices.Sort(values)
	return values[(len(values)-1)/2]
}

func seconds(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

func mebibytes(n int64) string { return fmt.Sprintf("%d MiB", (n+1<<19)>>20) }
