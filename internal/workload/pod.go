package workload

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// startup runs k8s-startup.sh of the workspace, then the command, which takes its place.
const startup = `sh ./k8s-startup.sh && exec "$@"`

func checkCommand(s *Spec) error {
	switch {
	case s.Image == "":
		return errors.New("image: there is none")
	case s.Shell && len(s.Command) != 1:
		return fmt.Errorf("shell: command has %d words and must be one script; its arguments go to args, which the script has as $1 and on", len(s.Command))
	case s.Source != nil && s.Source.Startup && len(s.Command) == 0:
		return errors.New("the source has a k8s-startup.sh, which runs before the command: name the command, since what the image would run is not known")
	}
	return nil
}

// template is the pod's template, with the step's own patch over it, and within its security level.
func (s *Spec) template() (corev1.PodTemplateSpec, error) {
	main, err := s.main()
	if err != nil {
		return corev1.PodTemplateSpec{}, err
	}
	meta := s.meta("")
	meta.Namespace = ""
	t := corev1.PodTemplateSpec{ObjectMeta: meta}
	t.Spec = corev1.PodSpec{
		RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{main}, Volumes: s.volumes(),
		AutomountServiceAccountToken: new(s.Pod.ServiceAccountName != ""), ServiceAccountName: s.Pod.ServiceAccountName,
		EnableServiceLinks: new(false), NodeSelector: s.Pod.NodeSelector, Tolerations: s.Pod.Tolerations, Affinity: s.Pod.Affinity,
		PriorityClassName: s.Pod.PriorityClassName,
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: new(true), RunAsUser: &s.Pod.RunAsUser, RunAsGroup: &s.Pod.RunAsUser, FSGroup: &s.Pod.RunAsUser,
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
	}
	if s.Pod.Security == Baseline {
		t.Spec.SecurityContext.RunAsNonRoot, t.Spec.SecurityContext.RunAsUser, t.Spec.SecurityContext.RunAsGroup = nil, nil, nil
	}
	if s.Deployment {
		t.Spec.RestartPolicy = corev1.RestartPolicyAlways
	}
	for _, name := range s.Pod.ImagePullSecrets {
		t.Spec.ImagePullSecrets = append(t.Spec.ImagePullSecrets, corev1.LocalObjectReference{Name: name})
	}
	if s.Source != nil && !s.Source.InImage {
		t.Spec.InitContainers = []corev1.Container{s.fetcher(main.Resources)}
	}
	if s.Source != nil && s.Source.Digest != "" {
		t.Annotations = maps.Clone(t.Annotations)
		if t.Annotations == nil {
			t.Annotations = map[string]string{}
		}
		t.Annotations[AnnotationSource] = s.Source.Digest
	}
	if t, err = patched(t, s.Pod.Template); err != nil {
		return t, err
	}
	return t, CheckSecurity(s.Pod.Security, &t)
}

// Contained is the security context of every container.
func Contained() *corev1.SecurityContext {
	return &corev1.SecurityContext{
		AllowPrivilegeEscalation: new(false), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
	}
}

func (s *Spec) main() (corev1.Container, error) {
	resources, err := s.Resources.Requirements("resources")
	if err != nil {
		return corev1.Container{}, err
	}
	env, from := s.environment()
	c := corev1.Container{
		Name: MainContainer, Image: s.Image, Env: env, EnvFrom: from, Resources: resources, SecurityContext: Contained(),
		TerminationMessagePath: outputPath, TerminationMessagePolicy: corev1.TerminationMessageReadFile,
		VolumeMounts: s.mounts(),
	}
	if s.Source != nil {
		c.WorkingDir = Workspace
	}
	words, args := s.Command, s.Args
	if s.Shell {
		words, args = append([]string{"/bin/sh", "-c", s.Command[0], "sh"}, s.Args...), nil
	}
	if s.Source != nil && s.Source.Startup {
		words, args = append([]string{"sh", "-c", startup, "plan"}, append(words, args...)...), nil
	}
	for _, word := range words {
		c.Command = append(c.Command, Literal(word))
	}
	for _, word := range args {
		c.Args = append(c.Args, Literal(word))
	}
	return c, nil
}

func (s *Spec) volumes() []corev1.Volume {
	var list []corev1.Volume
	if s.Source != nil && !s.Source.InImage {
		list = append(list, corev1.Volume{Name: "plan-workspace", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
		list = append(list, s.sourceVolumes()...)
	}
	for _, secret := range s.Secrets {
		list = append(list, secretVolume(mountName(secret), s.secretName(secret)))
	}
	if s.Borrowed != nil {
		list = append(list, s.Borrowed.Volumes...)
	}
	for _, v := range s.Volumes {
		list = append(list, corev1.Volume{Name: v.Mount.Name, VolumeSource: v.Source})
	}
	return list
}

func secretVolume(volume, secret string) corev1.Volume {
	return corev1.Volume{Name: volume, VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: secret, DefaultMode: new(int32(0o440))}}}
}

// SecretVolume is what the names of the volumes of secrets begin with.
const SecretVolume = "plan-secret-"

// mountName is the volume of a secret. Names of existing ones may have dots and be long, those of volumes not: what had to be changed has a hash
// of the name behind it, so that no two secrets get one volume.
func mountName(secret Secret) string {
	const room = validation.DNS1123LabelMaxLength - len(SecretVolume)
	name := strings.ReplaceAll(secret.Name, ".", "-")
	if name == secret.Name && len(name) <= room {
		return SecretVolume + name
	}
	sum := sha256.Sum256([]byte(secret.Name))
	hash := "-" + hex.EncodeToString(sum[:4])
	return SecretVolume + name[:min(len(name), room-len(hash))] + hash
}

func (s *Spec) mounts() []corev1.VolumeMount {
	var list []corev1.VolumeMount
	if s.Source != nil && !s.Source.InImage {
		list = append(list, corev1.VolumeMount{Name: "plan-workspace", MountPath: Workspace})
	}
	for _, secret := range s.Secrets {
		list = append(list, corev1.VolumeMount{Name: mountName(secret), MountPath: secret.path(), ReadOnly: true})
	}
	if s.Borrowed != nil {
		list = append(list, s.Borrowed.Mounts...)
	}
	for _, v := range s.Volumes {
		list = append(list, v.Mount)
	}
	return list
}
