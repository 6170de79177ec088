package e2e

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"plan/internal/bitwarden"
)

// freshToken is a server's token with a password that is nowhere else.
func freshToken() (token, password string) {
	password = "canary-" + rand.Text()
	return fmt.Sprintf("K10%064x::server:%s", sha256.Sum256([]byte("ca")), password), password
}

func tokenHash(password string) string { return hexSHA([]byte(password))[:12] }

// tokenPlan backs a token up to a place, or verifies it there, or both.
func tokenPlan(place string, steps ...string) string {
	text := `apiVersion: plan/v1
kind: Plan
metadata: {name: node-token}
spec:
  cluster: {name: home}
`
	if strings.Contains(place, "bitwarden") {
		text += "  secrets: {bitwarden: {accessToken: {from: {env: BWS_ACCESS_TOKEN}}}}\n"
	}
	text += "  steps:\n"
	for _, step := range steps {
		field := map[string]string{"backup-node-token": "to", "verify-node-token": "in"}[step]
		text += fmt.Sprintf("    - {id: %s, uses: %s, retry: {attempts: 1}, with: {path: server, %s: %s}}\n", strings.TrimSuffix(step, "-node-token"), step, field, place)
	}
	return text
}

// node is a program beside a server's folder with a token in it, linked as k3s does.
func (r *rig) node(t *testing.T, token string, env ...string) *program {
	t.Helper()
	p := r.program(t, append([]string{"BWS_ACCESS_TOKEN=" + r.Bitwarden.Token}, env...)...)
	if err := os.Mkdir(filepath.Join(p.dir, "server"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("token", filepath.Join(p.dir, "server/node-token")); err != nil {
		t.Fatal(err)
	}
	p.write(t, "server/token", token+"\n")
	return p
}

// secretValues are the values of a Secret, by key.
func (r *rig) secretValues(t *testing.T, name string) map[string]string {
	t.Helper()
	s, err := r.kube.CoreV1().Secrets("default").Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.kube.CoreV1().Secrets("default").Delete(theEnd(), name, metav1.DeleteOptions{}) })
	all := map[string]string{}
	for key, value := range s.Data {
		all[key] = string(value)
	}
	return all
}

// TestNodeTokenIsKeptAndVerified goes through a server's life with each place: backed up, verified, rotated, found missing, backed up
// again with the earlier one kept. Its password is on no command line and in nothing that the program says or leaves.
func TestNodeTokenIsKeptAndVerified(t *testing.T) {
	r := theLab(t)
	for name, place := range map[string]string{
		"kubernetes": "{kubernetes: {namespace: default, name: e2e-node-token}}",
		"bitwarden":  "{bitwarden: {project: homelab, key: e2e-node-token}}",
		"file":       "{file: {path: kept}}",
	} {
		t.Run(name, func(t *testing.T) {
			first, firstPassword := freshToken()
			second, secondPassword := freshToken()
			stop := commandLines()
			p := r.node(t, first)
			both := p.write(t, "both.yaml", tokenPlan(place, "backup-node-token", "verify-node-token"))
			verify := p.write(t, "verify.yaml", tokenPlan(place, "verify-node-token"))
			said := p.must(t, 3, "apply", verify).all() // nothing is kept yet
			said += p.must(t, 0, "apply", both).all()
			got := p.must(t, 0, "apply", both, "-o", "json")
			doc := got.json(t)
			if s := doc.step(t, "backup"); s.text(t, "action") != "unchanged" || s.text(t, "tokenHash") != tokenHash(firstPassword) {
				t.Errorf("the second time: %v", s.Outputs)
			}
			if s := doc.step(t, "verify"); s.text(t, "tokenHash") != tokenHash(firstPassword) || !strings.HasPrefix(s.text(t, "updated"), "20") {
				t.Errorf("verified: %v", s.Outputs)
			}
			p.write(t, "server/token", second+"\n")
			said += got.all() + p.must(t, 3, "apply", verify).all()
			got = p.must(t, 0, "apply", both, "-o", "json")
			if s := got.json(t).step(t, "backup"); s.text(t, "action") != "updated" {
				t.Errorf("after the rotation: %v", s.Outputs)
			}
			said += got.all() + stop()
			r.keptAre(t, p, name, second, first, tokenHash(firstPassword))
			said += p.journalTexts(t)
			for _, path := range []string{"/api/v1/configmaps", "/api/v1/events", "/apis/batch/v1/jobs"} {
				said += string(r.raw(t, path))
			}
			for _, secret := range []string{firstPassword, secondPassword, first, second} {
				for _, form := range []string{secret, base64.StdEncoding.EncodeToString([]byte(secret)), fmt.Sprintf("%x", secret)} {
					if strings.Contains(said, form) {
						t.Errorf("the token, in one of its forms, is in:\n%s", said)
					}
				}
			}
		})
	}
}

// journalTexts is all that the program's journals hold.
func (p *program) journalTexts(t *testing.T) (all string) {
	t.Helper()
	for _, file := range p.journals() {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all += string(text)
	}
	return all
}

