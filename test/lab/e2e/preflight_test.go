package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	imagename "github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	rbacv1 "k8s.io/api/rbac/v1"
)

// preflightCheck is a line of what `plan preflight -o json` prints.
type preflightCheck struct {
	Check, What, Result, Detail string
	ExitCode                    int
}

// preflight runs it and gives its checks.
func (p *program) preflight(t *testing.T, code int, args ...string) (checks []preflightCheck) {
	t.Helper()
	got := p.must(t, code, append([]string{"preflight", "-o", "json"}, args...)...)
	var doc struct {
		Kind     string
		Checks   []preflightCheck
		ExitCode int
	}
	if err := json.Unmarshal([]byte(got.stdout), &doc); err != nil || doc.Kind != "Preflight" || doc.ExitCode != code || got.stderr != "" {
		t.Fatalf("%v\n%s\n%s", err, got.stdout, got.stderr)
	}
	p.rig.leaks(t, "preflight", got.stdout)
	return doc.Checks
}

// of are what a kind of check came to: WHAT RESULT, in order.
func of(checks []preflightCheck, kind string) (lines []string) {
	for _, c := range checks {
		if c.Check == kind {
			lines = append(lines, c.What+" "+c.Result)
		}
	}
	return lines
}

// detail wants a check of a kind with a result, and a text in its detail.
func detail(t *testing.T, checks []preflightCheck, kind, result, text string) {
	t.Helper()
	if !slices.ContainsFunc(checks, func(c preflightCheck) bool {
		return c.Check == kind && c.Result == result && strings.Contains(c.Detail, text)
	}) {
		t.Errorf("no %s %s that says %q in %+v", result, kind, text, checks)
	}
}

// TestPreflightOfTheNightlyBackup: all that the published example needs is there; to find out changes nothing, and --write leaves nothing.
func TestPreflightOfTheNightlyBackup(t *testing.T) {
	r := theLab(t)
	r.ownServers(t)
	p := r.program(t, "HEALTHCHECKS_URL="+r.PingURL+pingCanary)
	before := r.world(t)
	r.until(t, "the controllers have done with what was seeded", func() bool {
		time.Sleep(time.Second)
		now := r.world(t)
		quiet := maps.Equal(before, now)
		before = now
		return quiet
	})
	r.BitwardenServer.ResetCounts()
	checks := p.preflight(t, 0, example(t))
	for _, c := range checks {
		if c.Result != "ok" {
			t.Errorf("%+v", c)
		}
	}
	if n := r.BitwardenServer.Logins(); n != 1 {
		t.Errorf("%d logins", n)
	}
	if got, want := of(checks, "store"), []string{"main pv-backups/home/ ok", "main nodes-backups/home/ ok"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	detail(t, checks, "cluster", "ok", "uid "+r.uid)
	for _, c := range p.preflight(t, 0, example(t), "--write") {
		if c.Check == "store" && !strings.Contains(c.Detail, "a probe was put, read back and deleted") {
			t.Errorf("%+v", c)
		}
	}
	r.unchanged(t, before)
	if journals := p.journals(); len(journals) > 0 {
		t.Errorf("there are journals: %q", journals)
	}
}

// TestPreflightTellsTheRightsThatAreMissing: exactly those that the API server will deny.
func TestPreflightTellsTheRightsThatAreMissing(t *testing.T) {
	r := theLab(t)
	r.ownServers(t)
	p := r.program(t, append(keysOf(r.S3.AccessKey, r.S3.SecretKey), "KUBECONFIG="+r.Limited)...)
	steps := fmt.Sprintf(pvsStep, "preflight") + "    - {id: nodes, uses: backup-nodes, with: {prefix: preflight}}\n    - {id: job, uses: run-job, with: {namespace: work, name: report, image: example.invalid/a:1}}\n"
	file := p.write(t, "plan.yaml", r.planText("{name: home}", steps))
	denied := func(checks []preflightCheck) (lines []string) {
		for _, c := range checks {
			if c.Check == "permission" && c.Result == "failed" {
				lines = append(lines, c.What)
			}
		}
		slices.Sort(lines)
		return lines
	}
	job := func(verbs ...string) (lines []string) {
		for _, verb := range verbs {
			lines = append(lines, verb+" jobs.batch work/report")
		}
		return lines
	}
	none := slices.Concat([]string{
		"get namespaces kube-system", "list storageclasses.storage.k8s.io in all namespaces", "list persistentvolumes in all namespaces", "list persistentvolumeclaims in all namespaces",
		"list volumeattachments.storage.k8s.io in all namespaces", "list namespaces in all namespaces", "list nodes in all namespaces",
		"create jobs.batch in work", "list pods in work", "watch pods in work", "delete pods in work", "get pods/log in work", "list events in work",
	}, job("get", "patch", "delete", "list", "watch"))
	slices.Sort(none)
	if diff := cmp.Diff(none, denied(p.preflight(t, 77, file))); diff != "" {
		t.Errorf("without any right:\n%s", diff)
	}
	list := []string{"list"}
	r.grant(t,
		rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"namespaces"}, ResourceNames: []string{"kube-system"}, Verbs: []string{"get"}},
		rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"persistentvolumes", "namespaces", "nodes"}, Verbs: list},
		rbacv1.PolicyRule{APIGroups: []string{"storage.k8s.io"}, Resources: []string{"storageclasses", "volumeattachments"}, Verbs: list},
		// By its name a Job may be read and listed; a create knows no name, so that this one is none.
		rbacv1.PolicyRule{APIGroups: []string{"batch"}, Resources: []string{"jobs"}, ResourceNames: []string{"report"}, Verbs: []string{"get", "list", "watch", "create"}},
		rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"pods", "events"}, Verbs: []string{"list", "watch"}},
		rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"pods/log"}, Verbs: []string{"get"}},
	)
	some := append([]string{"list persistentvolumeclaims in all namespaces", "create jobs.batch in work", "delete pods in work"}, job("patch", "delete")...)
	slices.Sort(some)
	checks := p.preflight(t, 77, file)
	if diff := cmp.Diff(some, denied(checks)); diff != "" {
		t.Errorf("with some rights:\n%s", diff)
	}
	detail(t, checks, "image", "warning", "Nodes may have other logins and routes")
	p.must(t, 77, "preflight", file).says(t, "plan rbac FILE", "list persistentvolumeclaims in all namespaces")
	p.must(t, 77, "apply", file).says(t, "may not list persistentvolumeclaims")
}

