package runjob

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	batchv1 "k8s.io/api/batch/v1"

	"plan/internal/source"
	"plan/internal/source/gitrepo"
	"plan/internal/source/registry"
	"plan/internal/workload"
	"plan/steps"
)

// maxTTL is what a Job's ttlSecondsAfterFinished holds.
const maxTTL = math.MaxInt32 * time.Second

// Validate finds what the schema cannot see, all at once.
func (a *Action) Validate() error {
	var problems []error
	check := func(wrong bool, format string, args ...any) {
		if wrong {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	check(a.Name != "" && len(a.Name) > workload.MaxName, "with.name: %d characters: at most %d leave room for the names of its pods", len(a.Name), workload.MaxName)
	check(a.Replace && a.Name == "", "with.replace: only a workload with a name of its own can be there already: give it one with name")
	check(a.Shell && len(a.Command) != 1, "with.shell: command has to be one script, which gets args as $1 and on; it has %d words", len(a.Command))
	check(a.Completions != nil && *a.Completions < a.Parallelism, "with.completions: %d are less than parallelism (%d)", a.completions(), a.Parallelism)
	check(a.RunAsUser == 0 && a.Security == workload.Restricted, "with.runAsUser: 0 is root, which security: restricted does not allow")
	check(a.TTL.Duration() > maxTTL, "with.ttl: %s is longer than Kubernetes can count: at most %s, which is %d seconds", a.TTL, steps.Dur(maxTTL), maxTTL/time.Second)
	check(a.Detach && len(a.Outputs) > 0, "with.outputs: a detached job has none: nobody waits for it")
	check(a.Queue != "" && a.deployment(), "with.queue: it is for jobs")
	problems = append(problems, a.checkDeployment()...)
	problems = append(problems, a.checkSource()...)
	problems = append(problems, a.checkSecrets()...)
	problems = append(problems, a.checkOutputs()...)
	problems = append(problems, a.checkNames())
	_, err := a.pod()
	problems = append(problems, err)
	_, err = a.failurePolicy()
	problems = append(problems, err)
	if _, err := a.volumes(); err != nil {
		problems = append(problems, err)
	}
	_, err = workload.Resources(a.Resources).Requirements("with.resources")
	problems = append(problems, err)
	for _, field := range []struct{ name, image string }{{"with.image", a.Image}, {"with.helperImage", a.HelperImage}, {"with.source.image", a.Source.Image}} {
		if field.image != "" {
			_, err := registry.ParseImage(field.image)
			problems = append(problems, prefixed(field.name, err))
		}
	}
	return errors.Join(problems...)
}

func prefixed(field string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", field, err)
}

// checkDeployment refuses what a Deployment does not have.
func (a *Action) checkDeployment() (problems []error) {
	if !a.deployment() {
		return nil
	}
	for field, given := range map[string]bool{
		"completions": a.Completions != nil, "backoffLimit": a.BackoffLimit != nil, "backoffLimitPerIndex": a.BackoffLimitPerIndex != nil,
		"podFailurePolicy": a.PodFailurePolicy != nil, "outputs": len(a.Outputs) > 0, "detach": a.Detach,
	} {
		if given {
			problems = append(problems, fmt.Errorf("with.%s: a deployment has none: its pods are restarted for as long as it is there", field))
		}
	}
	slices.SortFunc(problems, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return problems
}

// kindOf is the source's label, and how many sources are given.
func (s Source) kindOf() (kind string, count int) {
	for _, k := range []struct {
		name  string
		given bool
	}{{"directory", s.Directory != nil}, {"git", s.Git != nil}, {"dockerfile", s.Dockerfile != nil}, {"image", s.Image != ""}} {
		if k.given {
			kind = k.name
			count++
		}
	}
	if count == 0 {
		kind = "image"
	}
	return kind, count
}

func (a *Action) checkSource() (problems []error) {
	s := a.Source
	kind, count := s.kindOf()
	switch {
	case count > 1:
		return []error{errors.New("with.source: it names several sources: name one of directory, git, dockerfile and image")}
	case (kind == "image" && count == 1 || kind == "dockerfile") && a.Image != "":
		return []error{fmt.Errorf("with.image: source.%s is the image already", kind)}
	}
	switch kind {
	case "directory":
		problems = append(problems, prefixed("with.source.directory", source.Options{Include: s.Directory.Include, Exclude: s.Directory.Exclude}.Validate()))
		problems = append(problems, checkPush("with.source.directory", s.Directory.Push, s.Directory.Transport))
	case "git":
		problems = append(problems, a.checkGit()...)
	case "dockerfile":
		_, err := registry.ParseRepository(s.Dockerfile.Push)
		problems = append(problems, prefixed("with.source.dockerfile.push", err))
	}
	return problems
}

func (a *Action) checkGit() (problems []error) {
	g := a.Source.Git
	url, err := gitrepo.Parse(g.URL)
	if err != nil {
		return []error{prefixed("with.source.git.url", err)}
	}
	// Of credentials only what they are for can be judged before they are read.
	stand := gitrepo.Options{CAFile: g.CAFile, Insecure: g.Insecure, Path: g.Path}
	if !g.Credentials.Username.IsZero() {
		stand.Username = "user"
	}
	if !g.Credentials.Password.IsZero() {
		stand.Password = "password"
	}
	if !g.Credentials.KnownHosts.IsZero() {
		stand.KnownHosts = g.Credentials.KnownHosts.Literal + "\n"
	}
	problems = append(problems, prefixed("with.source.git", stand.Check(url, g.Ref)))
	problems = append(problems, checkPush("with.source.git", g.Push, g.Transport))
	if g.Fetch == fetchPod && (g.Transport != "" || g.Push != "") {
		problems = append(problems, errors.New("with.source.git.fetch: the pod fetches it itself: transport and push are for fetch: plan"))
	}
	if g.Fetch == fetchPod && g.Insecure {
		problems = append(problems, errors.New("with.source.git.insecure: a pod checks certificates: give it caFile"))
	}
	return problems
}

func checkPush(field, push, transport string) error {
	if push == "" && transport == transportImage {
		return fmt.Errorf("%s.push: transport: image needs the repository to push to, REGISTRY/REPOSITORY", field)
	}
	if push == "" {
		return nil
	}
	_, err := registry.ParseRepository(push)
	return prefixed(field+".push", err)
}

func (a *Action) checkSecrets() (problems []error) {
	for i, s := range a.Secrets {
		field := fmt.Sprintf("with.secrets[%d]", i)
		switch {
		case s.Existing != "" && (s.Name != "" || len(s.From) > 0):
			problems = append(problems, fmt.Errorf("%s: existing names a Secret of the cluster: name and from are for one that is made", field))
		case s.Existing == "" && (s.Name == "" || len(s.From) == 0):
			problems = append(problems, fmt.Errorf("%s: a secret has a name and from, or it is an existing one", field))
		}
	}
	return problems
}

// checkNames finds names of variables, secrets and volumes that meet. Of what is borrowed only the cluster knows.
func (a *Action) checkNames() error {
	s := &workload.Spec{}
	if kind, _ := a.Source.kindOf(); kind == "directory" || kind == "git" {
		s.Source = &workload.Source{}
	}
	var err error
	if s.Volumes, err = a.volumes(); err != nil || len(a.checkSecrets()) > 0 {
		return nil // it is told as that
	}
	return errors.Join(a.values(s, blank), workload.CheckNames(s))
}

var outputName = regexp.MustCompile(`^[a-z][a-zA-Z0-9]*$`)

func (a *Action) checkOutputs() (problems []error) {
	builtin := []string{"byIndex"}
	for _, o := range Kind().Outputs {
		builtin = append(builtin, o.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(a.Outputs)) {
		switch {
		case slices.Contains(builtin, name):
			problems = append(problems, fmt.Errorf("with.outputs.%s: the kind has an output of that name", name))
		case !outputName.MatchString(name):
			problems = append(problems, fmt.Errorf("with.outputs.%s: a name is a small letter, then letters and digits", name))
		}
	}
	return problems
}

// pod reads the fields that a pod takes as Kubernetes has them.
func (a *Action) pod() (workload.Pod, error) {
	p := workload.Pod{
		Security: a.Security, RunAsUser: a.RunAsUser, NodeSelector: a.NodeSelector, ServiceAccountName: a.ServiceAccountName,
		ImagePullSecrets: a.ImagePullSecrets, PriorityClassName: a.PriorityClassName, Template: a.PodTemplate,
	}
	var errs []error
	if len(a.Tolerations) > 0 {
		errs = append(errs, workload.Strict("with.tolerations", a.Tolerations, &p.Tolerations))
	}
	if len(a.Affinity) > 0 {
		p.Affinity = &corev1.Affinity{}
		errs = append(errs, workload.Strict("with.affinity", a.Affinity, p.Affinity))
	}
	return p, errors.Join(errs...)
}

func (a *Action) failurePolicy() (*batchv1.PodFailurePolicy, error) {
	if a.PodFailurePolicy == nil {
		return nil, nil
	}
	p := &batchv1.PodFailurePolicy{}
	return p, workload.Strict("with.podFailurePolicy", a.PodFailurePolicy, p)
}

// volumes splits each entry into the mount and the volume's own fields.
func (a *Action) volumes() (list []workload.Volume, err error) {
	var problems []error
	for i, entry := range a.Volumes {
		field := fmt.Sprintf("with.volumes[%d]", i)
		mount, from := map[string]any{}, map[string]any{}
		for key, value := range entry {
			if slices.Contains([]string{"name", "mountPath", "readOnly", "subPath", "mountPropagation", "recursiveReadOnly", "subPathExpr"}, key) {
				mount[key] = value
			} else {
				from[key] = value
			}
		}
		var v workload.Volume
		problems = append(problems, workload.Strict(field, mount, &v.Mount), workload.Strict(field, from, &v.Source))
		if len(from) != 1 {
			problems = append(problems, fmt.Errorf("%s: exactly one kind of volume beside name and mountPath, such as emptyDir: {} or persistentVolumeClaim: {claimName: data}", field))
		}
		list = append(list, v)
	}
	return list, errors.Join(problems...)
}
