package e2e

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	imagemutate "github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"plan/internal/gobuild"
	"plan/internal/image/assemble"
	"plan/test/lab"
)

// The product's image as `make image` makes it, and the image that stands for Go's own where there is no registry.
const (
	assembledImage = "lab/plan:assembled"
	goImage        = "lab/go:1"

	imageVersion, imageCommit = "1.2.3", "0123456789ab"
)

// zonedPlan is valid only where there are time zones.
const zonedPlan = `apiVersion: plan/v1
kind: Plan
metadata: {name: zoned}
spec:
  params:
    at: {type: string, default: "2026-01-01T00:00:00Z"}
  steps:
    - id: ping
      uses: notify
      if: timestamp(params.at).getHours("Europe/Berlin") == 1
      with: {url: {from: {env: URL}}}
`

// TestTheImage is one test because it compiles the program, the first time for minutes.
func TestTheImage(t *testing.T) {
	r := theNode(t)
	d, err := r.StartDocker(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cache := buildCache(t)
	archive, assembled := assembledArchive(t, cache)
	if err := r.ImportGo(t.Context(), moduleRoot, cache, goImage); err != nil {
		t.Fatal(err)
	}
	for name, buildkit := range map[string]string{"the older builder": "0", "BuildKit": "1"} {
		docker := dockerClient{d, t.TempDir(), buildkit}
		t.Run(name+" makes the same of the Dockerfile", func(t *testing.T) { docker.buildsTheSame(t, assembled) })
	}
	t.Run("Docker loads and runs it", func(t *testing.T) {
		docker := dockerClient{d, t.TempDir(), "0"}
		docker.must(t, "", "load", "--input", archive)
		docker.runsPlan(t, assembledImage)
	})
	t.Run("a pod runs it in a namespace that enforces restricted", func(t *testing.T) {
		if err := r.ImportImage(t.Context(), archive); err != nil {
			t.Fatal(err)
		}
		r.podRunsPlan(t)
	})
}

// buildCache is a build cache of the lab's own, so that the image that stands for Go's gets nothing else.
func buildCache(t *testing.T) string {
	t.Helper()
	cache, err := lab.CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(cache, "go-build")
}

// compiled is the program of this tree, compiled as `make image` compiles that of a commit.
func compiled(t *testing.T, arch, cache string) assemble.Program {
	t.Helper()
	tools, err := gobuild.New(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := assemble.Program{Binary: filepath.Join(t.TempDir(), "plan"), Arch: arch, Version: imageVersion, Commit: imageCommit, Date: time.Now()}
	b := gobuild.Build{Target: gobuild.Target{OS: "linux", Arch: arch}, Source: moduleRoot, Cache: cache, Binary: p.Binary, Version: p.Version, Commit: p.Commit}
	if err := tools.Compile(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	return p
}

// assembledArchive makes the image of this tree, in a tarball.
func assembledArchive(t *testing.T, cache string) (string, v1.Image) {
	t.Helper()
	work := t.TempDir()
	image, err := assemble.Image(compiled(t, runtime.GOARCH, cache), work)
	if err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(work, "image.tar")
	if err := assemble.WriteTarball(archive, assembledImage, image); err != nil {
		t.Fatal(err)
	}
	return archive, image
}

// config is how an image is run, without what Docker notes of the build.
func config(t *testing.T, image v1.Image) v1.Config {
	t.Helper()
	file, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	c := file.Config
	c.Image = ""
	return c
}

// files are those of an image: what each is, its owner, and what is in it.
func files(t *testing.T, image v1.Image) map[string]string {
	t.Helper()
	all, in := map[string]string{}, imagemutate.Extract(image)
	defer in.Close()
	for r := tar.NewReader(in); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		sum := sha256.New()
		if err == nil {
			_, err = io.Copy(sum, r)
		}
		if err != nil {
			t.Fatal(err)
		}
		all[strings.Trim(h.Name, "/")] = fmt.Sprintf("%s %d:%d %d bytes %x", h.FileInfo().Mode(), h.Uid, h.Gid, h.Size, sum.Sum(nil))
	}
}

// dockerClient is the client of the lab's Docker, with a configuration of its own.
type dockerClient struct {
	lab.Docker
	config   string
	buildkit string // 0 or 1
}

// must runs docker and gives what it prints.
func (d dockerClient) must(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), d.Program, args...)
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+d.Host, "DOCKER_CONFIG="+d.config, "DOCKER_BUILDKIT="+d.buildkit)
	cmd.Stdin = strings.NewReader(stdin)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		t.Fatalf("docker %q: %v\n%s%s", args, err, out.String(), complaint.String())
	}
	return out.String()
}

