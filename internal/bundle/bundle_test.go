package bundle_test

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	"plan/internal/bundle"
	"plan/internal/bundle/layout"
	"plan/internal/kube"
	"plan/internal/kube/kubetest"
	"plan/internal/lock"
	"plan/internal/workload"
)

// spec is a small one; change may be nil.
func spec(change func(*bundle.Spec)) *bundle.Spec {
	s := &bundle.Spec{
		Name: "nightly", Namespace: "backups", Plan: "nightly", Schedule: "0 3 * * *", Image: "registry.example.net/plan:1", File: "nightly.yaml",
		Files: []bundle.File{{Path: "nightly.yaml", Data: []byte("kind: Plan\n")}}, RunVariable: "PLAN_JOB_UID", Deadline: time.Hour,
	}
	if change != nil {
		change(s)
	}
	return s
}

// tree is one of so many random bytes.
func tree(place string, size int) bundle.Tree {
	data := make([]byte, size)
	rand.NewChaCha8([32]byte{byte(size)}).Read(data)
	t := bundle.Tree{Path: place, Digest: layout.Digest(data)}
	for part := range slices.Chunk(data, workload.KubectlPart) {
		t.Parts = append(t.Parts, part)
	}
	return t
}

func build(t *testing.T, change func(*bundle.Spec)) []runtime.Object {
	t.Helper()
	objects, err := bundle.Build(spec(change))
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

func find[T runtime.Object](objects []runtime.Object) (found []T) {
	for _, o := range objects {
		if one, ok := o.(T); ok {
			found = append(found, one)
		}
	}
	return found
}

func cronJob(objects []runtime.Object) *batchv1.CronJob { return find[*batchv1.CronJob](objects)[0] }

func podOf(objects []runtime.Object) *corev1.PodTemplateSpec {
	return &cronJob(objects).Spec.JobTemplate.Spec.Template
}

// allowed asks Pod Security as a namespace with that label would.
func allowed(t *testing.T, level api.Level, pod *corev1.PodTemplateSpec) bool {
	t.Helper()
	checks, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return policy.AggregateCheckResults(checks.EvaluatePod(api.LevelVersion{Level: level, Version: api.LatestVersion()}, &pod.ObjectMeta, &pod.Spec)).Allowed
}

func TestThePodIsRestricted(t *testing.T) {
	for name, change := range map[string]func(*bundle.Spec){
		"a plan alone":     nil,
		"with a directory": func(s *bundle.Spec) { s.Trees = []bundle.Tree{tree("report", 10)} },
	} {
		t.Run(name, func(t *testing.T) {
			pod := podOf(build(t, change))
			if !allowed(t, api.LevelRestricted, pod) {
				t.Error("a namespace that enforces restricted refuses the pod")
			}
			for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
				if !*c.SecurityContext.ReadOnlyRootFilesystem || c.Resources.Requests.Cpu().IsZero() || c.Resources.Limits.Memory().IsZero() {
					t.Errorf("container %s: %+v %+v", c.Name, c.SecurityContext, c.Resources)
				}
				if c.Command != nil {
					t.Errorf("container %s names the program, which is where the image has it", c.Name)
				}
			}
		})
	}
}

// TestAFolderOfTheNodeIsTheOneException: root, but without a capability, for reading only, on a node that has the file.
func TestAFolderOfTheNodeIsTheOneException(t *testing.T) {
	pod := podOf(build(t, func(s *bundle.Spec) { s.HostFolders = []string{"/var/lib/rancher/k3s/server"} }))
	if allowed(t, api.LevelBaseline, pod) || !allowed(t, api.LevelPrivileged, pod) {
		t.Error("a folder of the node is not what Pod Security holds it for")
	}
	c := pod.Spec.Containers[0]
	mount := c.VolumeMounts[len(c.VolumeMounts)-1]
	if mount.MountPath != "/var/lib/rancher/k3s/server" || !mount.ReadOnly {
		t.Errorf("mounted as %+v", mount)
	}
	if *pod.Spec.SecurityContext.RunAsUser != 0 || !slices.Equal(c.SecurityContext.Capabilities.Drop, []corev1.Capability{"ALL"}) || *c.SecurityContext.AllowPrivilegeEscalation {
		t.Errorf("%+v %+v", pod.Spec.SecurityContext, c.SecurityContext)
	}
	if pod.Spec.NodeSelector["node-role.kubernetes.io/control-plane"] != "true" || pod.Spec.Tolerations[0].Key != "node-role.kubernetes.io/control-plane" {
		t.Errorf("nodes %v, tolerations %v", pod.Spec.NodeSelector, pod.Spec.Tolerations)
	}
}

