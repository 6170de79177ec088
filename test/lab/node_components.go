package lab

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// nodeNamespaces is the process whose mount and PID namespaces the node's programs run in. Nothing of them outlives
// it: no process, no mount, no network namespace.
func (f folder) nodeNamespaces(p programs) component {
	return component{
		name: "node", where: newOnes,
		argv: []string{p.busybox, "sh", f.path("node", "init.sh"), f.dir, p.cache},
		env:  []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"},
		ready: func(context.Context) error {
			mark, err := f.inside("run/lab-ready")
			if err == nil {
				_, err = os.Stat(mark)
			}
			return err
		},
		limit: 20 * time.Second, grace: time.Millisecond, // the first process of a namespace does not hear SIGTERM
	}
}

func (f folder) containerd(p programs) component {
	path := strings.Join([]string{filepath.Dir(p.containerd), filepath.Dir(p.runc), "/usr/sbin:/usr/bin:/sbin:/bin"}, ":")
	return component{
		name: "containerd", where: nodesOwn,
		argv:  []string{p.containerd, "--config", f.path("node", "containerd.toml"), "--log-level", "warn"},
		env:   []string{"PATH=" + path}, // its shims find runc by it
		ready: f.accepts("run/containerd/containerd.sock"), limit: startLimit, grace: 2 * time.Second,
	}
}

// accepts is a check that somebody listens on a socket in the node's mount namespace.
func (f folder) accepts(socket string) func(context.Context) error {
	return func(ctx context.Context) error {
		name, err := f.inside(socket)
		if err != nil {
			return err
		}
		var d net.Dialer
		c, err := d.DialContext(ctx, "unix", name)
		if err != nil {
			return err
		}
		return c.Close()
	}
}

func (f folder) scheduler(s settings, p programs) component {
	kubeconfig := f.path("scheduler.kubeconfig")
	return component{
		name: "kube-scheduler",
		argv: []string{
			p.scheduler, "--config=" + f.path("node", "scheduler.yaml"),
			"--authentication-kubeconfig=" + kubeconfig, "--authorization-kubeconfig=" + kubeconfig,
			"--bind-address=127.0.0.1", "--secure-port=" + strconv.Itoa(s.Ports["scheduler"]),
			"--tls-cert-file=" + f.path("pki", "server.crt"), "--tls-private-key-file=" + f.path("pki", "server.key"),
		},
		ready: answers("https://"+f.addr(s, "scheduler")+"/healthz", f.path("pki", "ca.crt")), limit: startLimit, grace: 2 * time.Second,
	}
}

func (f folder) kubelet(s settings, p programs) component {
	pods, _ := networks(s.Number)
	return component{
		name: "kubelet", where: nodesOwn,
		argv: []string{
			p.kubelet, "--config=" + f.path("node", "kubelet.yaml"), "--kubeconfig=" + f.path("kubelet.kubeconfig"),
			"--hostname-override=" + NodeName, "--node-ip=" + pods.gateway.String(), "--node-labels=" + NodeLabel + "=" + NodeLabelValue,
			"--housekeeping-interval=1m", "--v=1",
		},
		env:   []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"},
		ready: answers("http://"+f.addr(s, "kubelet-healthz")+"/healthz", ""), limit: startLimit, grace: 2 * time.Second,
	}
}

// dockerd uses the node's containerd, and a bridge of its own: with none it would take away this machine's docker0.
func (f folder) dockerd(s settings, p programs) component {
	_, docker := networks(s.Number)
	return component{
		name: "dockerd", where: nodesOwn,
		argv: []string{
			p.dockerd, "--config-file=" + f.path("node", "docker.json"), "--data-root=/var/lib/docker", "--exec-root=/run/docker", "--pidfile=/run/docker.pid",
			"--host=unix:///run/docker.sock", "--containerd=/run/containerd/containerd.sock", "--bridge=" + docker.bridge,
			"--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false", "--userland-proxy=false",
			"--cgroup-parent=" + cgroup(s.Number), "--exec-opt=native.cgroupdriver=cgroupfs", "--oom-score-adjust=0", "--log-level=warn",
		},
		env: []string{
			"PATH=" + strings.Join([]string{filepath.Dir(p.containerd), filepath.Dir(p.runc), "/usr/sbin:/usr/bin:/sbin:/bin"}, ":"),
			"LD_LIBRARY_PATH=" + p.dockerLibraries, "SSL_CERT_FILE=" + f.path("pki", "bundle.crt"),
		},
		ready: f.accepts("run/docker.sock"), limit: startLimit, grace: 5 * time.Second,
	}
}

// nodePrograms adds the node's programs: Kubernetes' own are there.
func (p *programs) nodePrograms(ctx context.Context, log Log) error {
	for _, want := range []struct {
		to   *string
		file packageFile
	}{
		{&p.containerd, packageFile{"containerd", "usr/bin/containerd"}}, {&p.runc, packageFile{"runc", "usr/sbin/runc"}},
		{&p.cni, packageFile{"containernetworking-plugins", "usr/lib/cni/bridge"}}, {&p.busybox, packageFile{"busybox-static", "bin/busybox"}},
	} {
		var err error
		if *want.to, err = want.file.get(ctx, log, p.cache); err != nil {
			return fmt.Errorf("find the node's programs: %w", err)
		}
	}
	p.ctr, p.cni = filepath.Join(filepath.Dir(p.containerd), "ctr"), filepath.Dir(p.cni)
	return nil
}
