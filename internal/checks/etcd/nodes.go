package etcd

import (
	"context"
	"fmt"
	"slices"

	"plan/internal/checks"
	"plan/internal/etcdsnapshot"
)

// judgeNodes looks for a fresh snapshot of each server. One of any server restores the whole cluster, and k3s keeps a number of
// snapshots of all servers together, so that one without is listed unless it is asked to fail.
func (l *look) judgeNodes(ctx context.Context) {
	if l.PerNode == perNodeOff || !l.servers.known {
		return
	}
	verdict := checks.None
	if l.PerNode == perNodeFail {
		verdict = checks.Fail
	}
	newest := l.byNode(ctx)
	for _, name := range l.servers.etcd {
		f := checks.Finding{Name: NodeBehind, Verdict: verdict, Object: name, Next: "look at that server's log for etcd-snapshot and S3; with many servers raise --etcd-s3-retention"}
		s, ok := newest[name]
		if !ok {
			f.Message, f.Cause = "no snapshot of this server is there", "it has made none, or those of other servers pushed them out"
			l.add(f)
			continue
		}
		if judged := l.limit.Judge(name, s.Time); judged.Verdict != checks.Pass {
			f.Message, f.Cause, f.Data = "the newest snapshot of this server is "+judged.Message, judged.Cause, judged.Data
			l.add(f)
		}
	}
}

// byNode gives the newest snapshot of each server. Names are suffixes of the snapshots' names; where two servers' names fit, the
// metadata tells, or else the longer one is taken.
func (l *look) byNode(ctx context.Context) map[string]etcdsnapshot.Snapshot {
	const most = 20 // requests for metadata
	asked := 0
	newest := map[string]etcdsnapshot.Snapshot{}
	for _, s := range l.usable {
		fits := slices.DeleteFunc(slices.Clone(l.servers.etcd), func(node string) bool { return !s.Parsed().Of(node) })
		if len(fits) == 0 {
			continue
		}
		owner := slices.MaxFunc(fits, func(a, b string) int { return len(a) - len(b) })
		if len(fits) > 1 && slices.ContainsFunc(fits, func(node string) bool { return newest[node].Key == "" }) && asked < most {
			asked++
			if meta, err := l.head(ctx, s.Key); err == nil && slices.Contains(fits, meta.Node) { // an error is reported where the metadata matters
				owner = meta.Node
			}
		}
		if newest[owner].Key == "" {
			newest[owner] = s
		}
		if len(newest) == len(l.servers.etcd) {
			break
		}
	}
	return newest
}

// head asks for the metadata of a snapshot once.
func (l *look) head(ctx context.Context, key string) (etcdsnapshot.Meta, error) {
	if meta, ok := l.meta[key]; ok {
		return meta, nil
	}
	meta, err := etcdsnapshot.Head(ctx, l.store, key)
	if err != nil {
		return meta, err
	}
	l.meta[key] = meta
	return meta, nil
}

// judgeOwner tells whose a snapshot is: one of another cluster is worth nothing here, however fresh.
func (l *look) judgeOwner(s etcdsnapshot.Snapshot, meta etcdsnapshot.Meta) {
	uid := l.env.Cluster.UID
	switch {
	case meta.ClusterID == "":
		l.add(checks.Finding{Name: NoMetadata, Verdict: checks.Unknown, Object: s.Key, Message: "it does not say which cluster it is of",
			Cause: "it was copied without its metadata, or a k3s made it that writes none", Next: "upgrade k3s, or let the servers upload it themselves; whose it is cannot be told"})
	case uid == "":
		l.add(checks.Finding{Name: NoMetadata, Verdict: checks.Unknown, Object: s.Key, Message: "this cluster's own id is not known",
			Cause: "namespace kube-system could not be read", Next: "allow get of namespace kube-system"})
	case meta.ClusterID != uid:
		l.add(checks.Finding{Name: OtherCluster, Verdict: checks.Fail, Object: s.Key, Message: "it is another cluster's",
			Cause: fmt.Sprintf("its metadata says cluster %s, this one is %s", meta.ClusterID, uid), Next: "give each cluster a folder of its own (--etcd-s3-folder), and see that this one's servers upload",
			Data: map[string]any{"cluster": meta.ClusterID}})
	}
}
