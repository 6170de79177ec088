// Package restoretest has what tests of restores share: backups of servers in memory, and clusters made up at random.
package restoretest

import (
	"encoding/json"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"plan/internal/backup"
	"plan/internal/kube"
	"plan/internal/kube/kubetest"
	"plan/internal/objectstore"
	"plan/internal/retention/retentiontest"
	"plan/internal/spool"
)

// Made is when and of what a backup is. The zero value of a field is a default.
type Made struct {
	Artefact backup.Artefact // pvs
	Prefix   string          // that of the kind which makes the artefact
	Cluster  string          // k3s
	UID      string          // kubetest.UID
	At       time.Time       // 2026-03-02 02:00 UTC
	N        int             // tells backups of one time apart
}

// Resources are what a backup of volumes holds.
func Resources() []kube.Resource {
	return []kube.Resource{
		{Group: "storage.k8s.io", Version: "v1", Resource: "storageclasses"},
		{Version: "v1", Resource: "persistentvolumes"}, {Version: "v1", Resource: "persistentvolumeclaims"},
		{Group: "storage.k8s.io", Version: "v1", Resource: "volumeattachments"}, {Version: "v1", Resource: "namespaces"},
	}
}

// Backup puts a backup of a server into a store, without a call being recorded, and gives its key. more are resources besides the usual
// ones.
func Backup(t testing.TB, from *kubetest.Server, store *retentiontest.Store, m Made, more ...kube.Resource) string {
	t.Helper()
	m = m.complete()
	buffer := spool.New(t.TempDir())
	defer buffer.Close()
	w, err := backup.NewWriter(buffer, backup.Index{
		Artefact: m.Artefact, Cluster: backup.Cluster{Name: m.Cluster, UID: m.UID}, KubernetesVersion: kubetest.Version,
		Run: fmt.Sprintf("run-%d", m.N), CreatedAt: m.At,
	})
	if err != nil {
		t.Fatal(err)
	}
	list := append(Resources(), more...)
	if m.Artefact == backup.Nodes {
		list = []kube.Resource{{Version: "v1", Resource: "nodes"}}
	}
	reduce := reduced()
	for _, r := range list {
		if err := w.List(t.Context(), from.Client(t), r, reduce[r.Resource], nil); err != nil {
			t.Fatal(err)
		}
	}
	index, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	key := func(int) (backup.Key, error) {
		return backup.NewKey(m.Prefix, m.Cluster, m.Artefact, m.At, fmt.Sprintf("%08x", m.N))
	}
	var own retentiontest.Store
	stored, err := backup.Upload(t.Context(), &own, key, backup.Content{Spool: buffer, Index: index}, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	name := stored.Key.String()
	info, body := Fetch(t, &own, name)
	store.Add(name, body, info.Metadata)
	return name
}

// Fetch is a stored object.
func Fetch(t testing.TB, store objectstore.Store, key string) (objectstore.Info, []byte) {
	t.Helper()
	r, info, err := store.Get(t.Context(), key, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	body, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return info, body
}

// reduced says what of a resource is stored, as backup-pvs does: of namespaces those that have claims.
func reduced() map[string]backup.Reduce {
	claimed := map[string]bool{}
	return map[string]backup.Reduce{
		"persistentvolumeclaims": func(item json.RawMessage) json.RawMessage {
			claimed[gjson.GetBytes(item, "metadata.namespace").String()] = true
			return item
		},
		"namespaces": func(item json.RawMessage) json.RawMessage {
			if !claimed[gjson.GetBytes(item, "metadata.name").String()] {
				return nil
			}
			return item
		},
	}
}

func (m Made) complete() Made {
	if m.Artefact == "" {
		m.Artefact = backup.PVs
	}
	if m.Prefix == "" {
		m.Prefix = map[backup.Artefact]string{backup.PVs: "pv-backups/", backup.Nodes: "nodes-backups/"}[m.Artefact]
	}
	if m.Cluster == "" {
		m.Cluster = "k3s"
	}
	if m.UID == "" {
		m.UID = kubetest.UID
	}
	if m.At.IsZero() {
		m.At = time.Date(2026, 3, 2, 2, 0, 0, 0, time.UTC)
	}
	return m
}
