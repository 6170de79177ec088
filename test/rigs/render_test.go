//go:build linux

package rigs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// renderings are the command lines that only show what a plan makes.
var renderings = [][]string{{"render"}, {"render", "-o", "json"}, {"apply", "--dry-run=client"}}

// rendering is a command line for a plan, with what its parameters need.
func rendering(args []string, plan string) []string {
	line := append([]string{args[0], plan}, args[1:]...)
	if filepath.Base(plan) == "restore-drill.yaml" {
		line = append(line, "--set", "pvs=home/pvs-20260102-030405-00000001.json.gz", "--set", "nodes=home/nodes-20260102-030405-00000001.json.gz")
	}
	return line
}

// deadEnds are an environment that leads nowhere: whoever follows it makes a system call.
func deadEnds(t *testing.T) (dir string, env []string) {
	t.Helper()
	program(t)
	dir = t.TempDir()
	for name, user := range map[string]string{"kubeconfig": `exec: {apiVersion: client.authentication.k8s.io/v1, command: "false", interactiveMode: Never}`, "open": "token: x"} {
		config := `{apiVersion: v1, kind: Config, current-context: a, clusters: [{name: a, cluster: {server: "https://nowhere.invalid:1"}}],
  contexts: [{name: a, context: {cluster: a, user: a, namespace: work}}], users: [{name: a, user: {` + user + `}}]}`
		if err := os.WriteFile(filepath.Join(dir, name), []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env = []string{"HOME=" + dir, "XDG_STATE_HOME=" + dir, "KUBECONFIG=" + filepath.Join(dir, "kubeconfig"), "PATH=" + os.Getenv("PATH"), "DOCKER_HOST=tcp://127.0.0.1:1",
		"SSH_AUTH_SOCK=" + filepath.Join(dir, "agent"), "AWS_ENDPOINT_URL=http://127.0.0.1:1", "SITE=home", "BACKUP_DIR=backups"}
	for _, name := range []string{"HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"} {
		env = append(env, name+"=http://127.0.0.1:1", strings.ToLower(name)+"=http://127.0.0.1:1")
	}
	return dir, env
}

// copiedExamples is a folder with the plans of examples and what they are made of, as at a time.
func copiedExamples(t *testing.T, at time.Time) (plans []string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "..", "examples"))); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err == nil {
			err = os.Chtimes(path, at, at)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	plans, err = filepath.Glob(filepath.Join(dir, "plans", "*.yaml"))
	if err != nil || len(plans) < 20 {
		t.Fatalf("%d examples: %v", len(plans), err)
	}
	return plans
}

// TestARenderingOpensNoSocket: P11, by the system calls of the process and of all that it starts.
func TestARenderingOpensNoSocket(t *testing.T) {
	t.Parallel()
	traceable(t, "sockets")
	dir, env := deadEnds(t)
	w := &world{brief: &brief{TB: t}, dir: dir, env: env}
	if r := w.run(t, start{args: []string{"run", "list-pvs", "--kubeconfig", "open"}, tracer: &tracer{among: networking()}}); r.calls == 0 || r.code == 0 {
		t.Errorf("a command that has to ask the cluster: %d calls seen\n%s", r.calls, r)
	}
	for _, plan := range copiedExamples(t, time.Now()) {
		for _, args := range renderings {
			r := w.run(t, start{args: rendering(args, plan), tracer: &tracer{among: networking()}})
			if r.calls > 0 || r.code != 0 {
				t.Errorf("plan %s %s: %d system calls of sockets\n%s", strings.Join(args, " "), filepath.Base(plan), r.calls, r)
			}
		}
	}
}

// TestARenderingIsTheSameBytes: P11, in another folder, at another time, with files of another age and the words of another country.
func TestARenderingIsTheSameBytes(t *testing.T) {
	t.Parallel()
	dir, env := deadEnds(t)
	here := &world{brief: &brief{TB: t}, dir: dir, env: append(env, "TZ=UTC", "LC_ALL=C")}
	plans, others := copiedExamples(t, time.Now()), copiedExamples(t, time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC))
	there := &world{brief: &brief{TB: t}, dir: filepath.Dir(others[0]), env: append(env, "TZ=Pacific/Auckland", "LC_ALL=tr_TR.UTF-8", "LANG=tr_TR.UTF-8", "GOMAXPROCS=1")}
	makes := 0
	for i, plan := range plans {
		for _, args := range renderings {
			first := here.run(t, start{args: rendering(args, plan)})
			again := here.run(t, start{args: rendering(args, plan)})
			other := there.run(t, start{args: rendering(args, filepath.Base(others[i]))})
			if first.code != 0 || first.stdout != again.stdout || first.stdout != other.stdout {
				t.Errorf("plan %s %s: it is not the same\n%s\n%s\n%s", strings.Join(args, " "), filepath.Base(plan), first, again, other)
			}
			if strings.Contains(first.stdout, "plan/spec-hash") {
				makes++
			}
		}
	}
	if makes < 6*len(renderings) {
		t.Errorf("only %d of the renderings have objects", makes)
	}
}
