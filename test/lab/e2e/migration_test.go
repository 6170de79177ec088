package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// olderToolVariables are what a ConfigMap of the tool that plan replaces holds: every variable of it, with its default where it has one.
func (r *rig) olderToolVariables() []string {
	return []string{
		"CLUSTER_NAME=k3s", "K8S_CONTEXT=lab", "KUBECONFIG_PATH=" + r.Kubeconfig,
		"EXTERNAL_SECRETS_NAMESPACE=external-secrets", "BWS_SECRET_NAME=bitwarden-machine-account", "BWS_SERVER_URL=" + r.Bitwarden.URL,
		"BWS_SECRET_ID_ACCESS_KEY=" + r.Bitwarden.AccessKeyID, "BWS_SECRET_ID_SECRET_KEY=" + r.Bitwarden.SecretKeyID,
		"BWS_SECRET_ID_ENDPOINT=" + r.Bitwarden.EndpointID, "BWS_SECRET_ID_REGION=" + r.Bitwarden.RegionID, "BWS_SECRET_ID_BUCKET=" + r.Bitwarden.BucketID,
		"BWS_PROJECT=" + r.Bitwarden.Project, "BWS_NODE_TOKEN_KEY=k3s-node-token-k3s", "K3S_NODE_TOKEN_PATH=/var/lib/rancher/k3s/server/node-token",
		"S3_ETCD_PREFIX=k3s-etcd-snapshots/", "S3_LONGHORN_PREFIX=backupstore/", "S3_PV_BACKUP_PREFIX=older-pvs/", "S3_NODES_BACKUP_PREFIX=older-nodes/",
		"ETCD_BACKUP_MAX_AGE_HOURS=24", "LONGHORN_BACKUP_MAX_AGE_HOURS=48", "RETENTION_PV_BACKUPS=2", "RETENTION_NODE_BACKUPS=1",
		"LONGHORN_NAMESPACE=longhorn-system",
	}
}

// olderToolObjects puts objects as that tool wrote them, old enough for any retention.
func (r *rig) olderToolObjects(t *testing.T) []string {
	t.Helper()
	keys := []string{
		"older-pvs/k3s-20240101-020000.json", "older-pvs/k3s/20240102-020000.json", "older-pvs/k3s/pvs-20240103-020000.json",
		"older-pvs/k3s/pvs-20240104-020000-deadbeef.json.gz", // one that even looks like ours
		"older-nodes/k3s/nodes-20240101-020000.json",
	}
	for _, key := range keys {
		meta := map[string]string{"cluster": "k3s", "type": "pvs", "timestamp": "20240101-020000"}
		if err := r.put(t.Context(), key, []byte(`{"pvs":[]}`), meta); err != nil {
			t.Fatal(err)
		}
	}
	return keys
}

// TestOlderToolsVariablesDriveTheCommands: its ConfigMap, mounted as it is, is enough.
func TestOlderToolsVariablesDriveTheCommands(t *testing.T) {
	r := theLab(t)
	older := r.olderToolObjects(t)
	p := r.program(t).without("KUBECONFIG").with(r.olderToolVariables()...)
	var pvs, nodes []string
	for range 3 {
		tick()
		r.BitwardenServer.ResetCounts()
		doc := p.must(t, 0, "run", "backup-pvs", "-o", "json").json(t)
		if n := r.BitwardenServer.Logins(); n != 1 {
			t.Errorf("%d logins, want 1", n)
		}
		if doc.Cluster.Name != "k3s" {
			t.Errorf("cluster %+v", doc.Cluster)
		}
		pvs = append(pvs, doc.step(t, "backup-pvs").text(t, "key"))
		doc = p.must(t, 0, "run", "backup-nodes", "-o", "json").json(t)
		nodes = append(nodes, doc.step(t, "backup-nodes").text(t, "key"))
	}
	want := slices.Sorted(slices.Values(slices.Concat(older, pvs[1:], nodes[2:])))
	if got := r.names(t, "older-"); !slices.Equal(got, want) {
		t.Errorf("left are\n%q, want\n%q", got, want)
	}
	list := p.must(t, 0, "run", "list-pvs")
	list.says(t, "prometheus", "Bound")
	r.BitwardenServer.ResetCounts()
	p.without("SSL_CERT_FILE").must(t, 0, "run", "list-pvs") // asks neither Bitwarden nor S3
	if n := r.BitwardenServer.Logins(); n != 0 {
		t.Errorf("list-pvs logs in %d times", n)
	}
}

// TestOlderToolsDefaultsHold: what its ConfigMap leaves out has the defaults that it had.
func TestOlderToolsDefaultsHold(t *testing.T) {
	r := theLab(t)
	p := r.program(t, slices.DeleteFunc(r.olderToolVariables(), func(kv string) bool {
		return !strings.HasPrefix(kv, "BWS_SECRET_ID_") && !strings.HasPrefix(kv, "BWS_SERVER_URL=")
	})...)
	pvs := p.must(t, 0, "run", "backup-pvs", "-o", "json").json(t).step(t, "backup-pvs").text(t, "key")
	nodes := p.must(t, 0, "run", "backup-nodes", "-o", "json").json(t).step(t, "backup-nodes").text(t, "key")
	day := time.Now().UTC().Format("20060102")[:6]
	if !strings.HasPrefix(pvs, "pv-backups/k3s/pvs-"+day) || !strings.HasPrefix(nodes, "nodes-backups/k3s/nodes-"+day) {
		t.Errorf("keys %s and %s", pvs, nodes)
	}
	for _, key := range []string{pvs, nodes} {
		r.remove(t, key)
	}
}

// TestAPartialSetOfOlderVariablesIsRefused names what is missing.
func TestAPartialSetOfOlderVariablesIsRefused(t *testing.T) {
	r := theLab(t)
	before := r.world(t)
	p := r.program(t, r.olderToolVariables()...).without("BWS_SECRET_ID_BUCKET", "BWS_SECRET_ID_REGION")
	p.must(t, 2, "run", "backup-pvs").says(t, "BWS_SECRET_ID_BUCKET", "BWS_SECRET_ID_REGION")
	r.unchanged(t, before)
}

// TestAnotherTargetThanThePlansIsRefused: a variable fills in, it never turns a plan to another cluster.
func TestAnotherTargetThanThePlansIsRefused(t *testing.T) {
	r := theLab(t)
	before := r.world(t)
	p := r.program(t, "HEALTHCHECKS_URL="+r.PingURL, "CLUSTER_NAME=other")
	p.must(t, 2, "apply", example(t)).says(t, "CLUSTER_NAME", "other", "home")
	r.unchanged(t, before)
}
