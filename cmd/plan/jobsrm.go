package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"
	"github.com/tidwall/gjson"
	"golang.org/x/term"
	"k8s.io/apimachinery/pkg/labels"

	"plan/engine"
	"plan/internal/errclass"
	"plan/internal/jobs"
	"plan/internal/kube"
	"plan/internal/workload"
)

// JobsRmCmd removes Jobs and Deployments.
type JobsRmCmd struct {
	Names   []string `arg:"" name:"name" help:"Jobs and Deployments: their names, beginnings that are unique, or RUN/STEP." placeholder:"NAME"`
	Force   bool     `help:"Also those whose pods run, without a question."`
	Secrets bool     `help:"Also the Secrets of plan secret set that they use and no other Job or Deployment of plan in the namespace does."`
	ClusterFlags
}

// removeTimeout bounds the wait until pods are gone.
const removeTimeout = 2 * time.Minute

// Run is `plan jobs rm`.
func (c *JobsRmCmd) Run(a *app) error {
	signals := watchSignals()
	defer signals.stop()
	client, err := c.client(a)
	if err != nil {
		return err
	}
	r := &removal{app: a, client: client}
	if err := r.find(signals.ctx, c.Names); err != nil {
		return signals.instead(err)
	}
	if err := r.consent(signals.ctx, c.Force); err != nil {
		return signals.instead(err)
	}
	for _, m := range r.list {
		if err := r.remove(signals.ctx, m); err != nil {
			return signals.during(err)
		}
	}
	if c.Secrets {
		return signals.during(r.removeSecrets(signals.ctx))
	}
	return nil
}

// removal is one `plan jobs rm`.
type removal struct {
	app    *app
	client *kube.Client
	list   []made
}

// find finds all before any is removed.
func (r *removal) find(ctx context.Context, words []string) error {
	namespace := r.client.Namespace()
	all, err := listMade(ctx, r.client, namespace)
	if err != nil {
		return err
	}
	var problems []error
	for _, word := range words {
		m, err := findMade(all, word, namespace)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		if !slices.ContainsFunc(r.list, func(o made) bool { return o.UID == m.UID }) {
			r.list = append(r.list, m)
		}
	}
	if len(problems) > 0 {
		return usage(fmt.Errorf("%w; nothing was removed", errors.Join(problems...)))
	}
	return nil
}

// consent wants a yes where pods run.
func (r *removal) consent(ctx context.Context, force bool) error {
	if force {
		return nil
	}
	var running []string
	for _, m := range r.list {
		n := 0
		for page, err := range r.client.List(ctx, m.pods(), 0) {
			if err != nil {
				return err
			}
			for _, item := range page.Items {
				if phase := gjson.GetBytes(item, "status.phase").String(); phase != "Succeeded" && phase != "Failed" {
					n++
				}
			}
		}
		if n > 0 {
			running = append(running, fmt.Sprintf("%s has %s at work", m.what(), english.Plural(n, "pod", "")))
		}
	}
	switch {
	case len(running) == 0:
		return nil
	case !r.app.onTerminal():
		return usage(fmt.Errorf("%s; nothing was removed; --force removes them all the same", strings.Join(running, "; ")))
	}
	return r.app.ask(ctx, strings.Join(running, "; ")+". Remove them all the same?")
}

// onTerminal tells whether somebody can be asked.
func (a *app) onTerminal() bool {
	f, ok := a.in.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// remove removes one and waits until its pods are gone.
func (r *removal) remove(ctx context.Context, m made) error {
	runner := &jobs.Runner{
		Kube: r.client, Namespace: m.Namespace, Name: m.Name, Deployment: m.Kind == "deployment",
		Selector: labels.Set(workload.Selector(m.labels)).String(),
	}
	ctx, cancel := context.WithTimeout(ctx, removeTimeout)
	defer cancel()
	err := runner.Remove(ctx, jobs.Handle{Name: m.Name, UID: m.UID})
	if errclass.Classify(err).Kind == errclass.Denied {
		return exit{code: engine.ExitDenied, err: err}
	}
	if errors.Is(err, errclass.ErrLost) {
		return exit{code: engine.ExitLost, err: err}
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(r.app.out, "%s is removed, and its pods are gone\n", m.what())
	return err
}

// removeSecrets removes the Secrets of `plan secret set` that nothing of plan uses any more.
func (r *removal) removeSecrets(ctx context.Context) error {
	left, err := listMade(ctx, r.client, r.client.Namespace())
	if err != nil {
		return err
	}
	users := map[string]string{}
	for _, m := range left {
		for _, name := range m.usedSecrets() {
			users[name] = m.what()
		}
	}
	var names []string
	for _, m := range r.list {
		names = append(names, m.usedSecrets()...)
	}
	slices.Sort(names)
	store := secretStore{r.client, r.client.Namespace()}
	for _, name := range slices.Compact(names) {
		s, err := store.get(ctx, name)
		switch {
		case err != nil:
			return err
		case s == nil || !s.ours():
		case users[name] != "":
			fmt.Fprintf(r.app.out, "secret %s/%s stays: %s uses it\n", store.namespace, name, users[name])
		default:
			if err := store.remove(ctx, s); err != nil {
				return err
			}
			fmt.Fprintf(r.app.out, "secret %s/%s is removed\n", store.namespace, name)
		}
	}
	return nil
}

// usedSecrets are the names of the Secrets in its pod's template.
func (m *made) usedSecrets() (names []string) {
	for _, v := range m.pod.Volumes {
		if v.Secret != nil {
			names = append(names, v.Secret.SecretName)
		}
	}
	for _, c := range slices.Concat(m.pod.InitContainers, m.pod.Containers) {
		for _, e := range c.Env {
			if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
				names = append(names, e.ValueFrom.SecretKeyRef.Name)
			}
		}
		for _, e := range c.EnvFrom {
			if e.SecretRef != nil {
				names = append(names, e.SecretRef.Name)
			}
		}
	}
	return names
}
