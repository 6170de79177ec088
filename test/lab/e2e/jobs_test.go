package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"plan/test/lab"
)

// theNode is the shared lab with a node, for tests that do not mind others beside them: pods take their time.
func theNode(t *testing.T) *rig {
	t.Helper()
	return theCluster(t).rig
}

// theNodeAlone is the same for a test that does mind.
func theNodeAlone(t *testing.T) *rig {
	t.Helper()
	return theClusterAlone(t).rig
}

// worker is the program in a folder of its own, for jobs in the namespace work.
func (r *rig) worker(t *testing.T, files map[string]string, env ...string) *program {
	t.Helper()
	p := r.program(t, append([]string{"PLAN_HELPER_IMAGE=" + lab.ShellImage}, env...)...)
	for name, text := range files {
		path := filepath.Join(p.dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// jobPlan is a plan of one step in the namespace work; with is its with, indented by eight, more what else the step has.
func jobPlan(name, more, with string) string {
	return "apiVersion: plan/v1\nkind: Plan\nmetadata: {name: " + name + "}\nspec:\n  cluster: {namespace: work}\n  steps:\n    - id: it\n      uses: run-job\n" + more + "      with:\n" +
		"        helperImage: " + lab.ShellImage + "\n" + with
}

// objects are the names of the Jobs, Deployments, pods, ConfigMaps and Secrets of a plan's step.
func (r *rig) leftovers(t *testing.T, plan string) (names []string) {
	t.Helper()
	options := metav1.ListOptions{LabelSelector: "app.kubernetes.io/managed-by=plan"}
	of := func(kind string, meta metav1.ObjectMeta) {
		if strings.HasPrefix(meta.Name, plan+"-it-") {
			names = append(names, kind+" "+meta.Name)
		}
	}
	jobs, err := r.kube.BatchV1().Jobs("work").List(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range jobs.Items {
		of("job", j.ObjectMeta)
	}
	pods, err := r.kube.CoreV1().Pods("work").List(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pods.Items {
		of("pod", p.ObjectMeta)
	}
	return names
}

// until waits for a condition of the cluster.
func until(t *testing.T, what string, is func() (bool, error)) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, hangs, true, func(context.Context) (bool, error) { return is() })
	if err != nil {
		t.Fatalf("wait until %s: %v", what, err)
	}
}

// works waits until a pod of a plan's step works, and gives the Job's name.
func (r *rig) works(t *testing.T, plan string) string {
	t.Helper()
	job := ""
	until(t, "a pod of "+plan+" works", func() (bool, error) {
		pods, err := r.kube.CoreV1().Pods("work").List(t.Context(), metav1.ListOptions{LabelSelector: "plan/step=it"})
		if err != nil {
			return false, err
		}
		for _, p := range pods.Items {
			if strings.HasPrefix(p.Name, plan+"-it-") && p.Status.Phase == corev1.PodRunning {
				job = p.Labels[batchv1.JobNameLabel]
				return true, nil
			}
		}
		return false, nil
	})
	return job
}

func TestADirectoryRunsInPodsThatTellThemselvesApart(t *testing.T) {
	r := theNode(t)
	p := r.worker(t, map[string]string{
		"work/run.sh":         "#!/bin/sh\necho \"index $JOB_COMPLETION_INDEX in $(pwd) as $(id -u), $# arguments, $1\"\ncat sub/data; ls -a\nprintf '{\"rows\": %s}' \"$JOB_COMPLETION_INDEX\" >$PLAN_OUTPUT\n",
		"work/sub/data":       "the data\n",
		"work/.env":           "SECRET=canary\n",
		"work/k8s-startup.sh": "echo started before\n",
	})
	p.write(t, "plan.yaml", jobPlan("directory", "", `        source: {directory: {path: work}}
        image: `+lab.ShellImage+`
        command: [sh, run.sh, "two words"]
        parallelism: 3
        outputs: {rows: integer}
`)+"    - {id: sum, uses: list-pvs, if: \"steps.it.outputs.byIndex[2].rows == 2 && size(steps.it.outputs.exitCodes) == 3\"}\n")
	got := p.must(t, 0, "apply", "plan.yaml", "--follow")
	for i := range 3 {
		got.says(t, fmt.Sprintf("index %d in /workspace as 65532, 1 arguments, two words", i))
	}
	got.says(t, "the data", "started before", ".env (")
	if strings.Contains(got.all(), "canary") || strings.Count(got.all(), "the data") != 3 {
		t.Errorf("%s", got.all())
	}
	if logs := p.must(t, 0, "logs", "latest"); !strings.Contains(logs.stdout, "index 2 in /workspace") {
		t.Errorf("the logs are not kept:\n%s", logs.all())
	}
	jobs, err := r.kube.BatchV1().Jobs("work").List(t.Context(), metav1.ListOptions{LabelSelector: "plan/step=it"})
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range jobs.Items {
		if strings.HasPrefix(j.Name, "directory-it-") && (j.Spec.TTLSecondsAfterFinished == nil || *j.Spec.TTLSecondsAfterFinished != 3600) {
			t.Errorf("job %s has the TTL %v after its outcome was recorded", j.Name, j.Spec.TTLSecondsAfterFinished)
		}
	}
}

func TestALayerCarriesWhatAConfigMapDoesNot(t *testing.T) {
	r := theNode(t)
	p := r.worker(t, map[string]string{"work/run.sh": "cat big | wc -c; touch written && ls -ln run.sh\n"})
	noise := make([]byte, 9<<20) // does not compress
	for i, x := 0, uint32(1); i < len(noise); i++ {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		noise[i] = byte(x)
	}
	if err := os.WriteFile(filepath.Join(p.dir, "work/big"), noise, 0o644); err != nil {
		t.Fatal(err)
	}
	with := "        source: {directory: {path: work%s}}\n        image: " + r.Registry.Address + "/" + lab.ShellImage + "\n        command: [sh, run.sh]\n"
	p.write(t, "too-large.yaml", jobPlan("too-large", "", fmt.Sprintf(with, "")))
	p.must(t, 1, "apply", "too-large.yaml").says(t, "transport: image", "big")
	p.write(t, "plan.yaml", jobPlan("layer", "", fmt.Sprintf(with, ", push: "+r.Registry.Address+"/work/layer")))
	p.must(t, 0, "apply", "plan.yaml", "--follow").says(t, fmt.Sprint(len(noise)), "65532")
	if left := r.leftovers(t, "too-large"); len(left) > 0 {
		t.Errorf("%q", left)
	}
}

// repository makes a bare repository on the lab's git server.
func repository(t *testing.T, dir string, files map[string]string) (commit string) {
	t.Helper()
	work := t.TempDir()
	git := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "git", args...)
		cmd.Dir = work
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + work, "GIT_CONFIG_NOSYSTEM=1"}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	git("init", "--quiet", "--initial-branch=main")
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(work, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	git("add", ".")
	git("-c", "user.name=lab", "-c", "user.email=lab@example.org", "commit", "--quiet", "-m", "one")
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(filepath.Dir(dir), 0o755)); err != nil {
		t.Fatal(err)
	}
	git("clone", "--quiet", "--bare", work, dir)
	return git("rev-parse", "HEAD")
}

func TestAGitRepositoryRunsWithoutGitInThePodOrWithIt(t *testing.T) {
	r := theNode(t)
	g, err := r.StartGit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	commit := repository(t, filepath.Join(g.Dir, "private", "jobs.git"), map[string]string{"hello.sh": "#!/bin/sh\necho hello from git; ls -a\n"})
	p := r.worker(t, nil, "GIT_USER="+g.User, "GIT_PASSWORD="+g.Password)
	for _, fetch := range []string{"plan", "pod"} {
		helper := lab.ShellImage
		if fetch == "pod" {
			helper = lab.GitImage
		}
		text := jobPlan("git-"+fetch, "", fmt.Sprintf(`        source:
          git:
            url: %s/private/jobs.git
            ref: main
            fetch: %s
            caFile: %s
            credentials: {username: {from: {env: GIT_USER}}, password: {from: {env: GIT_PASSWORD}}}
        image: %s
        command: [./hello.sh]
`, g.URL, fetch, r.CAFile, lab.ShellImage))
		p.write(t, fetch+".yaml", strings.Replace(text, "helperImage: "+lab.ShellImage, "helperImage: "+helper, 1))
		got := p.must(t, 0, "apply", fetch+".yaml", "--follow", "-o", "ndjson")
		got.says(t, "hello from git", commit)
		if strings.Contains(got.all(), g.Password) || strings.Contains(got.all(), "] .git\"") {
			t.Errorf("%s", got.all())
		}
	}
}

func TestADockerfileIsBuiltPushedAndRunByItsDigest(t *testing.T) {
	r := theNode(t)
	d, err := r.StartDocker(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := r.worker(t, map[string]string{"image/Dockerfile": "FROM " + lab.ShellImage + "\nARG WHO\nRUN echo built for $WHO >/built\nUSER 65532\nCMD [\"cat\", \"/built\"]\n"},
		"DOCKER_HOST="+d.Host, "PATH="+filepath.Dir(d.Program)+":"+os.Getenv("PATH"))
	p.write(t, "plan.yaml", jobPlan("dockerfile", "", "        source: {dockerfile: {path: image/Dockerfile, args: {WHO: you}, push: "+r.Registry.Address+"/work/built}}\n"))
	p.must(t, 0, "apply", "plan.yaml", "--follow").says(t, "built for you", "@sha256:")
	p.write(t, "denied.yaml", jobPlan("denied", "", "        source: {dockerfile: {path: image/Dockerfile, push: "+r.Registry.Address+"/read-only/built}}\n"))
	p.must(t, 1, "apply", "denied.yaml").says(t, "read-only/built", "docker login")
	nowhere := p.with("DOCKER_HOST=unix:///nowhere.sock")
	nowhere.must(t, 1, "apply", "plan.yaml").says(t, "docker")
}

func TestHowAJobFailsIsTold(t *testing.T) {
	r := theNode(t)
	p := r.worker(t, nil)
	cases := map[string]struct {
		with string
		says []string
	}{
		"exit":   {"        command: [sh, -c, \"echo the last words; exit 7\"]\n", []string{"exit code 7", "the last words"}},
		"oom":    {"        command: [sh, -c, \"x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done\"]\n        resources: {memory: 16Mi}\n", []string{"OOMKilled"}},
		"pull":   {"        startTimeout: 5s\n", []string{"startTimeout", "Pull", "imagePullSecrets"}},
		"full":   {"        startTimeout: 3s\n        resources: {cpu: \"500\"}\n", []string{"startTimeout", "Insufficient cpu", "resources"}},
		"absent": {"        startTimeout: 5s\n        secrets: [{existing: nobody, env: {A: a}}]\n", []string{"startTimeout", "nobody"}},
		"no-run": {"        command: [/does/not/exist]\n", []string{"/does/not/exist"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			image := lab.ShellImage
			if name == "pull" {
				image = "local/nothing:1"
			}
			file := p.write(t, name+".yaml", jobPlan("fails-"+name, "", "        image: "+image+"\n"+tc.with))
			p.must(t, 1, "apply", file).says(t, tc.says...)
			left := strings.Join(r.leftovers(t, "fails-"+name), " ")
			if strings.Contains(tc.with, "startTimeout") && left != "" {
				t.Errorf("%s is left", left)
			}
		})
	}
}

func TestAJobWhoseTimeIsOverIsGone(t *testing.T) {
	r := theNode(t)
	p := r.worker(t, nil)
	p.write(t, "plan.yaml", jobPlan("late", "      timeout: 4s\n", "        image: "+lab.ShellImage+"\n        command: [sh, -c, \"trap '' TERM; while :; do sleep 1; done\"]\n"))
	p.must(t, 1, "apply", "plan.yaml").says(t, "timeout", "taken away")
	if left := r.leftovers(t, "late"); len(left) > 0 {
		t.Errorf("%q", left)
	}
}

func TestAKilledRunGoesOnWithItsJob(t *testing.T) {
	r := theNode(t)
	p := r.worker(t, map[string]string{"work/run.sh": "echo begun; sleep 6; echo ended\n"})
	p.write(t, "plan.yaml", jobPlan("killed", "", "        source: {directory: {path: work}}\n        image: "+lab.ShellImage+"\n        command: [sh, run.sh]\n"))
	c := p.start(t, "apply", "plan.yaml")
	job := r.works(t, "killed")
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-c.done
	if err := os.RemoveAll(filepath.Join(p.dir, "work")); err != nil { // the Job has what it needs
		t.Fatal(err)
	}
	p.must(t, 0, "resume", "latest", "--follow").says(t, "goes on", "ended")
	if left := r.leftovers(t, "killed"); len(left) != 2 || left[0] != "job "+job {
		t.Errorf("%q", left)
	}
}

func TestACancelledRunLeavesWhatItShould(t *testing.T) {
	r := theNode(t)
	p := r.worker(t, nil)
	for _, policy := range []string{"delete", "keep"} {
		p.write(t, policy+".yaml", jobPlan("cancel-"+policy, "", "        image: "+lab.ShellImage+"\n        command: [sleep, \"300\"]\n        onCancel: "+policy+"\n"))
		c := p.start(t, "apply", policy+".yaml")
		job := r.works(t, "cancel-"+policy)
		if err := c.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		got := c.wait(t)
		if got.code != 130 {
			t.Errorf("%s: exit %d\n%s", policy, got.code, got.all())
		}
		left := r.leftovers(t, "cancel-"+policy)
		if policy == "delete" && len(left) > 0 || policy == "keep" && len(left) != 2 {
			t.Errorf("%s: %q", policy, left)
		}
		if policy == "keep" {
			got.says(t, "plan jobs rm "+job)
			p.must(t, 0, "jobs", "rm", job, "--force", "-n", "work")
			if left := r.leftovers(t, "cancel-keep"); len(left) > 0 {
				t.Errorf("after rm: %q", left)
			}
		}
	}
}

// TestSuspendedRunsLeaveTheirJobAtWork: SIGTERM means being moved where the state is in the cluster.
func TestSuspendedRunsLeaveTheirJobAtWork(t *testing.T) {
	r := theNode(t)
	p := r.worker(t, nil, "PLAN_STATE=cluster", "PLAN_JOB_UID=6f6d0d5c-5d3c-4d52-9c3e-2f1d7c4bb001")
	p.write(t, "plan.yaml", jobPlan("moved", "", "        image: "+lab.ShellImage+"\n        command: [sleep, \"8\"]\n"))
	c := p.start(t, "apply", "plan.yaml")
	job := r.works(t, "moved")
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got := c.wait(t); got.code != 143 {
		t.Errorf("exit %d\n%s", got.code, got.all())
	}
	if left := r.leftovers(t, "moved"); len(left) != 2 {
		t.Errorf("%q", left)
	}
	p.must(t, 0, "apply", "plan.yaml").says(t, "goes on")
	if left := r.leftovers(t, "moved"); len(left) != 2 || left[0] != "job "+job {
		t.Errorf("%q", left)
	}
}

func TestAKubeletThatRestartsLosesNothing(t *testing.T) {
	r := theNodeAlone(t)
	p := r.worker(t, nil)
	p.write(t, "plan.yaml", jobPlan("restart", "", "        image: "+lab.ShellImage+"\n        command: [sh, -c, \"for i in $(seq 1 40); do echo line $i of it; sleep 0.2; done\"]\n"))
	c := p.start(t, "apply", "plan.yaml", "--follow")
	r.works(t, "restart")
	for range 2 {
		r.kill(t, "kubelet")
		r.restart(t)
	}
	got := c.wait(t)
	if got.code != 0 {
		t.Fatalf("exit %d\n%s", got.code, got.all())
	}
	for i := 1; i <= 40; i++ {
		if n := strings.Count(got.stdout, fmt.Sprintf("line %d of it\n", i)); n != 1 {
			t.Errorf("line %d came %d times", i, n)
		}
	}
}

func TestSecretsReachThePodAndNothingElse(t *testing.T) {
	r := theNode(t)
	p := r.worker(t, nil, "DB_PASSWORD=canary-7c21")
	with := "        image: " + lab.ShellImage + "\n        command: [sh, -c, 'test \"$DB_PASSWORD\" = \"$(cat /plan/secrets/db/password)\" && test \"$TOKEN\" = \"$DB_PASSWORD\" && echo both are right; echo leaked $TOKEN']\n"
	p.write(t, "plan.yaml", jobPlan("secrets", "", with+"        env: {TOKEN: {from: {env: DB_PASSWORD}}}\n        secrets: [{name: db, from: {password: {env: DB_PASSWORD}}}]\n"))
	got := p.must(t, 0, "apply", "plan.yaml", "--follow")
	got.says(t, "both are right", "leaked ***")
	if strings.Contains(got.all(), "canary") {
		t.Errorf("%s", got.all())
	}
	names := r.leftovers(t, "secrets")
	other := strings.TrimPrefix(names[0], "job ")
	p.write(t, "of.yaml", jobPlan("secrets-of", "", with+"        secretsOf: "+other+"\n"))
	p.must(t, 0, "apply", "of.yaml", "--follow").says(t, "both are right")
}

func TestADeploymentStays(t *testing.T) {
	r := theNode(t)
	p := r.worker(t, nil)
	p.write(t, "plan.yaml", jobPlan("server", "", "        image: "+lab.ShellImage+"\n        command: [sleep, \"3600\"]\n        workload: deployment\n        parallelism: 2\n"))
	p.must(t, 0, "apply", "plan.yaml").says(t, "2 pods available")
	list := p.must(t, 0, "jobs", "-n", "work", "-o", "json")
	var found struct{ Jobs []struct{ Name string } }
	if err := json.Unmarshal([]byte(list.stdout), &found); err != nil {
		t.Fatalf("%v\n%s", err, list.all())
	}
	name := ""
	for _, j := range found.Jobs {
		if strings.HasPrefix(j.Name, "server-it-") {
			name = j.Name
		}
	}
	p.must(t, 0, "jobs", "rm", name, "--force", "-n", "work")
	if _, err := r.kube.AppsV1().Deployments("work").Get(t.Context(), name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("%v", err)
	}
	if left := r.leftovers(t, "server"); len(left) > 0 {
		t.Errorf("%q", left)
	}
}

// TestTheExamplesOfJobsRun runs them as they stand, but for their addresses, which are the lab's: its registry answers for every other, too.
func TestTheExamplesOfJobsRun(t *testing.T) {
	r := theNode(t)
	n := &node{Lab: r.Lab, kube: r.kube}
	image, err := remote.Image(n.tag(t, r.Registry.Address+"/"+lab.ShellImage), n.registry(t)...)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(n.tag(t, r.Registry.Address+"/library/busybox:1.37"), image, n.registry(t)...); err != nil {
		t.Fatal(err)
	}
	d, err := r.StartDocker(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	g, err := r.StartGit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	repository(t, filepath.Join(g.Dir, "example.git"), map[string]string{"README.md": "read me\n"})
	p := r.program(t, "API_TOKEN=canary-one", "DB_PASSWORD=canary-two", "DOCKER_HOST="+d.Host, "PATH="+filepath.Dir(d.Program)+":"+os.Getenv("PATH"))
	for name, tc := range map[string]struct {
		args []string
		says string
	}{
		"deployment":      {nil, "2 pods available"},
		"directory":       {nil, "4 pods: "},
		"dockerfile":      {[]string{"--set", "registry=" + r.Registry.Address + "/team", "--set", "base=" + lab.ShellImage}, "good morning"},
		"git":             {[]string{"--set", "repository=" + g.URL + "/example.git", "--set", "steps.tool.source.git.caFile=" + r.CAFile}, "read me"},
		"image":           {nil, "asking eu as 65532"},
		"secrets-outputs": {nil, "42 rows in rows.csv"},
	} {
		file, err := filepath.Abs(filepath.Join(moduleRoot, "examples", "plans", "jobs-"+name+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		got := p.must(t, 0, append([]string{"apply", file, "--follow"}, tc.args...)...)
		got.says(t, tc.says)
		if strings.Contains(got.all(), "canary") {
			t.Errorf("%s: %s", name, got.all())
		}
	}
	p.must(t, 0, "jobs", "rm", "site", "--force")
}
