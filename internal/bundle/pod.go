package bundle

import (
	"path"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"plan/internal/bundle/layout"
	"plan/internal/workload"
)

// Where things are in the pod, besides the program, which is the image's entrypoint.
const (
	work      = "/work"  // the plan and what it reads are in layout.Folder below it
	parts     = "/parts" // of the init container: the content of the ConfigMaps
	temporary = "/tmp"
)

const (
	container = "plan"
	user      = 65532

	// graceSeconds is how long a pod that is asked to end gets: ten seconds for the steps, ten to settle what they have done, five for the logs of
	// pods, ten to give the lock back, and the writes of the record between them.
	graceSeconds = 60

	controlPlane = "node-role.kubernetes.io/control-plane"
)

// PlanPath is where the pod has a file of the Spec.
func PlanPath(file string) string { return path.Join(work, layout.Folder, file) }

func (s *Spec) template(c *contents) corev1.PodTemplateSpec {
	t := corev1.PodTemplateSpec{ObjectMeta: s.meta("")}
	t.Namespace = ""
	t.Spec = corev1.PodSpec{
		RestartPolicy: corev1.RestartPolicyNever, TerminationGracePeriodSeconds: new(int64(graceSeconds)),
		ServiceAccountName: s.Name, AutomountServiceAccountToken: new(true), EnableServiceLinks: new(false),
		SecurityContext: s.confined(),
		Containers:      []corev1.Container{s.main()},
		Volumes:         append(s.carriers(c), emptyDir("tmp")),
	}
	if len(s.Trees) > 0 {
		t.Spec.InitContainers = []corev1.Container{s.unpacker()}
	}
	s.mountHost(&t.Spec)
	return t
}

// confined is the pod's security context. With a folder of the node it is root, which has no capability all the same.
func (s *Spec) confined() *corev1.PodSecurityContext {
	c := &corev1.PodSecurityContext{
		RunAsNonRoot: new(true), RunAsUser: new(int64(user)), RunAsGroup: new(int64(user)), FSGroup: new(int64(user)),
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
	if len(s.HostFolders) > 0 {
		c.RunAsNonRoot, c.RunAsUser, c.RunAsGroup, c.FSGroup = new(false), new(int64(0)), new(int64(0)), new(int64(0))
	}
	return c
}

func (s *Spec) main() corev1.Container {
	c := s.container(container)
	c.Args = []string{"apply", workload.Literal(PlanPath(s.File))}
	for _, word := range s.Args {
		c.Args = append(c.Args, workload.Literal(word))
	}
	c.Env, c.EnvFrom = s.variables()
	carrier := corev1.VolumeMount{Name: "plan", MountPath: path.Join(work, layout.Folder), ReadOnly: true}
	if len(s.Trees) > 0 {
		carrier = corev1.VolumeMount{Name: "work", MountPath: work, ReadOnly: true}
	}
	c.VolumeMounts = []corev1.VolumeMount{carrier, {Name: "tmp", MountPath: temporary}}
	return c
}

// unpacker is the init container that puts files and directories where the plan looks for them.
func (s *Spec) unpacker() corev1.Container {
	c := s.container("unpack")
	c.Args = []string{"unpack", "--from", parts, "--to", work}
	c.VolumeMounts = []corev1.VolumeMount{{Name: "parts", MountPath: parts, ReadOnly: true}, {Name: "work", MountPath: work}}
	return c
}

// container is what both have in common. The program itself takes 31 MiB; the limit leaves room for lists of many thousand objects and a backup
// that is compressed in memory.
func (s *Spec) container(name string) corev1.Container {
	security := workload.Contained()
	security.ReadOnlyRootFilesystem = new(true)
	return corev1.Container{
		Name: name, Image: s.Image, SecurityContext: security, TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
		Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("64Mi")},
			Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("512Mi")},
		},
	}
}

// carriers are the volumes that bring the plan: its ConfigMap, with the files where they belong, or, with trees, all ConfigMaps in one folder, and
// one to unpack them into.
func (s *Spec) carriers(c *contents) []corev1.Volume {
	if len(s.Trees) == 0 {
		source := &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: c.maps[0].Name}}
		for _, f := range c.index.Files {
			source.Items = append(source.Items, corev1.KeyToPath{Key: f.Part, Path: f.Path})
		}
		return []corev1.Volume{{Name: "plan", VolumeSource: corev1.VolumeSource{ConfigMap: source}}}
	}
	all := &corev1.ProjectedVolumeSource{}
	for _, m := range c.maps {
		all.Sources = append(all.Sources, corev1.VolumeProjection{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: corev1.LocalObjectReference{Name: m.Name}}})
	}
	return []corev1.Volume{{Name: "parts", VolumeSource: corev1.VolumeSource{Projected: all}}, emptyDir("work")}
}

func emptyDir(name string) corev1.Volume {
	return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}
}

// mountHost mounts folders of the node, which is then one of the control plane. The folder and not a file in it: k3s replaces the file, and a
// mounted one would stay the old one.
func (s *Spec) mountHost(pod *corev1.PodSpec) {
	if len(s.HostFolders) == 0 {
		return
	}
	for i, folder := range slices.Sorted(slices.Values(s.HostFolders)) {
		name := "host-" + strconv.Itoa(i)
		pod.Volumes = append(pod.Volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
			HostPath: &corev1.HostPathVolumeSource{Path: folder, Type: new(corev1.HostPathDirectory)}}})
		pod.Containers[0].VolumeMounts = append(pod.Containers[0].VolumeMounts, corev1.VolumeMount{Name: name, MountPath: folder, ReadOnly: true})
	}
	pod.NodeSelector = map[string]string{controlPlane: "true"}
	// Servers that run nothing else are tainted like this: by kubeadm and RKE2, and as k3s's documentation tells.
	for _, key := range []string{controlPlane, "node-role.kubernetes.io/etcd", "CriticalAddonsOnly"} {
		pod.Tolerations = append(pod.Tolerations, corev1.Toleration{Key: key, Operator: corev1.TolerationOpExists})
	}
}
