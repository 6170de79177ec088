package etcdsnapshot

import (
	"cmp"
	"context"

	"plan/internal/objectstore"
)

// Meta is what k3s or RKE2 writes beside a snapshot's bytes (x-amz-meta-k3s-…, x-amz-meta-rke2-…). What is absent is empty: releases
// before 2024 write no token hash, and a copy made by other tools may have lost all of it.
type Meta struct {
	ClusterID string // UID of the cluster's namespace kube-system
	Node      string // that made it
	TokenHash string // 12 hex digits of SHA-256 of the server token's password
}

// Head asks for the metadata of one snapshot. The error is that of store.Head.
func Head(ctx context.Context, store objectstore.Store, key string) (Meta, error) {
	info, err := store.Head(ctx, key)
	if err != nil {
		return Meta{}, err
	}
	get := func(name string) string { return cmp.Or(info.Metadata["k3s-"+name], info.Metadata["rke2-"+name]) }
	return Meta{ClusterID: get("cluster-id"), Node: get("node-name"), TokenHash: get("token-hash")}, nil
}