// TestWhatCountsAsAFailure: the order of the rules decides, since the first that fits is taken.
func TestWhatCountsAsAFailure(t *testing.T) {
	job := cronJob(build(t, func(s *bundle.Spec) { s.Deadline = 90*time.Minute + time.Millisecond })).Spec.JobTemplate.Spec
	rules := job.PodFailurePolicy.Rules
	if len(rules) != 2 || rules[0].Action != batchv1.PodFailurePolicyActionIgnore || rules[0].OnPodConditions[0].Type != corev1.DisruptionTarget ||
		rules[1].Action != batchv1.PodFailurePolicyActionFailJob || *rules[1].OnExitCodes.ContainerName != job.Template.Spec.Containers[0].Name {
		t.Errorf("%+v", rules)
	}
	if diff := cmp.Diff([]int32{1, 2, 3, 4, 77, 124, 130}, rules[1].OnExitCodes.Values); diff != "" {
		t.Error(diff)
	}
	if *job.BackoffLimit != 3 || *job.PodReplacementPolicy != batchv1.Failed || *job.ActiveDeadlineSeconds != 5401 || job.Template.Spec.RestartPolicy != corev1.RestartPolicyNever {
		t.Errorf("%+v", job)
	}
	if clock := cronJob(build(t, nil)).Spec; clock.ConcurrencyPolicy != batchv1.ForbidConcurrent || clock.TimeZone != nil || *clock.StartingDeadlineSeconds >= 100*60 {
		t.Errorf("%+v: a hundred missed starts of a minute each end the CronJob", clock)
	}
}

// TestTheRunIsNamedByItsJob, whatever a ConfigMap of variables says.
func TestTheRunIsNamedByItsJob(t *testing.T) {
	c := podOf(build(t, func(s *bundle.Spec) { s.EnvFrom = []bundle.Reference{{Name: "a"}, {Secret: true, Name: "b.c"}} })).Spec.Containers[0]
	i := slices.IndexFunc(c.Env, func(e corev1.EnvVar) bool { return e.Name == "PLAN_JOB_UID" })
	if i < 0 || c.Env[i].ValueFrom.FieldRef.FieldPath != "metadata.labels['batch.kubernetes.io/controller-uid']" {
		t.Errorf("%+v", c.Env)
	}
	if c.EnvFrom[0].ConfigMapRef.Name != "a" || c.EnvFrom[1].SecretRef.Name != "b.c" {
		t.Errorf("%+v", c.EnvFrom)
	}
}

// TestValuesArriveAsTheyAre: nothing in them is taken for YAML, a template or another variable.
func TestValuesArriveAsTheyAre(t *testing.T) {
	for _, value := range []string{"", "a\nb\n", "---\nkind: Pod", "{{ .Values.x }}", "$(HOME)", "$$(HOME)", "$$", "it's \"quoted\"", "${{ x }}"} {
		c := podOf(build(t, func(s *bundle.Spec) {
			s.Env, s.Args = []bundle.Variable{{Name: "A", Value: value}}, []string{"--set", "x=" + value}
		})).Spec.Containers[0]
		if got := expand(c.Env[len(c.Env)-1].Value); got != value {
			t.Errorf("variable %q arrives as %q", value, got)
		}
		if got := expand(c.Args[len(c.Args)-1]); got != "x="+value {
			t.Errorf("argument %q arrives as %q", value, got)
		}
	}
}