// buildsTheSame builds and runs the Dockerfile's image, and compares it with one that has the same version and commit stamped.
func (d dockerClient) buildsTheSame(t *testing.T, assembled v1.Image) {
	image := "lab/plan:built" + d.buildkit
	d.must(t, "", "build", "--build-arg", "GO_IMAGE="+goImage, "--build-arg", "VERSION="+imageVersion, "--build-arg", "COMMIT="+imageCommit, "--tag", image, moduleRoot)
	saved := filepath.Join(t.TempDir(), "built.tar")
	d.must(t, "", "save", "--output", saved, image)
	built, err := tarball.ImageFromPath(saved, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(config(t, assembled), config(t, built)); diff != "" {
		t.Errorf("configuration (-make image +Dockerfile):\n%s", diff)
	}
	if diff := cmp.Diff(files(t, assembled), files(t, built)); diff != "" {
		t.Errorf("files (-make image +Dockerfile):\n%s", diff)
	}
	d.runsPlan(t, image)
}

// runsPlan runs the image as it is, with nothing that it could write to.
func (d dockerClient) runsPlan(t *testing.T, image string) {
	run := []string{"run", "--rm", "--interactive", "--read-only", "--network=none", "--cap-drop=ALL", "--security-opt=no-new-privileges", image}
	want := fmt.Sprintf("plan %s %s %s linux/%s\n", imageVersion, imageCommit, runtime.Version(), runtime.GOARCH)
	if got := d.must(t, "", append(run, "version")...); got != want {
		t.Errorf("version is %q, want %q", got, want)
	}
	if got := d.must(t, zonedPlan, append(run, "validate", "-")...); !strings.Contains(got, "valid: plan zoned, 1 step") {
		t.Errorf("validate says %q", got)
	}
}

// podRunsPlan runs the image without saying as whom, so that the kubelet looks whom the image names, and with a plan where it works.
func (r *rig) podRunsPlan(t *testing.T) {
	yes, no := true, false
	plan := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "zoned"}, Data: map[string]string{"zoned.yaml": zonedPlan}}
	if _, err := r.kube.CoreV1().ConfigMaps("work").Create(t.Context(), plan, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "zoned"}, Spec: corev1.PodSpec{
		RestartPolicy: corev1.RestartPolicyNever, AutomountServiceAccountToken: &no,
		SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: &yes, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
		Volumes:         []corev1.Volume{{Name: "plan", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "zoned"}}}}},
		Containers: []corev1.Container{{
			Name: "plan", Image: assembledImage, Args: []string{"validate", "zoned.yaml"}, VolumeMounts: []corev1.VolumeMount{{Name: "plan", MountPath: "/work"}},
			SecurityContext: &corev1.SecurityContext{AllowPrivilegeEscalation: &no, ReadOnlyRootFilesystem: &yes, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}},
		}},
	}}
	if _, err := r.kube.CoreV1().Pods("work").Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	until(t, "the pod has ended", func() (bool, error) {
		var err error
		pod, err = r.kube.CoreV1().Pods("work").Get(t.Context(), "zoned", metav1.GetOptions{})
		return err == nil && (pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed), err
	})
	log, err := r.kube.CoreV1().Pods("work").GetLogs("zoned", &corev1.PodLogOptions{}).DoRaw(t.Context())
	if err != nil || pod.Status.Phase != corev1.PodSucceeded || !strings.Contains(string(log), "valid: plan zoned, 1 step") {
		t.Errorf("%v, %+v\n%s", err, pod.Status, log)
	}
}
