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
	maxLate = 250 * time.Millisecond // of those that are late; a valid plan of 10,000 steps takes longer
	maxRSS  = 64 << 20               // bytes
	runs    = 5
	tries   = 4 // of the medians: another program of the machine may have been in the way
	refused = 2 // the exit code
)

// late are the files whose faults show only once all of them has been parsed, which alone takes most of the time, with what comes then.
var late = map[string]string{
	"expression-many.yaml":      "evaluates up to the limit of a plan",
	"expression-many-4096.yaml": "1 MB, and reads expressions up to the limit of those that are wrong",
	"matrix-duplicate.yaml":     "makes nearly all the combinations that a plan may have",
	"matrix-include.yaml":       "18,000 values on one line",
	"params-patterns.yaml":      "9,000 parameters, and reads patterns up to the limit of problems",
	"steps-same-id.yaml":        "5,000 steps; ids are compared when all are known",
	"steps-syntax.yaml":         "5,000 steps; conditions are read when all are known",
	"steps-unknown.yaml":        "5,000 steps; needs are looked up when all are known",
	"text-broken-late.yaml":     "9,000 steps, and no YAML at their end",
}

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
		name, limit, mark := filepath.Base(file), maxWall, ""
		if why, ok := late[name]; ok {
			limit, mark = maxLate, "  late: "+why
		}
		wall, rss, err := best(plan, file, limit)
		if err != nil {
			return err
		}
		if wall > limit || rss > maxRSS {
			over++
			mark += "  over the limit"
		}
		most, largest = max(most, wall), max(largest, rss)
		fmt.Printf("%-32s %9.1f %9.1f%s\n", name, float64(wall)/1e6, float64(rss)/(1<<20), mark)
	}
	fmt.Printf("%d files, at most %.1f ms and %.1f MiB; the limits are %d ms, %d ms for %d that are late, and %d MiB\n",
		len(files), float64(most)/1e6, float64(largest)/(1<<20), maxWall.Milliseconds(), maxLate.Milliseconds(), len(late), maxRSS>>20)
	if over > 0 {
		return fmt.Errorf("%d of %d files cost more than the limits", over, len(files))
	}
	return nil
}

// best gives the medians of some runs, and repeats them while they are over the limits.
func best(plan, file string, limit time.Duration) (wall time.Duration, rss int64, err error) {
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
		if wall <= limit && rss <= maxRSS {
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
