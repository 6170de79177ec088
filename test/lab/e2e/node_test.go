package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	imagename "github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"

	"plan/test/lab"
)

// node is a lab with a node, without the program.
type node struct {
	*lab.Lab
	kube *kubernetes.Clientset
}

// job runs a command in an image to the end, by a Job that Pod Security's restricted level lets pass, and gives the log.
func (n *node) job(t *testing.T, namespace, image string, command ...string) string {
	t.Helper()
	yes, no, user := true, false, int64(65532)
	job, err := n.kube.BatchV1().Jobs(namespace).Create(t.Context(), &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "node-"},
		Spec: batchv1.JobSpec{BackoffLimit: new(int32), Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever,
			SecurityContext: &corev1.PodSecurityContext{
				RunAsUser: &user, RunAsNonRoot: &yes, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
			Containers: []corev1.Container{{Name: "main", Image: image, Command: command, SecurityContext: &corev1.SecurityContext{
				AllowPrivilegeEscalation: &no, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			}}},
		}}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	selector := metav1.ListOptions{LabelSelector: batchv1.JobNameLabel + "=" + job.Name}
	err = wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, hangs, true, func(ctx context.Context) (bool, error) {
		job, err = n.kube.BatchV1().Jobs(namespace).Get(ctx, job.Name, metav1.GetOptions{})
		return err == nil && slices.ContainsFunc(job.Status.Conditions, func(c batchv1.JobCondition) bool {
			return c.Status == corev1.ConditionTrue && (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed)
		}), err
	})
	pods, listed := n.kube.CoreV1().Pods(namespace).List(t.Context(), selector)
	if err != nil || listed != nil || len(pods.Items) != 1 {
		t.Fatalf("the Job of %s did not end with one pod: %v, %v: %+v", image, err, listed, pods)
	}
	if pods.Items[0].Spec.NodeName != lab.NodeName {
		t.Errorf("the pod was put on %s", pods.Items[0].Spec.NodeName)
	}
	log, err := n.kube.CoreV1().Pods(namespace).GetLogs(pods.Items[0].Name, &corev1.PodLogOptions{}).DoRaw(t.Context())
	if err != nil || job.Status.Succeeded != 1 {
		t.Fatalf("%s %q: %v, %+v\n%s", image, command, err, job.Status, log)
	}
	return string(log)
}

// TestTheNode is of the lab itself.
func TestTheNode(t *testing.T) {
	r := theCluster(t)
	n := &node{r.Lab, r.kube}
	t.Run("a Job completes and its log is read through the API server", func(t *testing.T) {
		if got := n.job(t, "default", lab.ShellImage, "sh", "-c", "tar --help 2>/dev/null; echo hello | gzip | gunzip; id -u"); !strings.HasSuffix(got, "hello\n65532\n") {
			t.Errorf("the log is %q", got)
		}
	})
	t.Run("a namespace that enforces restricted", n.testRestricted)
	t.Run("an image that was pushed runs, with its secret where the registry asks for one", n.testRegistries)
	t.Run("Docker builds and pushes what a pod runs", n.testDocker)
	t.Run("git clones on this machine and in a pod", n.testGit)
}

func (n *node) testRestricted(t *testing.T) {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "restricted", Labels: enforced}}
	if _, err := n.kube.CoreV1().Namespaces().Create(t.Context(), ns, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := n.job(t, ns.Name, lab.ShellImage, "id"); !strings.HasPrefix(got, "uid=65532(nonroot)") {
		t.Errorf("the log is %q", got)
	}
	bare := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "bare"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "it", Image: lab.ShellImage}}}}
	if _, err := n.kube.CoreV1().Pods(ns.Name).Create(t.Context(), bare, metav1.CreateOptions{}); err == nil || !strings.Contains(err.Error(), "PodSecurity") {
		t.Errorf("a pod that does not say what restricted asks for: %v", err)
	}
}