// TestPreflightTellsWhatIsWrong, with the exit code that says what to do first.
func TestPreflightTellsWhatIsWrong(t *testing.T) {
	r := theLab(t)
	r.ownServers(t)
	dead, keys := nobody(), keysOf(r.S3.AccessKey, r.S3.SecretKey)
	step := fmt.Sprintf(pvsStep, "preflight")
	velero := step + "    - {id: velero, uses: verify-object, with: {resource: velero.io/v1/backups, time: status.completionTimestamp, maxAge: 1d}}\n"
	before := r.world(t)
	for name, c := range map[string]struct {
		plan         string
		env          []string
		code         int
		kind, result string
		says         string
	}{
		"a bucket that is not there": {planWith("{name: home}", storeSection(r.S3.Endpoint, "no-such-bucket"), step), keys, 2, "store", "failed", "no such bucket"},
		"no S3 server":               {planWith("{name: home}", storeSection(dead, r.S3.Bucket), step), keys, 69, "store", "failed", "connection refused"},
		"no right to list":           {r.planText("{name: home}", step), keysOf(r.S3.LimitedAccessKey, r.S3.LimitedSecretKey), 77, "store", "failed", "must be allowed to list"},
		"another cluster":            {r.planText("{name: home, expectUID: 5f0c1c9e-3b0a-4b0e-9a53-0d8f6f2d7c11}", step), keys, 2, "cluster", "failed", "another cluster"},
		"a CRD that is not there":    {r.planText("{name: home}", velero), keys, 1, "resource", "failed", "install what defines it"},
		"an unset variable":          {r.planText("{name: home}", step), nil, 2, "secret", "failed", "E2E_ACCESS_KEY"},
	} {
		t.Run(name, func(t *testing.T) {
			p := r.program(t, c.env...)
			detail(t, p.preflight(t, c.code, p.write(t, "plan.yaml", c.plan), "--write"), c.kind, c.result, c.says)
		})
	}
	r.unchanged(t, before)
}

