// Command hostile measures how `plan validate` refuses hostile files: time (the smaller of wall clock and CPU) and peak memory of a
// process for each, medians of five runs.
//
//	hostile PLAN DIR
//
// DIR is what TestHostileFiles writes with HOSTILE_DIR set. A file that is not refused, or costs more than the limits, ends it with 1.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// The limits of one refusal, with the start of the process in it.
const (
	maxWall = 50 * time.Millisecond
	maxRSS  = 64 << 20 // bytes
	runs    = 5
	tries   = 4 // of the medians: another program of the machine may have been in the way
	refused = 2 // the exit code
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: hostile PLAN DIR")
		os.Exit(2)
	}
	if err := measureAll(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func measureAll(plan, dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("find hostile files in %s: %w", dir, errors.Join(err, os.ErrNotExist))
	}
	fmt.Printf("%-32s %9s %9s\n", "file", "ms", "MiB")
	over, most, largest := 0, time.Duration(0), int64(0)
	for _, file := range files {
		wall, rss, err := best(plan, file)
		if err != nil {
			return err
		}
		mark := ""
		if wall > maxWall || rss > maxRSS {
			over++
			mark = "  over the limit"
		}
		most, largest = max(most, wall), max(largest, rss)
		fmt.Printf("%-32s %9.1f %9.1f%s\n", filepath.Base(file), float64(wall)/1e6, float64(rss)/(1<<20), mark)
	}
	fmt.Printf("%d files, at most %.1f ms and %.1f MiB; the limits are %d ms and %d MiB\n",
		len(files), float64(most)/1e6, float64(largest)/(1<<20), maxWall.Milliseconds(), maxRSS>>20)
	if over > 0 {
		return fmt.Errorf("%d of %d files cost more than the limits", over, len(files))
	}
	return nil
}

// best gives the medians of some runs, and repeats them while they are over the limits.
func best(plan, file string) (wall time.Duration, rss int64, err error) {
	for try := range tries {
		w, r, err := medians(plan, file)
		if err != nil {
			return 0, 0, err
		}
		if try == 0 || w < wall {
			wall = w
		}
		if try == 0 || r < rss {
			rss = r
		}
		if wall <= maxWall && rss <= maxRSS {
			break
		}
	}
	return wall, rss, nil
}

func medians(plan, file string) (time.Duration, int64, error) {
	var walls []time.Duration
	var sizes []int64
	for range runs {
		wall, rss, err := once(plan, file)
		if err != nil {
			return 0, 0, err
		}
		walls, sizes = append(walls, wall), append(sizes, rss)
	}
	slices.Sort(walls)
	slices.Sort(sizes)
	return walls[runs/2], sizes[runs/2], nil
}

// once runs plan. Linux keeps the peak memory of this small program as the least that a child can have, getrusage(2).
func once(plan, file string) (time.Duration, int64, error) {
	cmd := exec.Command(plan, "validate", file)
	start := time.Now()
	err := cmd.Run()
	wall := time.Since(start)
	if cmd.ProcessState == nil {
		return 0, 0, fmt.Errorf("run %s: %w", plan, err)
	}
	wall = min(wall, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()) // what others had of the machine is not plan's
	var ended *exec.ExitError
	if !errors.As(err, &ended) || ended.ExitCode() != refused {
		return 0, 0, fmt.Errorf("%s was not refused with exit code %d: %w", file, refused, errors.Join(err, errors.New(cmd.ProcessState.String())))
	}
	usage, ok := ended.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0, 0, errors.New("this system does not tell what a process used")
	}
	return wall, usage.Maxrss << 10, nil // Linux counts in KiB, getrusage(2)
}
