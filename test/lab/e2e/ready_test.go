package e2e

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
)

// TestWouldIGetMyClusterBack runs the published example in a cluster where all is well, and then spoils one thing after the other. The
// answer is no, or not known, never yes.
func TestWouldIGetMyClusterBack(t *testing.T) {
	r := theLab(t)
	r.ownServers(t)
	if err := r.SeedBackups(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		for _, resource := range []string{"volumes", "backupvolumes", "backups", "backuptargets", "recurringjobs", "settings"} {
			r.uninstall(t, resource+".longhorn.io")
		}
		for _, key := range r.names(t, "k3s-etcd-snapshots/") {
			r.remove(t, key)
		}
	}()
	p := r.program(t, "HEALTHCHECKS_URL="+r.PingURL)
	p.must(t, 0, "apply", example(t), "--set", "keep=5")
	keep := func(code int) result {
		return p.must(t, code, "run", "backup-node-token", "--cluster-name", "home", "--path", r.NodeTokenFile(), "--to-bitwarden-project", "homelab")
	}
	verify := filepath.Join(filepath.Dir(example(t)), "verify.yaml")
	t.Run("the token is not kept", func(t *testing.T) {
		p.must(t, 3, "apply", verify).says(t, "✗ nodeToken")
	})
	keep(0)
	t.Run("yes", func(t *testing.T) {
		got := p.must(t, 0, "apply", verify)
		got.says(t, "✓ nodeToken", "✓ etcd", "✓ longhorn", "✓ backups pvs", "✓ backups nodes", "verdict pass")
		r.leaks(t, "stdout", got.stdout)
		r.leaks(t, "stderr", got.stderr)
	})
	t.Run("a byte of the newest snapshot is another", func(t *testing.T) {
		for _, key := range r.names(t, "k3s-etcd-snapshots/") {
			body, meta := r.object(t, key)
			spoiled := bytes.Clone(body)
			spoiled[len(body)/2] ^= 1
			r.replace(t, key, spoiled, meta)
			t.Cleanup(func() { r.replace(t, key, body, meta) })
		}
		p.must(t, 3, "apply", verify).says(t, "✗ etcd", "✓ longhorn")
	})
	t.Run("the server has another token", func(t *testing.T) {
		text, err := os.ReadFile(r.NodeTokenFile())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(r.NodeTokenFile(), append(bytes.TrimSpace(text), "-new\n"...), 0o600); err != nil {
			t.Fatal(err)
		}
		keep(0)
		// The newest snapshot needs the former token, and that is kept too.
		p.must(t, 0, "apply", verify).says(t, "✓ nodeToken")
	})
	t.Run("Longhorn cannot reach its target", func(t *testing.T) {
		const target = longhornPath + "backuptargets/default/status"
		patch := func(status string) {
			if _, err := r.kube.RESTClient().Patch("application/merge-patch+json").AbsPath(target).Body([]byte(`{"status":` + status + `}`)).DoRaw(context.WithoutCancel(t.Context())); err != nil {
				t.Fatal(err)
			}
		}
		patch(`{"available":false}`)
		defer patch(`{"available":true}`)
		p.must(t, 4, "apply", verify).says(t, "? longhorn", "✓ etcd")
	})
	t.Run("the bucket cannot be listed", func(t *testing.T) {
		p.with("PLAN_STORE__MAIN__S3__BUCKET=no-such-bucket").must(t, 2, "apply", verify)
	})
}

// replace overwrites an object.
func (r *rig) replace(t *testing.T, key string, body []byte, meta map[string]string) {
	t.Helper()
	if err := r.put(context.WithoutCancel(t.Context()), key, body, meta); err != nil {
		t.Fatal(err)
	}
}
