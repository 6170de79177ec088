package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"plan/test/lab/labtest"
)

// nobody is an address at which nothing listens: a server that has just ended.
func nobody() string {
	s := httptest.NewTLSServer(http.NotFoundHandler())
	defer s.Close()
	return s.URL
}

// refusals are runs that must end before their first step.
func (r *rig) refusals(t *testing.T) map[string]refusal {
	dead := nobody()
	keys := keysOf(r.S3.AccessKey, r.S3.SecretKey)
	step := fmt.Sprintf(pvsStep, "refused")
	unreachable := (&proxy{&labtest.Proxy{Server: &httptest.Server{URL: dead}, CAFile: r.CAFile}}).kubeconfig(t, r)
	return map[string]refusal{
		"a context that is not there": {r.planText("{name: home, context: elsewhere}", step), keys, 2, []string{"elsewhere"}},
		"another cluster's UID": {
			r.planText("{name: home, expectUID: 5f0c1c9e-3b0a-4b0e-9a53-0d8f6f2d7c11}", step), keys, 2,
			[]string{"5f0c1c9e-3b0a-4b0e-9a53-0d8f6f2d7c11", r.uid, "another cluster"},
		},
		"a kubeconfig that is not there": {r.planText("{name: home, kubeconfig: ./nowhere}", step), keys, 2, []string{"nowhere"}},
		"a bucket that is not there":     {planWith("{name: home}", storeSection(r.S3.Endpoint, "no-such-bucket"), step), keys, 2, []string{"no-such-bucket", "main"}},
		"no right to list the bucket":    {r.planText("{name: home}", step), keysOf(r.S3.LimitedAccessKey, r.S3.LimitedSecretKey), 77, []string{"main", "list"}},
		"an S3 key that nobody knows":    {r.planText("{name: home}", step), keysOf("unknown", "unknown-secret"), 77, []string{"main"}},
		"a wrong S3 secret key":          {r.planText("{name: home}", step), keysOf(r.S3.AccessKey, "wrong-secret-canary"), 77, []string{"main"}},
		"no API server":                  {r.planText("{name: home}", step), append(keys, "KUBECONFIG="+unreachable), 69, []string{strings.TrimPrefix(dead, "https://")}},
		"no S3 server":                   {planWith("{name: home}", storeSection(dead, r.S3.Bucket), step), keys, 69, []string{dead}},
		"an S3 server with another CA":   {r.planText("{name: home}", step), append(keys, "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"), 69, []string{"main", "certificate"}},
		"no rights in the cluster":       {r.planText("{name: home}", step), append(keys, "KUBECONFIG="+r.Limited), 77, []string{"kube-system"}},
		"an unset variable":              {r.planText("{name: home}", step), nil, 2, []string{"E2E_ACCESS_KEY", "E2E_SECRET_KEY"}},
	}
}

type refusal struct {
	plan string
	env  []string
	code int
	says []string
}

// TestRefusalsChangeNothing: the right exit code, a reason, and bucket and cluster as they were; not even a journal.
func TestRefusalsChangeNothing(t *testing.T) {
	r := theLab(t)
	r.ownServers(t)
	before, cases := r.world(t), r.refusals(t)
	t.Run("refused", func(t *testing.T) {
		for name, c := range cases {
			t.Run(name, func(t *testing.T) {
				t.Parallel() // some wait for a server that is not there
				c.check(t, r)
			})
		}
	})
	r.unchanged(t, before)
}

func (c refusal) check(t *testing.T, r *rig) {
	p := r.program(t, c.env...)
	file := p.write(t, "plan.yaml", c.plan)
	got := p.must(t, c.code, "apply", file, "-o", "json")
	got.says(t, c.says...)
	if doc := got.json(t); doc.Kind != "Error" || doc.ExitCode != c.code || doc.Error == "" && c.env != nil {
		t.Errorf("-o json prints %+v", doc)
	}
	said := got.all()
	if c.code != 69 { // to find that out takes seconds
		text := p.must(t, c.code, "apply", file)
		text.says(t, c.says...)
		said += text.all()
	}
	if strings.Contains(said, "wrong-secret-canary") {
		t.Errorf("the secret key is in the output:\n%s", said)
	}
	if journals := p.journals(); len(journals) > 0 {
		t.Errorf("there are journals: %q", journals)
	}
}

// TestBitwardenTokenThatDoesNotWork: a wrong and a revoked token look alike; the error says so and names the server.
func TestBitwardenTokenThatDoesNotWork(t *testing.T) {
	r := theLab(t)
	revoked := r.BitwardenServer.AddMachineAccount("revoked")
	r.BitwardenServer.Revoke(revoked)
	client, key, _ := strings.Cut(r.Bitwarden.Token, ":")
	fields := strings.Split(client, ".")
	fields[2] = strings.Repeat("x", len(fields[2]))
	before := r.world(t)
	for name, c := range map[string]struct {
		token string
		code  int
	}{
		"revoked":      {revoked, 77},
		"wrong secret": {strings.Join(fields, ".") + ":" + key, 77},
		"no token":     {"this-is-no-token-canary", 2},
	} {
		t.Run(name, func(t *testing.T) {
			p := r.program(t, "HEALTHCHECKS_URL="+r.PingURL, "BWS_ACCESS_TOKEN="+c.token)
			r.BitwardenServer.ResetCounts()
			got := p.must(t, c.code, "apply", example(t))
			if c.code == 77 {
				got.says(t, r.Bitwarden.URL, "revoked")
			}
			for _, part := range strings.FieldsFunc(c.token, func(c rune) bool { return c == '.' || c == ':' }) {
				if len(part) > 8 && strings.Contains(got.all(), part) {
					t.Errorf("a part of the token is in the output:\n%s", got.all())
				}
			}
			if n := r.BitwardenServer.Logins(); n > 1 {
				t.Errorf("%d logins with a token that is refused", n)
			}
		})
	}
	r.unchanged(t, before)
}

