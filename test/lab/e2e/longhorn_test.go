package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"plan/test/lab"
)

// TestLonghorn verifies the lab's Longhorn volumes while Longhorn's resources are not there, and then with each set of them: the tests'
// own, and those of real versions where PLAN_TEST_FIXTURES names a folder that has them.
func TestLonghorn(t *testing.T) {
	r := theLab(t)
	r.ownServers(t)
	t.Run("not installed", func(t *testing.T) {
		got := r.verifyLonghorn(t, 4, "{}")
		if got["volumes.longhorn.io in longhorn-system"] != "NOT_INSTALLED=unknown" || len(got) != 6 {
			t.Error(got)
		}
	})
	t.Run("own", func(t *testing.T) { r.withLonghorn(t, lab.LonghornCRDs()) })
	for _, dir := range fixtures(t, "longhorn-v*") {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			var crds [][]byte
			files, err := filepath.Glob(filepath.Join(dir, "crds", "*.yaml"))
			if err != nil || len(files) == 0 {
				t.Fatalf("no CRDs are in %s: %v", dir, err)
			}
			for _, file := range files {
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				crds = append(crds, text)
			}
			r.withLonghorn(t, crds)
		})
	}
}

// fixtures are folders of objects of other projects. They are not part of this one, so that without them there is less to test, here and
// in CI.
func fixtures(t *testing.T, pattern string) []string {
	t.Helper()
	root := os.Getenv("PLAN_TEST_FIXTURES")
	if root == "" {
		t.Run("upstream", func(t *testing.T) {
			t.Skip("PLAN_TEST_FIXTURES names no folder with the resources of real versions of Longhorn; the tests' own were used")
		})
		return nil
	}
	dirs, err := filepath.Glob(filepath.Join(root, pattern))
	if err != nil || len(dirs) == 0 {
		t.Fatalf("PLAN_TEST_FIXTURES: no %s in %s: %v", pattern, root, err)
	}
	return dirs
}

// withLonghorn runs everything with one set of resources.
func (r *rig) withLonghorn(t *testing.T, crds [][]byte) {
	modern := r.install(t, crds)
	volumes := r.longhornVolumes(t)
	r.fill(t, volumes, modern)
	all := fates(modern)
	want := map[string]string{"media/transcode-cache": "NOT_LONGHORN=none", "photos/photoprism-originals": "NOT_BOUND=none"}
	for claim := range volumes {
		want[claim] = "OK=pass"
		if f, ok := all[claim]; ok {
			want[claim] = f.want
		}
	}
	t.Run("all", func(t *testing.T) {
		got := r.verifyLonghorn(t, 3, "{}")
		for claim, finding := range want {
			if got[claim] != finding {
				t.Errorf("%s: %s, want %s", claim, got[claim], finding)
			}
		}
	})
	t.Run("well", func(t *testing.T) {
		got := r.verifyLonghorn(t, 0, "{include: [{namespace: databases}, {namespace: media, name: jellyfin-*}], exclude: [{name: data-postgres-1}]}")
		for claim, finding := range map[string]string{
			"media/jellyfin-config": "OK=pass", "databases/data-postgres-0": "EXCLUDED=none", "databases/data-postgres-1": "EXCLUDED=none",
			"databases/data-postgres-2": "OK=pass", "media/sonarr-config": "EXCLUDED=none",
		} {
			if got[claim] != finding {
				t.Errorf("%s: %s, want %s", claim, got[claim], finding)
			}
		}
	})
	t.Run("unknown", func(t *testing.T) {
		got := r.verifyLonghorn(t, 4, "{include: [{namespace: home-automation}], maxAge: 1d}")
		if got["home-automation/mosquitto-data"] != "STATUS_FROZEN=unknown" {
			t.Error(got)
		}
	})
	t.Run("another namespace", func(t *testing.T) {
		if got := r.verifyLonghorn(t, 4, "{namespace: media}"); got[""] != "NO_LONGHORN_VOLUME=unknown" {
			t.Error(got)
		}
	})
	t.Run("rights", func(t *testing.T) { r.longhornRights(t) })
}

// verifyLonghorn runs the program and gives the finding and verdict of each object.
func (r *rig) verifyLonghorn(t *testing.T, code int, with string, env ...string) map[string]string {
	t.Helper()
	p := r.program(t, env...)
	file := p.write(t, "plan.yaml", planWith("{name: home}", "", "    - {id: volumes, uses: verify-longhorn, with: "+with+"}\n"))
	found := map[string]string{}
	list, _ := p.must(t, code, "apply", file, "-o", "json").json(t).step(t, "volumes").Outputs["findings"].([]any)
	for _, entry := range list {
		f := entry.(map[string]any)
		found[f["object"].(string)] = fmt.Sprintf("%s=%s", f["finding"], f["verdict"])
		if f["finding"] != "OK" && (f["cause"] == "" || f["next"] == "") {
			t.Errorf("no cause or next step: %v", f)
		}
	}
	return found
}

// longhornRights runs as a user who may do exactly what the kind's README says, and before that with less.
func (r *rig) longhornRights(t *testing.T) {
	const with = "{include: [{namespace: media, name: jellyfin-*}]}"
	limited := "KUBECONFIG=" + r.Limited
	r.grant(t,
		rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"namespaces"}, ResourceNames: []string{"kube-system"}, Verbs: []string{"get"}},
		rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"persistentvolumes", "persistentvolumeclaims"}, Verbs: []string{"list"}},
	)
	if got := r.verifyLonghorn(t, 4, with, limited); len(got) != 6 || got["backups.longhorn.io in longhorn-system"] != "NOT_ALLOWED=unknown" {
		t.Error(got)
	}
	roles, meta := r.kube.RbacV1(), metav1.ObjectMeta{Name: "e2e-limited"}
	resources := []string{"volumes", "backupvolumes", "backups", "backuptargets", "recurringjobs", "settings"}
	_, err := roles.Roles(longhornNamespace).Create(t.Context(), &rbacv1.Role{
		ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{APIGroups: []string{"longhorn.io"}, Resources: resources, Verbs: []string{"list"}}},
	}, metav1.CreateOptions{})
	if err == nil {
		_, err = roles.RoleBindings(longhornNamespace).Create(t.Context(), &rbacv1.RoleBinding{
			ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: meta.Name},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "limited"}},
		}, metav1.CreateOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		roles.RoleBindings(longhornNamespace).Delete(theEnd(), meta.Name, metav1.DeleteOptions{})
		roles.Roles(longhornNamespace).Delete(theEnd(), meta.Name, metav1.DeleteOptions{})
	})
	if got := r.verifyLonghorn(t, 0, with, limited); got["media/jellyfin-config"] != "OK=pass" {
		t.Error(got)
	}
}
