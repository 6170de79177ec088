package main

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// The words of the first column that are about the cluster.
const (
	checkCluster    = "cluster"
	checkPermission = "permission"
	checkResource   = "resource"
)

// lookAtCluster connects. Who may not read the cluster's UID may all the same ask for its rights; after any other failure the cluster is left
// alone.
func (p *preflight) lookAtCluster(ctx context.Context) check {
	c := check{Check: checkCluster, What: p.cluster.Context}
	if !p.needsCluster() {
		return c.skipped("the plan needs none")
	}
	err := p.connect(ctx)
	if p.kube != nil {
		c.What = p.kube.Host()
		if name := p.kube.Context(); name != "" {
			c.What += " (context " + name + ")"
		}
	}
	if err != nil {
		if !apierrors.IsForbidden(err) {
			p.kube = nil
		}
		return c.failed(err)
	}
	var version string
	err = bounded(ctx, openTimeout, func(ctx context.Context) (err error) {
		version, err = p.kube.Version(ctx)
		return err
	})
	if err != nil {
		version = "version not known: " + err.Error()
	}
	detail := version + ", uid " + p.uid
	if p.cluster.ExpectUID != "" {
		detail += " as expected"
	}
	return c.ok("%s", detail)
}
