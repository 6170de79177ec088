package etcd

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"plan/internal/checks"
	"plan/internal/etcdsnapshot"
	"plan/internal/kube"
)

// records is what k3s itself says of its snapshots: an ETCDSnapshotFile for each, and for a day for each that failed.
type records struct {
	count  int
	failed []failure
	hashes map[string]string // of tokens, by the snapshot's name
}

// failure is a snapshot that k3s could not make or upload.
type failure struct {
	name, node, message string
	at                  time.Time
}

// record is what matters of an ETCDSnapshotFile (k3s.cattle.io/v1).
type record struct {
	Metadata struct {
		Name              string            `json:"name"`
		CreationTimestamp string            `json:"creationTimestamp"`
		Annotations       map[string]string `json:"annotations"`
	} `json:"metadata"`
	Spec struct {
		SnapshotName string `json:"snapshotName"`
		NodeName     string `json:"nodeName"`
	} `json:"spec"`
	Status struct {
		CreationTime string `json:"creationTime"`
		Error        *struct {
			Time    string `json:"time"`
			Message string `json:"message"`
		} `json:"error"`
	} `json:"status"`
}

// kept is how long k3s keeps the record of a failure (pkg/etcd, errorTTL).
const kept = 24 * time.Hour

// readRecords lists the records. That the server has no such resource, that it may not be read and that there are none are three things.
func (l *look) readRecords(ctx context.Context) {
	l.records = records{hashes: map[string]string{}}
	resource := kube.Resource{Group: "k3s.cattle.io", Version: "v1", Resource: "etcdsnapshotfiles"}
	err := l.each(ctx, resource, func(item json.RawMessage) error {
		var r record
		if err := json.Unmarshal(item, &r); err != nil {
			return fmt.Errorf("decode an ETCDSnapshotFile: %w", err)
		}
		l.records.take(r, l.now)
		return nil
	})
	none := checks.Finding{Name: NoRecord, Verdict: checks.None, Object: resource.String(), Next: "nothing: what is in the store counts"}
	switch {
	case errors.Is(err, kube.ErrNotServed):
		none.Message, none.Cause = "this server keeps no records of snapshots", "k3s and RKE2 older than the end of 2023 have none"
		l.add(none)
	case err != nil:
		l.records = records{hashes: map[string]string{}}
		l.add(checks.Broken(resource.String(), err))
	case l.records.count == 0:
		none.Message, none.Cause = "there is no record of any snapshot", "the servers have made none since they were started, or not in S3"
		l.add(none)
	}
}

func (r *records) take(rec record, now time.Time) {
	r.count++
	for _, distribution := range []string{"k3s", "rke2"} {
		if hash := rec.Metadata.Annotations["etcd."+distribution+".cattle.io/snapshot-token-hash"]; hash != "" {
			r.hashes[rec.Spec.SnapshotName] = hash
		}
	}
	if rec.Status.Error == nil {
		return
	}
	f := failure{name: cmp.Or(rec.Spec.SnapshotName, rec.Metadata.Name), node: rec.Spec.NodeName, message: rec.Status.Error.Message, at: now}
	for _, text := range []string{rec.Status.Error.Time, rec.Status.CreationTime, rec.Metadata.CreationTimestamp} {
		if at, err := time.Parse(time.RFC3339, text); err == nil && !at.IsZero() {
			f.at = at
			break
		}
	}
	if now.Sub(f.at) <= kept {
		r.failed = append(r.failed, f)
	}
}

// judgeRecords judges recorded failures, those of a node together: one that nothing was made after is a backup that does not work now.
func (l *look) judgeRecords() {
	last, counts := map[string]failure{}, map[string]int64{}
	for _, f := range l.records.failed {
		counts[f.node]++
		if seen, ok := last[f.node]; !ok || f.at.After(seen.at) {
			last[f.node] = f
		}
	}
	for _, node := range slices.Sorted(maps.Keys(last)) {
		f := last[node]
		of := "of " + cmp.Or(node, "a server")
		if node == "s3" { // what older releases write for an upload
			of = "to S3"
		}
		finding := checks.Finding{Name: LastFailed, Verdict: checks.None, Object: f.name,
			Message: fmt.Sprintf("%s %s failed in the last day, the last one at %s", count(counts[node], "snapshot"), of, stamp(f.at)),
			Cause:   cmp.Or(f.message, "the record gives no message"), Next: "see to what the cause names, and that a new snapshot is made"}
		switch {
		case !l.listed:
			finding.Verdict = checks.Unknown
		case !slices.ContainsFunc(l.usable, func(s etcdsnapshot.Snapshot) bool { return !s.Time.Before(f.at.Add(-checks.Skew)) }):
			finding.Verdict = checks.Fail
		}
		l.add(finding)
	}
}
