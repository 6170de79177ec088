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
	g := errgroup.Group{}
	g.Go(func() error { // clients before the servers they talk to
		var errs []error
		for _, name := range []string{"kube-controller-manager", "kube-apiserver", "etcd"} {
			errs = append(errs, f.stop(ctx, name))
		}
		return errors.Join(errs...)
	})
	for _, name := range []string{"versitygw", "bitwarden", "ping"} {
		g.Go(func() error { return f.stop(ctx, name) })
	}
	return g.Wait()
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
	for _, name := range []string{"etcd", "kube-apiserver", "kube-controller-manager", "versitygw", "bitwarden", "ping"} {
		if r, ok := f.record(name); ok {
			out = append(out, Process{Name: name, PID: r.PID, Running: r.alive(), LogFile: f.logFile(name)})
		}
	}
	return out
}