// TestNoRightToDelete: the backup is stored and said to be; that pruning failed is said, too, and the run fails.
func TestNoRightToDelete(t *testing.T) {
	r := theLab(t)
	r.ownServers(t)
	if err := r.AllowLimited(t.Context(), "s3:ListBucket", "s3:GetObject", "s3:PutObject"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.AllowLimited(theEnd()); err != nil {
			t.Error(err)
		}
	})
	p := r.program(t, keysOf(r.S3.LimitedAccessKey, r.S3.LimitedSecretKey)...)
	file := p.write(t, "plan.yaml", r.planText("{name: home}", `
    - id: pvs
      uses: backup-pvs
      with: {prefix: undeletable, keep: {last: 1}}
`))
	p.must(t, 0, "apply", file)
	got := p.must(t, 1, "apply", file)
	got.says(t, "the backup is stored and verified, but ", "old backups stay: delete ", "undeletable/home/pvs-")
	if doc := p.must(t, 1, "apply", file, "-o", "json").json(t); doc.step(t, "pvs").Outcome != "failed" || doc.step(t, "pvs").Attempts != 1 {
		t.Errorf("the step: %+v", doc.step(t, "pvs"))
	}
	if n := len(r.names(t, "undeletable/")); n != 3 {
		t.Errorf("%d backups are stored, want 3", n)
	}
}

// TestNoRightToListVolumes: what is missing is said before anything is done, all of it at once.
func TestNoRightToListVolumes(t *testing.T) {
	r := theLab(t)
	r.ownServers(t)
	r.grant(t,
		rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"namespaces"}, ResourceNames: []string{"kube-system"}, Verbs: []string{"get"}},
		rbacv1.PolicyRule{APIGroups: []string{"storage.k8s.io"}, Resources: []string{"storageclasses", "volumeattachments"}, Verbs: []string{"list"}},
	)
	before := r.world(t)
	p := r.program(t, append(keysOf(r.S3.AccessKey, r.S3.SecretKey), "KUBECONFIG="+r.Limited)...)
	p.must(t, 77, "apply", p.write(t, "plan.yaml", r.planText("{name: home}", fmt.Sprintf(pvsStep, "refused")))).
		says(t, "may not list persistentvolumes in all namespaces", "may not list persistentvolumeclaims", "nothing was done")
	r.unchanged(t, before)
}

// grant lets the limited user do something until the test ends.
func (r *rig) grant(t *testing.T, rules ...rbacv1.PolicyRule) {
	t.Helper()
	meta := metav1.ObjectMeta{Name: "e2e-limited"}
	roles := r.kube.RbacV1()
	_, err := roles.ClusterRoles().Create(t.Context(), &rbacv1.ClusterRole{ObjectMeta: meta, Rules: rules}, metav1.CreateOptions{})
	if err == nil {
		_, err = roles.ClusterRoleBindings().Create(t.Context(), &rbacv1.ClusterRoleBinding{
			ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: meta.Name},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "limited"}},
		}, metav1.CreateOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // the test's context has ended
		ctx := theEnd()
		roles.ClusterRoleBindings().Delete(ctx, meta.Name, metav1.DeleteOptions{})
		roles.ClusterRoles().Delete(ctx, meta.Name, metav1.DeleteOptions{})
	})
}

// TestLeastRightsSuffice: with no more than what the kinds say they need, a backup from end to end.
func TestLeastRightsSuffice(t *testing.T) {
	r := theLab(t)
	r.ownServers(t)
	list := []string{"list"}
	r.grant(t,
		rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"namespaces"}, ResourceNames: []string{"kube-system"}, Verbs: []string{"get"}},
		rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"persistentvolumes", "persistentvolumeclaims", "namespaces", "nodes"}, Verbs: list},
		rbacv1.PolicyRule{APIGroups: []string{"storage.k8s.io"}, Resources: []string{"storageclasses", "volumeattachments"}, Verbs: list},
	)
	p := r.program(t, append(keysOf(r.S3.AccessKey, r.S3.SecretKey), "KUBECONFIG="+r.Limited)...)
	steps := fmt.Sprintf(pvsStep, "least") + "    - {id: nodes, uses: backup-nodes, with: {prefix: least}}\n    - {id: list, uses: list-pvs}\n"
	p.must(t, 0, "apply", p.write(t, "plan.yaml", r.planText("{name: home}", steps)))
}

// TestAnEmptyTokenSecretIsNamed: the Secret is there, the key is not.
func TestAnEmptyTokenSecretIsNamed(t *testing.T) {
	r := theLab(t)
	_, err := r.kube.CoreV1().Secrets("default").Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "e2e-empty"}, Data: map[string][]byte{"other": []byte("x")},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.kube.CoreV1().Secrets("default").Delete(theEnd(), "e2e-empty", metav1.DeleteOptions{}) })
	p := r.program(t, "HEALTHCHECKS_URL="+r.PingURL, "EXTERNAL_SECRETS_NAMESPACE=default", "BWS_SECRET_NAME=e2e-empty")
	p.must(t, 2, "apply", example(t)).says(t, "default/e2e-empty", "token")
}

// journals are the files below the program's state folder.
func (p *program) journals() []string {
	return slices.Collect(walk(p.home))
}
