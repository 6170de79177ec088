package e2e

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const pingCanary = "/ping-canary-91c2"

// secrets are the values that must stay where they are: what Bitwarden holds, its token and the parts of that, the ping's address.
func (r *rig) secrets() []string {
	token := strings.FieldsFunc(r.Bitwarden.Token, func(c rune) bool { return c == '.' || c == ':' })
	return append(slices.DeleteFunc(token, func(part string) bool { return len(part) < 8 }),
		r.Bitwarden.Token, r.S3.SecretKey, r.S3.AccessKey, pingCanary)
}

// leaks wants none of the secrets in a text, in any coding that a program might use.
func (r *rig) leaks(t *testing.T, where, text string) {
	t.Helper()
	for i, secret := range r.secrets() {
		for coding, coded := range map[string]string{
			"plain": secret, "base64": base64.StdEncoding.EncodeToString([]byte(secret)), "hex": hex.EncodeToString([]byte(secret)),
			"URL": url.QueryEscape(secret), "JSON": strings.Trim(string(must(json.Marshal(secret))), `"`),
		} {
			if strings.Contains(text, coded) {
				t.Errorf("%s: secret %d is there, %s", where, i, coding)
			}
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // only where it cannot be
	}
	return v
}

func example(t *testing.T) string {
	t.Helper()
	file, err := filepath.Abs(filepath.Join(moduleRoot, "examples", "plans", "backup.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// TestNightlyBackup runs the published example as it is, four nights in a row.
func TestNightlyBackup(t *testing.T) {
	r := theLab(t)
	p := r.program(t, "HEALTHCHECKS_URL="+r.PingURL+pingCanary)
	foreign := "pv-backups/home/README.txt"
	if err := r.put(t.Context(), foreign, []byte("not a backup"), nil); err != nil {
		t.Fatal(err)
	}
	arguments := commandLines()
	var pvs, nodes []string
	for night := range 4 {
		tick()
		r.BitwardenServer.ResetCounts()
		before, err := r.Pings()
		if err != nil {
			t.Fatal(err)
		}
		events := filepath.Join(p.dir, "events")
		got := p.must(t, 0, "apply", example(t), "--set", "keep=2", "-o", "json", "--events", events)
		doc := got.json(t)
		r.leaks(t, "stdout", got.stdout)
		r.leaks(t, "stderr", got.stderr)
		if n := r.BitwardenServer.Logins(); n != 1 {
			t.Errorf("night %d: %d logins, want 1", night, n)
		}
		if requests := r.BitwardenServer.Requests(); len(requests) != 3 {
			t.Errorf("night %d: %d requests to Bitwarden, want a login, a list and one that reads all five: %+v", night, len(requests), requests)
		}
		r.outputsAreTrue(t, doc)
		r.journalIsThere(t, doc)
		r.pinged(t, len(before), "/0", `"succeeded"`)
		pvs, nodes = append(pvs, doc.step(t, "pvs").text(t, "key")), append(nodes, doc.step(t, "nodes").text(t, "key"))
	}
	r.leaks(t, "command lines", arguments())
	r.leaks(t, "events", string(must(os.ReadFile(filepath.Join(p.dir, "events")))))
	// Weekly and monthly rules keep the newest of this week and month, which is the newest of all.
	if got, want := r.names(t, "pv-backups/"), append(slices.Sorted(slices.Values(pvs[2:])), foreign); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
		t.Errorf("volumes: left are %q, want %q", got, want)
	}
	if got, want := r.names(t, "nodes-backups/"), slices.Sorted(slices.Values(nodes[2:])); !slices.Equal(got, want) {
		t.Errorf("nodes: left are %q, want %q", got, want)
	}
	for _, key := range slices.Concat(pvs[2:], nodes[2:]) {
		body, _ := r.object(t, key)
		r.leaks(t, key, string(unzip(t, body)))
	}
}

// outputsAreTrue compares what the program says with what the bucket and the cluster hold.
func (r *rig) outputsAreTrue(t *testing.T, doc document) {
	t.Helper()
	if doc.Outcome != "succeeded" || doc.Cluster.UID != r.uid || doc.Cluster.Name != "home" {
		t.Errorf("outcome %s, cluster %+v", doc.Outcome, doc.Cluster)
	}
	pvs, nodes := doc.step(t, "pvs"), doc.step(t, "nodes")
	volumes, sum := r.backup(t, pvs.text(t, "key"))
	body, meta := r.object(t, pvs.text(t, "key"))
	want := map[string]int{
		"PersistentVolume": r.count(t, "/api/v1/persistentvolumes"), "PersistentVolumeClaim": r.count(t, "/api/v1/persistentvolumeclaims"),
		"StorageClass": r.count(t, "/apis/storage.k8s.io/v1/storageclasses"),
	}
	for kind, n := range want {
		if got := volumes.kinds()[kind]; got != n || n == 0 {
			t.Errorf("the backup has %d of kind %s, the cluster %d", got, kind, n)
		}
	}
	bound := 0
	for _, item := range volumes.Items {
		if status, _ := item["status"].(map[string]any); item["kind"] == "PersistentVolume" && status["phase"] == "Bound" {
			bound++
		}
	}
	for _, c := range []struct {
		name      string
		got, want int
	}{
		{"pvs", pvs.number(t, "pvs"), want["PersistentVolume"]}, {"bound", pvs.number(t, "bound"), bound},
		{"objects", pvs.number(t, "objects"), len(volumes.Items)}, {"size", pvs.number(t, "size"), len(body)},
		{"nodes", nodes.number(t, "nodes"), r.count(t, "/api/v1/nodes")},
	} {
		if c.got != c.want {
			t.Errorf("output %s is %d, want %d", c.name, c.got, c.want)
		}
	}
	if pvs.text(t, "sha256") != sum || meta["plan-sha256"] != sum {
		t.Errorf("SHA-256 is %s, the output says %s, the metadata %s", sum, pvs.text(t, "sha256"), meta["plan-sha256"])
	}
	if _, sum := r.backup(t, nodes.text(t, "key")); nodes.text(t, "sha256") != sum {
		t.Errorf("nodes: SHA-256 is %s, the output says %s", sum, nodes.text(t, "sha256"))
	}
}

// journalIsThere wants a journal that tells of the run's end, for its owner alone.
func (r *rig) journalIsThere(t *testing.T, doc document) {
	t.Helper()
	info, err := os.Stat(doc.Journal)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the journal's mode is %s", info.Mode())
	}
	journal := string(must(os.ReadFile(doc.Journal)))
	for _, text := range []string{doc.Run, r.uid, doc.step(t, "pvs").text(t, "sha256"), `"succeeded"`} {
		if !strings.Contains(journal, text) {
			t.Errorf("the journal does not have %s", text)
		}
	}
	r.leaks(t, "journal", journal)
}

// pinged wants exactly one ping more than before, with this end of its path and this text in its body.
func (r *rig) pinged(t *testing.T, before int, suffix, text string) {
	t.Helper()
	pings, err := r.Pings()
	if err != nil {
		t.Fatal(err)
	}
	if len(pings) != before+1 {
		t.Fatalf("%d pings, want 1", len(pings)-before)
	}
	ping := pings[before]
	if ping.Method != "POST" || !strings.HasSuffix(ping.Path, suffix) || !strings.Contains(ping.Body, text) {
		t.Errorf("ping %s %s %s, want POST …%s with %s", ping.Method, ping.Path, ping.Body, suffix, text)
	}
}
