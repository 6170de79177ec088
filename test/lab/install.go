package lab

import (
	"context"
	"path/filepath"
)

// programs are the paths of what the lab runs.
type programs struct {
	cache                                         string // the folder that most are in
	etcd, apiserver, controllerManager, versitygw string
	scheduler, kubelet                            string
	containerd, ctr, runc, busybox                string
	cni                                           string // folder
	dockerd, dockerLibraries                      string
}

// Install fetches and builds everything that Start would need and that is not there; with a node, Docker too.
func Install(ctx context.Context, opts Options) error {
	if opts.Log == nil {
		opts.Log = func(string, ...any) {}
	}
	var err error
	if opts.Node, err = opts.wantsNode(); err != nil {
		return err
	}
	cache, err := CacheDir()
	if err != nil {
		return err
	}
	l := &Lab{opts: opts}
	if _, err := l.programs(ctx, cache); err != nil || !opts.Node {
		return err
	}
	_, err = l.dockerPrograms(ctx)
	return err
}

func (l *Lab) programs(ctx context.Context, cache string) (p programs, err error) {
	p.cache = cache
	if l.opts.Elsewhere.Kubeconfig == "" {
		if p.etcd, err = etcd(ctx, l.opts.Log, cache); err != nil {
			return p, err
		}
		names := []string{"kube-apiserver", "kube-controller-manager", "kubectl"}
		if l.opts.Node {
			names = append(names, "kube-scheduler", "kubelet")
		}
		dir, err := kubernetesPin().build(ctx, l.opts.Log, cache, names...)
		if err != nil {
			return p, err
		}
		p.apiserver, p.controllerManager = filepath.Join(dir, "kube-apiserver"), filepath.Join(dir, "kube-controller-manager")
		p.scheduler, p.kubelet = filepath.Join(dir, "kube-scheduler"), filepath.Join(dir, "kubelet")
		l.Kubectl = filepath.Join(dir, "kubectl")
	}
	if l.opts.Node {
		if err := p.nodePrograms(ctx, l.opts.Log); err != nil {
			return p, err
		}
	}
	if l.opts.Elsewhere.S3.Endpoint == "" {
		dir, err := versitygwPin().build(ctx, l.opts.Log, cache, "versitygw")
		if err != nil {
			return p, err
		}
		p.versitygw = filepath.Join(dir, "versitygw")
	}
	return p, nil
}
