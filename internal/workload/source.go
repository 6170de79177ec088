package workload

import corev1 "k8s.io/api/core/v1"

// KubectlPart is how much of an archive a ConfigMap carries that is for kubectl. `kubectl apply` notes the object it was given in an annotation,
// and all annotations of an object together hold 256 KiB; the bytes of an archive are a third longer there.
const KubectlPart = 160 << 10

// unpack puts the parts together again. What a tar that runs as root would do with owners does not matter: it does not.
const unpack = `set -e
cat ` + sourceDir + `/part-* | tar -xzf - -C ` + Workspace

// clone fetches the one commit, without anything that a user or the image has configured, and leaves its files in the workspace.
// $1 is the URL, $2 the commit, $3 a folder of the repository.
const clone = `set -eu
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_TERMINAL_PROMPT=0
creds=/plan/git
if [ -f $creds/ca.crt ]; then export GIT_SSL_CAINFO=$creds/ca.crt; fi
if [ -f $creds/password ]; then
	printf '#!/bin/sh\ncase $1 in Username*) cat %s/username;; *) cat %s/password;; esac\n' $creds $creds >/plan/source/askpass
	chmod 700 /plan/source/askpass
	export GIT_ASKPASS=/plan/source/askpass
fi
if [ -f $creds/ssh-key ]; then
	cp $creds/ssh-key /plan/source/ssh-key
	chmod 600 /plan/source/ssh-key
	export GIT_SSH_COMMAND="ssh -F /dev/null -i /plan/source/ssh-key -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile=$creds/known-hosts"
fi
export GIT_DIR=/plan/source/git
git init -q --bare $GIT_DIR
git fetch -q --depth 1 -- "$1" "$2" || git fetch -q --tags -- "$1" '+refs/heads/*:refs/remotes/origin/*'
if [ "$(git rev-parse --verify "$2^{commit}")" != "$2" ]; then echo "the repository does not have commit $2" >&2; exit 1; fi
git archive --format=tar "$2:$3" | tar -xf - -C ` + Workspace + `
rm -rf $GIT_DIR`

// fetcher is the init container that fills the workspace. It has the main container's resources, which costs a pod nothing: they run one
// after the other.
func (s *Spec) fetcher(resources corev1.ResourceRequirements) corev1.Container {
	c := corev1.Container{
		Name: "source", Image: s.Source.Helper, Resources: resources, SecurityContext: Contained(),
		Env:                      []corev1.EnvVar{{Name: "HOME", Value: Workspace}},
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
		VolumeMounts:             []corev1.VolumeMount{{Name: "plan-workspace", MountPath: Workspace}, {Name: "plan-source", MountPath: sourceDir, ReadOnly: true}},
	}
	git := s.Source.Git
	if git == nil {
		c.Command = []string{"sh", "-c", unpack}
		return c
	}
	c.VolumeMounts[1].ReadOnly = false
	c.Command = []string{"sh", "-c", Literal(clone), "sh", Literal(git.URL), git.Commit, Literal(git.Path)}
	if git.Credentials != nil {
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: "plan-git", MountPath: "/plan/git", ReadOnly: true})
	}
	return c
}

// sourceVolumes are what the fetcher reads from, or works in.
func (s *Spec) sourceVolumes() []corev1.Volume {
	if git := s.Source.Git; git != nil {
		list := []corev1.Volume{{Name: "plan-source", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
		if git.Credentials != nil {
			list = append(list, secretVolume("plan-git", s.gitSecret()))
		}
		return list
	}
	projected := &corev1.ProjectedVolumeSource{DefaultMode: new(int32(0o440))}
	for _, m := range s.configMaps() {
		projected.Sources = append(projected.Sources, corev1.VolumeProjection{ConfigMap: &corev1.ConfigMapProjection{
			LocalObjectReference: corev1.LocalObjectReference{Name: m.Name}}})
	}
	return []corev1.Volume{{Name: "plan-source", VolumeSource: corev1.VolumeSource{Projected: projected}}}
}