// vaultValues are the secrets of Bitwarden whose keys begin so.
func (r *rig) vaultValues(t *testing.T, prefix string) map[string]string {
	t.Helper()
	c, err := bitwarden.New(bitwarden.Config{ServerURL: r.Bitwarden.URL, CAFile: r.CAFile}, r.Bitwarden.Token)
	if err != nil {
		t.Fatal(err)
	}
	list, err := c.List(t.Context(), r.Bitwarden.Project)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, sum := range list {
		if !strings.HasPrefix(sum.Key, prefix) {
			continue
		}
		secret, err := c.Secret(t.Context(), sum.ID)
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := all[sum.Key]; twice {
			t.Errorf("%s is there twice", sum.Key)
		}
		all[sum.Key] = secret.Value
	}
	return all
}

// keptAre wants the current token and the earlier one in a place, and no other of their names.
func (r *rig) keptAre(t *testing.T, p *program, place, current, earlier, hash string) {
	t.Helper()
	kept, key := map[string]string{}, "e2e-node-token"
	switch place {
	case "kubernetes":
		kept, key = r.secretValues(t, "e2e-node-token"), "token"
	case "file":
		files, _ := filepath.Glob(filepath.Join(p.dir, "kept*"))
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			kept[filepath.Base(file)] = strings.TrimSpace(string(text))
		}
		key = "kept"
	case "bitwarden":
		kept = r.vaultValues(t, key)
	}
	if len(kept) != 2 || kept[key] != current || kept[key+"-"+hash] != earlier {
		t.Errorf("kept are %d values, the current one is right: %t, the earlier one: %t", len(kept), kept[key] == current, kept[key+"-"+hash] == earlier)
	}
}

// TestNodeTokenWithoutRights: no right in the cluster at all ends before the first step; no right to the Secret holds the backup back
// and leaves the verification unknown; the rights that the kinds name are enough.
func TestNodeTokenWithoutRights(t *testing.T) {
	r := theLab(t)
	r.ownServers(t)
	token, _ := freshToken()
	const place = "{kubernetes: {namespace: default, name: e2e-limited-token}}"
	p := r.node(t, token, "KUBECONFIG="+r.Limited)
	backup := p.write(t, "backup.yaml", tokenPlan(place, "backup-node-token"))
	verify := p.write(t, "verify.yaml", tokenPlan(place, "verify-node-token"))
	before := r.world(t)
	t.Run("none", func(t *testing.T) {
		p.must(t, 77, "apply", backup).says(t, "kube-system")
		p.must(t, 77, "apply", verify).says(t, "kube-system")
	})
	cluster := rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"namespaces"}, ResourceNames: []string{"kube-system"}, Verbs: []string{"get"}}
	t.Run("none to the Secret", func(t *testing.T) {
		r.grant(t, cluster)
		p.must(t, 77, "apply", backup).says(t, "may not get secrets default/e2e-limited-token (step ")
		p.must(t, 4, "apply", verify).says(t, "NOT_ALLOWED", "forbidden")
	})
	if after := r.world(t); len(after) != len(before) {
		t.Errorf("something was made: %d objects, %d before", len(after), len(before))
	}
	t.Run("those that are named", func(t *testing.T) {
		secrets := []string{"secrets"}
		r.grant(t, cluster,
			rbacv1.PolicyRule{APIGroups: []string{""}, Resources: secrets, ResourceNames: []string{"e2e-limited-token"}, Verbs: []string{"get", "update"}},
			rbacv1.PolicyRule{APIGroups: []string{""}, Resources: secrets, Verbs: []string{"create"}},
		)
		p.must(t, 0, "apply", backup)
		p.must(t, 0, "apply", verify)
		p.write(t, "server/token", "rotated-since\n")
		p.must(t, 0, "apply", backup)
		if kept := r.secretValues(t, "e2e-limited-token"); len(kept) != 2 || kept["token"] != "rotated-since" {
			t.Errorf("kept are %d values", len(kept))
		}
	})
}

// TestNodeTokenOfASnapshotIsKnownByItsHash: the newest snapshot in the bucket says which token it needs.
func TestNodeTokenOfASnapshotIsKnownByItsHash(t *testing.T) {
	r := theLab(t)
	token, password := freshToken()
	p := r.node(t, token, keysOf(r.S3.AccessKey, r.S3.SecretKey)...)
	p.must(t, 0, "apply", p.write(t, "backup.yaml", tokenPlan("{file: {path: kept}}", "backup-node-token")))
	verify := p.write(t, "verify.yaml", r.planText("{name: home}",
		"    - {id: verify, uses: verify-node-token, with: {in: {file: {path: kept}}, prefix: e2e-token-snapshots}}\n"))
	p.must(t, 3, "apply", verify).says(t, "NO_BACKUP")
	for i, tc := range []struct {
		meta map[string]string
		code int
		says string
	}{
		{map[string]string{"k3s-token-hash": tokenHash(password)}, 0, "OK"},
		{map[string]string{"k3s-node-name": "a"}, 4, "NO_METADATA"},
		{map[string]string{"k3s-token-hash": tokenHash("another")}, 3, "WRONG_TOKEN"},
		{map[string]string{"rke2-token-hash": tokenHash(password)}, 0, "OK"},
	} {
		key := fmt.Sprintf("e2e-token-snapshots/etcd-snapshot-a-%d", 1772413200+i)
		if err := r.put(t.Context(), key, []byte("a snapshot's bytes are not read"), tc.meta); err != nil {
			t.Fatal(err)
		}
		p.must(t, tc.code, "apply", verify).says(t, tc.says)
	}
	for _, key := range r.names(t, "e2e-token-snapshots/") {
		r.remove(t, key)
	}
}