// TestPreflightWritesOnlyWhereItMay: keys that may put and not delete are good for a plan that deletes nothing, and what stays is told.
func TestPreflightWritesOnlyWhereItMay(t *testing.T) {
	r := theLab(t)
	r.ownServers(t)
	allow := func(actions ...string) {
		t.Helper()
		if err := r.AllowLimited(theEnd(), actions...); err != nil {
			t.Fatal(err)
		}
	}
	defer func() {
		allow()
		for _, key := range r.names(t, "append-only/") {
			r.remove(t, key)
		}
	}()
	p := r.program(t, keysOf(r.S3.LimitedAccessKey, r.S3.LimitedSecretKey)...)
	file := p.write(t, "plan.yaml", r.planText("{name: home}", fmt.Sprintf(pvsStep, "append-only")))
	pruning := p.write(t, "pruning.yaml", r.planText("{name: home}", "    - {id: pvs, uses: backup-pvs, with: {prefix: append-only, keep: {last: 3}}}\n"))
	allow("s3:ListBucket")
	detail(t, p.preflight(t, 77, file, "--write"), "store", "failed", "must be allowed to put")
	allow("s3:ListBucket", "s3:GetObject", "s3:PutObject")
	detail(t, p.preflight(t, 0, file, "--write"), "store", "warning", "stays, or may")
	detail(t, p.preflight(t, 77, pruning, "--write"), "store", "failed", "stays, or may")
	if got := r.names(t, "append-only/home/plan-preflight-"); len(got) != 2 {
		t.Errorf("%q are left, want two", got)
	}
	allow("s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject")
	p.preflight(t, 0, pruning, "--write")
}

// TestPreflightOfJobs asks a real registry and a real git server.
func TestPreflightOfJobs(t *testing.T) {
	r := theLab(t)
	if err := r.StartRegistry(t.Context()); err != nil {
		t.Fatal(err)
	}
	g, err := r.StartGit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.putImage(t, "preflight/tool:1")
	commit := repository(t, filepath.Join(g.Dir, "preflight.git"), map[string]string{"README.md": "x\n"})
	p := r.program(t, "TOKEN="+g.Password, "PLAN_KIND__RUN_JOB__HELPER_IMAGE="+r.Registry.Address+"/preflight/tool:1")
	image := r.Registry.Address + "/preflight/tool:"
	if err := os.WriteFile(filepath.Join(p.dir, "run.sh"), []byte("true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	plan := func(tag, push, url string) string {
		return p.write(t, "jobs.yaml", fmt.Sprintf(`apiVersion: plan/v1
kind: Plan
metadata: {name: jobs}
spec:
  steps:
    - {id: layer, uses: run-job, with: {image: %[1]q, source: {directory: {path: ., transport: image, push: %[2]q}}, command: ["true"]}}
    - {id: repository, uses: run-job, with: {image: %[1]q, source: {git: {url: %[3]q, ref: main}}, command: ["true"]}}
`, image+tag, r.Registry.Address+push, g.URL+url))
	}
	checks := p.preflight(t, 0, plan("1", "/preflight/layers", "/preflight.git"), "--write")
	detail(t, checks, "image", "ok", "sha256:")
	detail(t, checks, "push", "ok", "an upload was begun and taken back")
	detail(t, checks, "source", "ok", "it is commit "+commit)
	detail(t, p.preflight(t, 1, plan("2", "/preflight/layers", "/preflight.git")), "image", "failed", "has no such image")
	detail(t, p.preflight(t, 77, plan("1", "/read-only/layers", "/preflight.git"), "--write"), "push", "failed", "denies the right to push there")
	detail(t, p.preflight(t, 77, plan("1", "/preflight/layers", "/private/preflight.git")), "source", "failed", "git repository")
}

// putImage puts an image into the lab's registry.
func (r *rig) putImage(t *testing.T, reference string) {
	t.Helper()
	client, err := r.HTTPClient()
	if err != nil {
		t.Fatal(err)
	}
	image, err := random.Image(100, 1)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := imagename.ParseReference(r.Registry.Address + "/" + reference)
	if err == nil {
		err = remote.Write(ref, image, remote.WithTransport(client.Transport), remote.WithContext(t.Context()))
	}
	if err != nil {
		t.Fatal(err)
	}
}