func (n *node) testRegistries(t *testing.T) {
	open := n.registry(t)
	img, err := remote.Image(n.tag(t, n.Registry.Address+"/"+lab.ShellImage), open...)
	if err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{n.Registry.Address + "/me/shell:1", n.Registry.Private + "/me/shell:1", n.Registry.Address + "/read-only/shell:1"} {
		err := remote.Write(n.tag(t, ref), img, open...)
		if denied := err != nil; denied == strings.Contains(ref, "/me/shell:1") && !strings.HasPrefix(ref, n.Registry.Private) {
			t.Errorf("a push to %s by nobody: %v", ref, err)
		}
	}
	if got := n.job(t, "default", n.Registry.Address+"/me/shell:1", "echo", "pushed"); got != "pushed\n" {
		t.Errorf("the log is %q", got)
	}
	private := append(open, remote.WithAuth(&authn.Basic{Username: n.Registry.User, Password: n.Registry.Password}))
	if err := remote.Write(n.tag(t, n.Registry.Private+"/me/secret:1"), img, private...); err != nil {
		t.Fatal(err)
	}
	docker := fmt.Sprintf(`{"auths":{%q:{"username":%q,"password":%q}}}`, n.Registry.Private, n.Registry.User, n.Registry.Password)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "pull"}, Type: corev1.SecretTypeDockerConfigJson, Data: map[string][]byte{corev1.DockerConfigJsonKey: []byte(docker)}}
	if _, err := n.kube.CoreV1().Secrets("default").Create(t.Context(), secret, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	account, err := n.kube.CoreV1().ServiceAccounts("default").Get(t.Context(), "default", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	account.ImagePullSecrets = []corev1.LocalObjectReference{{Name: secret.Name}}
	if _, err := n.kube.CoreV1().ServiceAccounts("default").Update(t.Context(), account, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := n.job(t, "default", n.Registry.Private+"/me/secret:1", "echo", "private"); got != "private\n" {
		t.Errorf("the log is %q", got)
	}
}

// registry are the options to reach the lab's registry.
func (n *node) registry(t *testing.T) []remote.Option {
	t.Helper()
	return []remote.Option{remote.WithContext(t.Context()), remote.WithTransport(n.transport(t))}
}

// transport trusts the lab's CA.
func (n *node) transport(t *testing.T) http.RoundTripper {
	t.Helper()
	c, err := n.HTTPClient()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c.Transport
}

func (n *node) tag(t *testing.T, ref string) imagename.Tag {
	t.Helper()
	tag, err := imagename.NewTag(ref)
	if err != nil {
		t.Fatal(err)
	}
	return tag
}

func (n *node) testDocker(t *testing.T) {
	d, err := n.StartDocker(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM "+lab.ShellImage+"\nRUN echo built by $(id -un) > /built\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	docker := func(args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), d.Program, args...)
		cmd.Env = append(os.Environ(), "DOCKER_HOST="+d.Host, "DOCKER_CONFIG="+t.TempDir())
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	image := n.Registry.Address + "/docker/built:1"
	for _, args := range [][]string{{"build", "--tag", image, dir}, {"push", image}, {"tag", image, n.Registry.Private + "/built:1"}, {"tag", image, n.Registry.Address + "/read-only/built:1"}} {
		if out, err := docker(args...); err != nil {
			t.Fatalf("docker %q: %v\n%s", args, err, out)
		}
	}
	if got := n.job(t, "default", image, "cat", "/built"); got != "built by root\n" {
		t.Errorf("the log is %q", got)
	}
	for ref, want := range map[string]string{n.Registry.Private + "/built:1": "no basic auth credentials", n.Registry.Address + "/read-only/built:1": "denied"} {
		if out, err := docker("push", ref); err == nil || !strings.Contains(out, want) {
			t.Errorf("docker push %s: %v, want %q\n%s", ref, err, want, out)
		}
	}
}

func (n *node) testGit(t *testing.T) {
	g, err := n.StartGit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	git := func(args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), "git", args...)
		cmd.Dir = work
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + work, "GIT_SSL_CAINFO=" + n.CAFile, "GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_NOSYSTEM=1"}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	must := func(args ...string) string {
		t.Helper()
		out, err := git(args...)
		if err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
		return out
	}
	must("init", "--quiet", "--initial-branch=main", "repo")
	if err := os.WriteFile(filepath.Join(work, "repo", "greeting"), []byte("hello from git\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	must("-C", "repo", "add", ".")
	must("-C", "repo", "-c", "user.name=lab", "-c", "user.email=lab@example.org", "commit", "--quiet", "-m", "one")
	must("clone", "--quiet", "--bare", "repo", filepath.Join(g.Dir, "open.git"))
	must("clone", "--quiet", "--bare", "repo", filepath.Join(g.Dir, "private", "secret.git"))

	must("clone", "--quiet", g.URL+"/open.git", "open")
	commit := strings.TrimSpace(must("-C", "repo", "rev-parse", "HEAD"))
	must("-C", "open", "fetch", "--quiet", "origin", commit)
	if out, err := git("clone", "--quiet", g.URL+"/private/secret.git", "secret"); err == nil || !strings.Contains(out, "terminal prompts disabled") {
		t.Errorf("a clone without a password: %v\n%s", err, out)
	}
	must("clone", "--quiet", strings.Replace(g.URL, "://", "://"+g.User+":"+g.Password+"@", 1)+"/private/secret.git", "secret")
	for _, dir := range []string{"open", "secret"} {
		if b, err := os.ReadFile(filepath.Join(work, dir, "greeting")); err != nil || !bytes.Equal(b, []byte("hello from git\n")) {
			t.Errorf("%s: %q, %v", dir, b, err)
		}
	}
	if got := n.job(t, "default", lab.GitImage, "sh", "-c", "cd /tmp && git clone --quiet "+g.URL+"/open.git && cat open/greeting"); !strings.HasSuffix(got, "hello from git\n") {
		t.Errorf("the log is %q", got)
	}
}
