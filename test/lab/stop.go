package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"
)

// Stop ends every server of the lab. Its folder stays, and Start brings the same lab back.
func (l *Lab) Stop(ctx context.Context) error {
	return errors.Join(l.closeServed(), Stop(ctx, l.Dir))
}

func (l *Lab) closeServed() error {
	var errs []error
	for _, s := range l.served {
		errs = append(errs, s.Close())
	}
	l.served = nil
	return errors.Join(errs...)
}

// Stop ends every process that the lab of a folder recorded and returns when they are gone.
func Stop(ctx context.Context, dir string) error {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("find the lab's folder: %w", err)
	}
	if _, err := os.Stat(abs); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	f := folder{dir: abs}
	unlock, err := lockFile(ctx, f.path("lock"), func() {})
	if err != nil {
		return err
	}
	defer unlock()
	return f.stopAll(ctx)
}

// servers are the names of all that may run as processes, each after those that it needs.
func servers() []string {
	return []string{
		"etcd", "kube-apiserver", "kube-controller-manager", "versitygw", "bitwarden", "ping",
		"node", "containerd", "kube-scheduler", "kubelet", "dockerd", "registry", "git", "pods",
	}
}

func (f folder) stopAll(ctx context.Context) error {
	g := errgroup.Group{}
	g.Go(func() error { // clients before the servers they talk to
		var errs []error
		for _, name := range []string{"kubelet", "kube-scheduler", "kube-controller-manager", "kube-apiserver", "etcd"} {
			errs = append(errs, f.stop(ctx, name))
		}
		return errors.Join(errs...)
	})
	g.Go(func() error { return f.stopNode(ctx) })
	for _, name := range []string{"versitygw", "bitwarden", "ping", "registry", "git", "pods"} {
		g.Go(func() error { return f.stop(ctx, name) })
	}
	return g.Wait()
}

// stopNode ends the node's namespaces, with which everything in them ends, and removes what is left of the node
// outside: control groups and bridges.
func (f folder) stopNode(ctx context.Context) error {
	s, err := f.load()
	if err != nil || s.Number == 0 {
		return err
	}
	for _, name := range []string{"node", "containerd", "dockerd"} {
		if err := f.stop(ctx, name); err != nil {
			return err
		}
	}
	return errors.Join(removeCgroups(ctx, s.Number), f.removeBridges(s.Number))
}

// Delete stops the lab of a folder and removes the folder, if it is a lab's.
func Delete(ctx context.Context, dir string) error {
	if err := Stop(ctx, dir); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, "lab.json")); err != nil {
		return fmt.Errorf("delete %s: it is not a lab's folder: %w", dir, err)
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("delete the lab's folder: %w", err)
	}
	return nil
}

// Process is one server of a lab.
type Process struct {
	Name    string
	PID     int
	Running bool
	LogFile string
}

// Status tells of every server that the lab of a folder has recorded.
func Status(dir string) []Process {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil
	}
	f := folder{dir: abs}
	var out []Process
	for _, name := range servers() {
		if r, ok := f.record(name); ok {
			out = append(out, Process{Name: name, PID: r.PID, Running: r.alive(), LogFile: f.logFile(name)})
		}
	}
	return out
}
