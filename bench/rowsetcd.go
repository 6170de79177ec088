package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// verifyEtcd reads a snapshot whole, from a directory and from S3.
func (b *bench) verifyEtcd(ctx context.Context) error {
	if err := b.seed(ctx, 0); err != nil {
		return err
	}
	b.talk("make a snapshot of %d MiB", b.sizes.snapshot)
	if out, err := b.command(ctx, []string{b.path("fill-etcd"), "-uid", b.uid, "-dir", b.dir, "-mib", fmt.Sprint(b.sizes.snapshot)}).CombinedOutput(); err != nil {
		return fmt.Errorf("make a snapshot: %w\n%s", err, out)
	}
	verify := []string{b.plan, "run", "verify-etcd", "--depth", "checksum", "--cluster-name", "bench", "--store"}
	contestants := []contestant{
		{name: "plan, from a directory", argv: append(verify[:len(verify):len(verify)], "dir:"+b.path("store"))},
		{name: "floor: sha256sum of the file", argv: []string{"sha256sum", b.path("snapshot")}},
		{name: "plan, from S3", argv: append(verify[:len(verify):len(verify)], storeURL(b.get("LAB_S3_BUCKET"), b.get("LAB_S3_ENDPOINT")))},
	}
	var absent []string
	if ctl := debianTool("etcdctl", "etcd-client"); ctl != "" {
		b.env = append(b.env, "PATH="+filepath.Dir(ctl)+":"+os.Getenv("PATH"))
		contestants = append(contestants, contestant{name: "etcdctl snapshot status", argv: []string{"env", "ETCDCTL_API=3", "etcdctl", "snapshot", "status", b.path("snapshot")}})
	} else {
		absent = append(absent, "etcdctl")
	}
	if _, err := exec.LookPath("etcdutl"); err == nil {
		contestants = append(contestants, contestant{name: "etcdutl snapshot status", argv: []string{"etcdutl", "snapshot", "status", b.path("snapshot")}})
	} else {
		absent = append(absent, "etcdutl")
	}
	r, err := b.add(ctx, row{
		title: fmt.Sprintf("`verify-etcd`, depth checksum, a snapshot of %d MiB", b.sizes.snapshot), rounds: 2 * b.sizes.rounds, base: 1,
		note: "plan also asks the cluster for its identity, its nodes and k3s' records, lists the store, and keeps a journal. " +
			"The S3 server takes its share of the same cores, and TLS. `snapshot status` does not look at the checksum: it opens the database and walks its keys.",
	}, contestants)
	if err != nil {
		return err
	}
	r.absent = absent
	r.targets = []target{
		{"of sha256sum's time, from a directory", r.ratio(0, 1), 2, "%.2f ×"},
		{"of sha256sum's time, from S3", r.ratio(2, 1), 2, "%.2f ×"},
		{"memory", max(r.mebibytes(0), r.mebibytes(2)), 64, "%.0f MiB"},
	}
	return nil
}
