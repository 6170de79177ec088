package main

import (
	"bytes"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"plan/internal/bitwarden/bwtest"
	"plan/internal/kube"
	"plan/internal/objectstore/s3test"
)

var diffSummaryLine = regexp.MustCompile(`\n\n(No changes|[1-9][0-9]* [a-z ]*to [a-z]+(, [1-9][0-9]* [a-z ]*to [a-z]+)*)(; [1-9][0-9]* steps? not knowable)?\n$`)

// TestEveryExampleCanBeDiffed looks at every plan of the examples, with its hosts, buckets and files put into a world of this test. Nobody there
// gets anything but questions.
func TestEveryExampleCanBeDiffed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	env := &testscript.Env{WorkDir: t.TempDir(), Vars: slices.Clone(os.Environ())}
	if err := w.setup(env); err != nil {
		t.Fatal(err)
	}
	w.furnish(env)
	plans := w.settle(t, env)
	call := func(args ...string) (out, talk string) {
		var stdout, stderr bytes.Buffer
		command := exec.Command("plan", args...)
		command.Dir, command.Env, command.Stdout, command.Stderr = filepath.Join(env.WorkDir, "plans"), env.Vars, &stdout, &stderr
		if err := command.Run(); err != nil {
			t.Errorf("plan %s: %v\n%s%s", strings.Join(args, " "), err, stdout.String(), stderr.String())
		}
		return stdout.String(), stderr.String()
	}
	call("apply", "backup.yaml", "--state-dir", filepath.Join(t.TempDir(), "state"))
	keys := slices.Sorted(maps.Keys(w.s3.Objects())) // nodes before volumes
	if len(keys) != 2 {
		t.Fatalf("the backups that are to be restored are %q", keys)
	}
	before := w.traces(t, env)
	for _, plan := range plans {
		args := []string{"diff", plan}
		if plan == "restore-drill.yaml" {
			args = append(args, "--set", "nodes="+keys[0], "--set", "pvs="+keys[1])
		}
		out, talk := call(args...)
		if !diffSummaryLine.MatchString(out) {
			t.Errorf("plan diff %s:\n%s%s", plan, out, talk)
		}
		for _, secret := range w.canaries() {
			if strings.Contains(out+talk, secret) {
				t.Errorf("plan diff %s shows %q", plan, secret)
			}
		}
	}
	after := w.traces(t, env)
	for what, n := range after {
		if n != before[what] {
			t.Errorf("%d %s, before the diffs %d", n, what, before[what])
		}
	}
}

// furnish adds what the examples name.
func (w *world) furnish(env *testscript.Env) {
	homelab := w.bw.AddProject("homelab")
	for key, value := range map[string]string{
		"s3-endpoint": strings.TrimPrefix(w.s3URL, "https://"), "s3-region": "us-east-1", "s3-bucket": bucket,
		"s3-access-key": canary("access"), "s3-secret-key": canary("secret"), "k3s-node-token-home": "K10" + strings.Repeat("a", 64) + "::server:CANARY",
	} {
		w.ids[key] = w.bw.AddSecret(homelab, key, value)
	}
	w.kube.Add(kube.Resource{Version: "v1", Resource: "secrets"}, "Secret", `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"pings","namespace":"monitoring"},"data":{"nightly-url":"aHR0cHM6Ly94"}}`)
	w.kube.Add(kube.Resource{Version: "v1", Resource: "persistentvolumes"}, "PersistentVolume", `{"metadata":{"name":"data-0"}}`)
	w.kube.Add(kube.Resource{Version: "v1", Resource: "nodes"}, "Node", `{"metadata":{"name":"one"}}`)
	for name, value := range map[string]string{
		"BWS_SERVER_URL": w.bwURL, "HEALTHCHECKS_URL": w.hookURL, "HOOK_URL": w.hookURL, "ALARM_URL": w.hookURL, "PING_AUTHORIZATION": canary("hook"),
		"S3_ENDPOINT": w.s3URL, "S3_REGION": "us-east-1", "S3_BUCKET": bucket, "S3_ACCESS_KEY": canary("access"), "S3_SECRET_KEY": canary("secret"),
		"AWS_ACCESS_KEY_ID": canary("access"), "AWS_SECRET_ACCESS_KEY": canary("secret"), "API_TOKEN": canary("hook"), "DB_PASSWORD": canary("secret"),
		"SITE": "home", "BACKUP_DIR": "near",
	} {
		env.Setenv(name, value)
	}
}

// settle copies the examples to where their hosts, buckets and files are those of the world, and gives the names of the plans.
func (w *world) settle(t *testing.T, env *testscript.Env) (plans []string) {
	t.Helper()
	here := strings.NewReplacer(
		"https://s3.example.net", w.s3URL, "https://vault.example.net", w.bwURL, "/run/secrets/bitwarden-token", filepath.Join(env.WorkDir, "bitwarden-token"),
		"11111111-1111-4111-8111-111111111111", w.ids["s3-access-key"], "22222222-2222-4222-8222-222222222222", w.ids["s3-secret-key"],
		"home-backups-copy", bucket+"\n        endpoint: "+w.s3URL+"\n        pathStyle: true", "bucket: cabin-backups", "bucket: "+bucket+"\n        pathStyle: true",
		"home-backups", bucket, "/mnt/nas/backups", "near",
	)
	if err := os.WriteFile(filepath.Join(env.WorkDir, "bitwarden-token"), []byte(w.token), 0o600); err != nil {
		t.Fatal(err)
	}
	root := filepath.Join("..", "..", "examples")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		to := filepath.Join(env.WorkDir, strings.TrimPrefix(path, root))
		if strings.HasSuffix(path, ".yaml") {
			data, plans = []byte(here.Replace(string(data))), append(plans, filepath.Base(path))
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		return os.WriteFile(to, data, 0o600)
	})
	if err != nil || len(plans) < 10 {
		t.Fatalf("%d examples: %v", len(plans), err)
	}
	return plans
}

// traces counts whatever a write could leave: requests that are no questions, objects, files.
func (w *world) traces(t *testing.T, env *testscript.Env) map[string]int {
	t.Helper()
	n := map[string]int{
		"puts": w.s3.Calls(s3test.Put), "deletes": w.s3.Calls(s3test.Delete) + w.s3.Calls(s3test.Deletes), "objects in the bucket": len(w.s3.Objects()),
		"objects in the cluster": len(w.kube.Objects()), "messages": len(w.hook.got), "calls to the other cluster": len(w.other.called),
		"secrets made": w.bw.Count(bwtest.CreateSecret), "secrets changed": w.bw.Count(bwtest.UpdateSecret),
	}
	for _, r := range w.kube.Requests() {
		if r.Method != "GET" && r.Method != "HEAD" {
			n["writing requests to the cluster"]++
		}
	}
	err := filepath.WalkDir(env.WorkDir, func(string, fs.DirEntry, error) error { n["files"]++; return nil })
	if err != nil {
		t.Fatal(err)
	}
	return n
}