// expand is what the kubelet makes of a text (Kubernetes API reference, Container): $$ is a dollar, $(NAME) the variable.
func expand(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '$' && i+1 < len(s) && s[i+1] == '$' {
			i++
		} else if s[i] == '$' && i+1 < len(s) && s[i+1] == '(' {
			return "expanded"
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func names(objects []runtime.Object) (list []string) {
	for _, m := range find[*corev1.ConfigMap](objects) {
		list = append(list, m.Name)
	}
	return list
}

// TestConfigMapsAreNamedByTheirContent: another content is another object, the same is the same, and none can be changed.
func TestConfigMapsAreNamedByTheirContent(t *testing.T) {
	withTree := func(size int) func(*bundle.Spec) {
		return func(s *bundle.Spec) { s.Trees = []bundle.Tree{tree("report", size)} }
	}
	once, again, other := build(t, withTree(1000)), build(t, withTree(1000)), build(t, withTree(1001))
	if diff := cmp.Diff(once, again); diff != "" {
		t.Errorf("the same spec gives two bundles: %s", diff)
	}
	if a, b := names(once), names(other); a[0] == b[0] || a[1] == b[1] {
		t.Errorf("another directory has the names of the first: %v %v", a, b)
	}
	plan := names(build(t, func(s *bundle.Spec) { s.Files[0].Data = []byte("kind: Plan # changed\n") }))
	if plan[0] == names(build(t, nil))[0] {
		t.Errorf("another plan has the name of the first: %v", plan)
	}
	for _, m := range find[*corev1.ConfigMap](once) {
		if !*m.Immutable {
			t.Errorf("configmap %s can be changed under a pod that runs", m.Name)
		}
	}
}

// TestOneContentIsCarriedOnce, also at two places.
func TestOneContentIsCarriedOnce(t *testing.T) {
	objects := build(t, func(s *bundle.Spec) { s.Trees = []bundle.Tree{tree("a", 1000), tree("b", 1000)} })
	if got := names(objects); len(got) != 2 {
		t.Errorf("configmaps %v", got)
	}
	var index layout.Index
	if err := json.Unmarshal([]byte(find[*corev1.ConfigMap](objects)[0].Data[layout.IndexName]), &index); err != nil || len(index.Trees) != 2 || index.Trees[0].Parts[0] != index.Trees[1].Parts[0] {
		t.Errorf("index %+v: %v", index, err)
	}
}

// TestKubectlCanApplyEveryObject: it notes each in an annotation, and annotations have room for 256 KiB.
func TestKubectlCanApplyEveryObject(t *testing.T) {
	objects := build(t, func(s *bundle.Spec) {
		s.Name, s.Trees = strings.Repeat("n", 52), []bundle.Tree{tree("report", 1<<20)}
		s.Files[0].Data = bytes.Repeat([]byte("# \"a\"\n"), 20000)
	})
	if got := len(names(objects)); got != 1+7 {
		t.Errorf("%d configmaps", got)
	}
	for _, o := range objects {
		data, err := json.Marshal(o)
		if err != nil || len(data) > 256<<10-200 {
			t.Errorf("an object of %d bytes: %v", len(data), err)
		}
	}
	_, err := bundle.Build(spec(func(s *bundle.Spec) { s.Files[0].Data = bytes.Repeat([]byte("# a\n"), 60000) }))
	if err == nil || !strings.Contains(err.Error(), "kubectl apply") {
		t.Errorf("a plan that kubectl cannot apply: %v", err)
	}
}

// TestTheFilesAreWhereThePlanIs: without directories the ConfigMap is mounted, and there is nothing to unpack.
func TestTheFilesAreWhereThePlanIs(t *testing.T) {
	pod := podOf(build(t, func(s *bundle.Spec) {
		s.File = "_/nightly.yaml"
		s.Files = []bundle.File{{Path: s.File, Data: []byte("x")}, {Path: "_/a/ca.pem", Data: []byte("a")}, {Path: "ca.pem", Data: []byte{0xff}}, {Path: "file-1", Data: nil}}
	})).Spec
	if len(pod.InitContainers) != 0 || pod.Containers[0].Args[1] != "/work/plan/_/nightly.yaml" {
		t.Errorf("%+v", pod)
	}
	want := []corev1.KeyToPath{{Key: "nightly.yaml", Path: "_/nightly.yaml"}, {Key: "ca.pem", Path: "_/a/ca.pem"}, {Key: "file-2", Path: "ca.pem"}, {Key: "file-3", Path: "file-1"}}
	if diff := cmp.Diff(want, pod.Volumes[0].ConfigMap.Items); diff != "" {
		t.Error(diff)
	}
}

// TestTheLeaseIsTakenByARun: it has the marks of plan, and nobody holds it.
func TestTheLeaseIsTakenByARun(t *testing.T) {
	right := lock.LeaseRights("locks", "home")[0]
	lease := find[*coordinationv1.Lease](build(t, func(s *bundle.Spec) { s.Lease = &bundle.Object{Namespace: right.Namespace, Name: right.Name} }))[0]
	data, err := json.Marshal(lease)
	if err != nil {
		t.Fatal(err)
	}
	server := kubetest.New(t)
	leases := kube.Resource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases", Namespace: "locks"}
	server.Add(leases, "Lease")
	client := server.Client(t)
	if _, err := client.Create(context.Background(), leases, lease.Name, data, kube.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	held, err := lock.Lease(context.Background(), client, "locks", "home", lock.Holder{Run: "r"}, lock.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := held.Release(context.Background()); err != nil {
		t.Error(err)
	}
}
