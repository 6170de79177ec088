package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime"

	"plan/engine"
	"plan/internal/bundle"
	"plan/internal/lock"
	"plan/internal/printable"
	"plan/internal/rbac"
	"plan/internal/source/registry"
)

// CronjobCmd prints all that runs a plan in the cluster by the clock.
type CronjobCmd struct {
	FileArg
	SetFlags
	Schedule  string   `help:"When it runs: five fields as of cron, or @hourly, @daily, @weekly, @monthly, @yearly." required:"" env:"PLAN_SCHEDULE" placeholder:"CRON"`
	TimeZone  string   `help:"Whose clock that is, such as Europe/Berlin. Default: that of the cluster's controller, mostly UTC." env:"PLAN_TIME_ZONE" placeholder:"ZONE"`
	Image     string   `help:"The image of plan itself; its entrypoint is the program." env:"PLAN_IMAGE" placeholder:"IMAGE"`
	Namespace string   `short:"n" help:"The namespace that it runs in." env:"PLAN_NAMESPACE" placeholder:"NAME"`
	Name      string   `help:"The CronJob's name. Default: the plan's." placeholder:"NAME"`
	EnvFrom   []string `help:"All keys of a ConfigMap or Secret become variables: configmap/NAME, secret/NAME." placeholder:"KIND/NAME" sep:"none"`
	Env       []string `help:"A variable. What is secret comes from a Secret, with --env-from." placeholder:"NAME=VALUE" sep:"none"`
	Suspend   bool     `help:"The clock stands still until spec.suspend is taken away; a Job can be made by hand."`
	Output    string   `short:"o" help:"yaml or json." enum:"yaml,json" default:"yaml" placeholder:"FORMAT"`
}

// deadlineGrace is how much longer the cluster lets a Job work than the plan lets its run: for the first pod to start, and the last to end.
const deadlineGrace = time.Minute

// bundling is a plan on its way into a cluster.
type bundling struct {
	*session
	flags *CronjobCmd
	env   podEnvironment
	data  []byte // the plan's file

	files   []localFile
	folders []localFolder
	hosts   []string

	problems []error
	talk     []string // what is to be known about it
}

// Run is `plan cronjob`. It is offline.
func (c *CronjobCmd) Run(a *app) error {
	signals := watchSignals()
	defer signals.stop()
	b, err := c.read(a)
	if err != nil {
		return err
	}
	objects, err := b.objects(signals.ctx)
	if err != nil {
		return signals.instead(err)
	}
	if c.Output == "json" {
		err = a.printList(objects)
	} else {
		err = a.printManifests(objects)
	}
	for _, line := range b.talk {
		fmt.Fprintln(a.err, "plan: "+printable.String(line))
	}
	return err
}

// read loads the plan as the pod will: with the variables that it gets, and none of this machine.
func (c *CronjobCmd) read(a *app) (*bundling, error) {
	env, err := c.environment()
	if err != nil {
		return nil, usage(err)
	}
	r, err := a.offlineRequest(c.FileArg, c.SetFlags)
	if err != nil {
		return nil, err
	}
	r.environ = maps.Clone(env.values)
	maps.Copy(r.environ, bundle.Fixed())
	r.flags = slices.Concat(ClusterFlags{Namespace: c.Namespace}.overrides(), RunFlags{Timeout: env.values["PLAN_TIMEOUT"]}.overrides())
	s, err := a.offlineSession(r)
	if err != nil {
		if len(env.from) > 0 {
			fmt.Fprintln(a.err, "plan: what is in --env-from is not looked at: a variable of it that the plan reads in ${{ }} may have to be given with --env")
		}
		return nil, err
	}
	return &bundling{session: s, flags: c, env: env, data: r.src.Data}, nil
}

// objects are the ServiceAccount with its rights, then what the bundle carries, then the clock.
func (b *bundling) objects(ctx context.Context) ([]runtime.Object, error) {
	b.look()
	spec, err := b.spec()
	if err := errors.Join(append(b.problems, err)...); err != nil {
		return nil, usage(err)
	}
	if err := b.carry(ctx, spec); err != nil {
		return nil, err
	}
	carried, err := bundle.Build(spec)
	if err != nil {
		return nil, usage(err)
	}
	rights, err := b.rights(true)
	if err != nil {
		return nil, err
	}
	list, err := grantable(rights)
	if err != nil {
		return nil, err
	}
	subject := rbac.Subject{Name: spec.Name, Namespace: spec.Namespace}
	b.tell(spec)
	return append(rbac.Objects(subject, list, bundle.Labels(spec.Name)), carried...), nil
}

// spec is what is known before anything is read but the plan.
func (b *bundling) spec() (*bundle.Spec, error) {
	c := b.flags
	s := &bundle.Spec{
		Name: cmp.Or(c.Name, b.Name), Namespace: b.namespace(), Plan: b.Name, Schedule: c.Schedule, TimeZone: c.TimeZone, Suspend: c.Suspend,
		RunVariable: jobUID, Env: b.env.list, EnvFrom: b.env.from, HostFolders: b.hosts,
		Deadline: b.Timeout + b.FinallyTimeout + deadlineGrace,
	}
	if l := b.Concurrency; l != nil && l.OnConflict == "wait" {
		s.Deadline += l.WaitTimeout // the plan's timeout counts from when it has the lock
	}
	for _, item := range c.Set {
		s.Args = append(s.Args, "--set", item)
	}
	if slices.ContainsFunc(b.Overrides, func(o engine.Applied) bool { return o.Field == "cluster.namespace" && o.Over != "" }) {
		s.Env = append(s.Env, bundle.Variable{Name: "PLAN_NAMESPACE", Value: s.Namespace})
	}
	if l := b.Concurrency; l != nil {
		right := lock.LeaseRights(cmp.Or(l.Namespace, s.Namespace), l.Group)[0]
		s.Lease = &bundle.Object{Namespace: right.Namespace, Name: right.Name}
	}
	var err error
	s.Image, err = c.image()
	return s, errors.Join(err, bundle.Check(s))
}

// image is the one that the pod runs.
func (c *CronjobCmd) image() (string, error) {
	if c.Image == "" {
		return "", errors.New("which image? This build of plan (version " + version + ") knows of none that has it: build one (make image), push it to a registry of yours, and name it with --image")
	}
	if _, err := registry.ParseImage(c.Image); err != nil {
		return "", fmt.Errorf("--image: %w", err)
	}
	return c.Image, nil
}

// planFile is what the plan's file is called in the pod: as here, so that a directory which has it in it stays the same.
func (b *bundling) planFile() string {
	if b.File == "-" {
		return "plan.yaml"
	}
	return filepath.Base(b.File)
}

// tell says what the objects do, and what else there is to do.
func (b *bundling) tell(s *bundle.Spec) {
	clock := "the clock of the cluster's controller"
	if s.TimeZone != "" {
		clock = s.TimeZone
	}
	b.say("cronjob %s/%s runs plan %s at %q by %s, with image %s", s.Namespace, s.Name, s.Plan, s.Schedule, clock, s.Image)
	if len(b.hosts) > 0 {
		b.say("the pod reads %s of its node, as root: namespace %s needs the label pod-security.kubernetes.io/enforce: privileged; best give that step a plan and a namespace of its own",
			strings.Join(slices.Sorted(slices.Values(b.hosts)), " and "), s.Namespace)
	}
	b.say("configmaps of earlier contents stay for pods that still use them; kubectl get configmaps -n %s -l %s=%s lists all", s.Namespace, bundle.LabelBundle, s.Name)
}
