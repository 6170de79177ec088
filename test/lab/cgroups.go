package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const cgroupRoot = "/sys/fs/cgroup"

// cgroup is the control group of a lab's pods and builds, as kubelet names it.
func cgroup(number int) string { return fmt.Sprintf("/plan-lab-%d", number) }

// hierarchies are the folders of this machine's control groups: one for all controllers (v2), or one for each (v1).
func hierarchies() ([]string, error) {
	if _, err := os.Stat(filepath.Join(cgroupRoot, "cgroup.controllers")); err == nil {
		return []string{cgroupRoot}, nil
	}
	var out []string
	for _, name := range []string{"cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "hugetlb", "perf_event", "net_cls", "net_prio", "systemd"} {
		dir, err := filepath.EvalSymlinks(filepath.Join(cgroupRoot, name)) // cpu,cpuacct has two names
		if err != nil {
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, "cgroup.procs")); err == nil && !slices.Contains(out, dir) {
			out = append(out, dir)
		}
	}
	for _, needed := range []string{"cpu", "cpuset", "memory", "pids", "devices"} {
		if _, err := os.Stat(filepath.Join(cgroupRoot, needed, "cgroup.procs")); err != nil {
			return nil, fmt.Errorf("no control groups for %s below %s", needed, cgroupRoot)
		}
	}
	return out, nil
}

// makeCgroups makes the lab's control group, which kubelet wants to find.
func makeCgroups(number int) error {
	roots, err := hierarchies()
	if err != nil {
		return err
	}
	for _, root := range roots {
		if err := os.MkdirAll(filepath.Join(root, cgroup(number)), 0o755); err != nil {
			return fmt.Errorf("make a control group: %w", err)
		}
	}
	return nil
}

// removeCgroups removes the lab's control group with all below it. Its processes have ended, but the kernel may take
// a moment to count them out.
func removeCgroups(ctx context.Context, number int) error {
	roots, err := hierarchies()
	if err != nil {
		return err
	}
	if unified := filepath.Join(cgroupRoot, "unified"); !slices.Contains(roots, cgroupRoot) {
		roots = append(roots, unified) // runc makes groups there, too
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		var errs []error
		for _, root := range roots {
			errs = append(errs, removeTree(filepath.Join(root, cgroup(number))))
		}
		err := errors.Join(errs...)
		if err == nil || time.Now().After(deadline) || ctx.Err() != nil {
			return wrap(err, "remove the node's control groups")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// removeTree removes a control group and those below it, the deepest first. Their files go with them.
func removeTree(dir string) error {
	var dirs []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && d.IsDir() {
			dirs = append(dirs, name)
		}
		return err
	})
	if err != nil {
		return err
	}
	slices.SortFunc(dirs, func(a, b string) int { return strings.Count(b, "/") - strings.Count(a, "/") })
	for _, d := range dirs {
		if err := os.Remove(d); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
