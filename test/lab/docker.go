package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// Docker is how to reach the lab's Docker daemon.
type Docker struct {
	Host    string // for DOCKER_HOST; only root may use it
	Program string // the client, docker
}

// StartDocker starts Docker's daemon, unless it runs: Debian's, with folders, a bridge and a socket of its own. It has
// the lab's images, pushes to the lab's registry, and runs build steps without a way out of this machine. Other
// servers of the node are not needed.
func (l *Lab) StartDocker(ctx context.Context) (Docker, error) {
	if os.Getenv("PLAN_LAB_NODE") == "0" {
		return Docker{}, errors.New("start Docker: PLAN_LAB_NODE=0 leaves out containerd, which it needs")
	}
	if err := NodeMissing(); err != nil {
		return Docker{}, err
	}
	err := l.more(ctx, func(f folder, s *settings) error {
		p, err := l.dockerPrograms(ctx)
		if err != nil {
			return err
		}
		if err := f.prepareNode(ctx, s, p); err != nil {
			return err
		}
		up := func(c component) error { return f.ensure(ctx, l.log, c, l.opts.Helper != "") }
		if err := f.startRuntime(p, up); err != nil {
			return err
		}
		if err := up(f.dockerd(*s, p)); err != nil {
			return err
		}
		l.Docker = f.docker(p.cache)
		return f.loadImages(ctx, p, l.Docker)
	})
	return l.Docker, err
}

// docker tells how to reach the daemon, if it runs.
func (f folder) docker(cache string) Docker {
	r, ok := f.record("dockerd")
	if !ok || !r.alive() {
		return Docker{}
	}
	socket, err := f.inside("run/docker.sock")
	if err != nil {
		return Docker{}
	}
	return Docker{Host: "unix://" + socket, Program: filepath.Join(cache, "debian-docker.io", dockerFile().path)}
}

func dockerFile() packageFile { return packageFile{"docker.io", "usr/bin/docker"} }

func (l *Lab) dockerPrograms(ctx context.Context) (p programs, err error) {
	if p.cache, err = CacheDir(); err != nil {
		return p, err
	}
	if err := p.nodePrograms(ctx, l.log); err != nil {
		return p, err
	}
	client, err := dockerFile().get(ctx, l.log, p.cache)
	if err != nil {
		return p, fmt.Errorf("find Docker's programs: %w", err)
	}
	p.dockerd = filepath.Join(filepath.Dir(client), "../sbin/dockerd")
	triple := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH] + "-linux-gnu"
	lib, err := packageFile{"libdevmapper1.02.1", "lib/" + triple + "/libdevmapper.so.1.02.1"}.get(ctx, l.log, p.cache)
	if err != nil {
		return p, fmt.Errorf("find Docker's programs: %w", err)
	}
	p.dockerLibraries = filepath.Dir(lib)
	return p, nil
}

// loadImages brings the lab's images into Docker, once.
func (f folder) loadImages(ctx context.Context, p programs, d Docker) error {
	archive, err := f.images(ctx, p)
	if err != nil {
		return err
	}
	mark := f.path("node", "loaded")
	if b, err := os.ReadFile(mark); err == nil && string(b) == archive {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, importLimit)
	defer cancel()
	if out, err := run(ctx, "", d.Program, "--host", d.Host, "load", "--input", archive); err != nil {
		return fmt.Errorf("load images into Docker: %w\n%s", err, tail(out, 5))
	}
	return wrap(os.WriteFile(mark, []byte(archive), 0o600), "load images into Docker")
}
