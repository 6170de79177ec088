package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dustin/go-humanize/english"
	"github.com/tidwall/gjson"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"plan/engine"
	"plan/internal/kube"
	"plan/internal/objects"
	"plan/internal/printable"
	"plan/internal/workload"
	"plan/steps"
)

// dryRunServer has the API server admit what the steps would make, without keeping any of it. No secret is read, and nothing is recorded.
func (a *app) dryRunServer(r *request, f RunFlags) error {
	d, err := a.renderer(r)
	if err != nil {
		return err
	}
	signals := watchSignals()
	defer signals.stop()
	trustFallbackRoots()
	if err := d.connect(signals.ctx); err != nil {
		return signals.instead(err)
	}
	list, err := d.all()
	if err != nil {
		return err
	}
	if err := d.mayCreate(signals.ctx, list); err != nil {
		return signals.instead(err)
	}
	s := &admission{renderer: d, output: f.Output}
	s.ask(signals.ctx, list)
	if err := s.print(list, f.Strict); err != nil && len(s.faults) == 0 {
		return signals.instead(err)
	}
	if len(s.faults) > 0 {
		code := engine.ExitFailed // a refusal by quota is a 403, too, and no right that is missing: those were asked for
		if slices.ContainsFunc(s.faults, func(err error) bool { return exitCode(err) == engine.ExitUnreachable }) {
			code = engine.ExitUnreachable
		}
		return signals.instead(exit{code: code, err: errors.Join(s.faults...), printed: true})
	}
	return nil
}

// objectResources are where objects of steps are made.
var objectResources = map[string]kube.Resource{
	"ConfigMap": {Version: "v1", Resource: "configmaps"}, "Secret": {Version: "v1", Resource: "secrets"},
	"Job": {Group: "batch", Version: "v1", Resource: "jobs"}, "Deployment": {Group: "apps", Version: "v1", Resource: "deployments"},
}

// at is where an object is made, and its name.
func (o encoded) at(fallback string) (r kube.Resource, name string) {
	object := gjson.ParseBytes(o.data)
	r, r.Namespace = objectResources[object.Get("kind").String()], fallback
	if namespace := object.Get("metadata.namespace").String(); namespace != "" {
		r.Namespace = namespace
	}
	return r, object.Get("metadata.name").String()
}

// mayCreate asks for the rights to create the objects, before the first is sent.
func (d *renderer) mayCreate(ctx context.Context, list []rendered) error {
	var set rightSet
	for _, one := range list {
		for _, object := range one.objects {
			r, _ := object.at(d.namespace())
			set.add("step "+one.step.ID, right{Permission: steps.Permission{Verb: "create", Group: r.Group, Resource: r.Resource, Namespace: r.Namespace}})
		}
	}
	answers, err := ask(ctx, d.kube, set.list)
	if unanswerable(err) {
		return nil // the objects themselves are the next question
	}
	if err != nil {
		return err
	}
	return denied(slices.DeleteFunc(answers, func(a answer) bool { return a.allowed }))
}

// admission is what an API server says of objects.
type admission struct {
	*renderer
	output   string
	returned []encoded // as the server would keep them
	faults   []error
}

// ask sends the objects one after the other, all of them. Only a server that does not answer any more is the end of it.
func (s *admission) ask(ctx context.Context, list []rendered) {
	for _, one := range list {
		for _, object := range one.objects {
			said, err := s.send(ctx, &one, object)
			if err != nil {
				s.faults = append(s.faults, fmt.Errorf("step %s: %w", one.name(), err))
			}
			if ctx.Err() != nil || err != nil && exitCode(err) == engine.ExitUnreachable {
				s.faults = append(s.faults, errors.New("what comes behind it was not sent"))
				return
			}
			if r, name := object.at(""); s.output == "text" {
				who := strings.TrimSuffix(strings.TrimSuffix(r.Resource, "s")+"."+r.Group, ".")
				fmt.Fprintf(s.app.out, "%s/%s %s (server dry run)\n", who, name, said)
			}
		}
	}
}

// What is said of an object.
const (
	saidAdmitted   = "admitted"
	saidRefused    = "refused"
	saidUnknowable = "not checkable" // with UNKNOWN(…) in it, or by an admission that knows no dry run
)

// send has one object admitted. An object of plan that is there already is as good; the words for anything else are the server's.
func (s *admission) send(ctx context.Context, one *rendered, object encoded) (said string, err error) {
	r, name := object.at(s.namespace())
	var refused []error
	o := kube.WriteOptions{DryRun: true, Warn: func(text string) {
		if strings.Contains(text, "PodSecurity") { // of a Job the server says no more than this, and refuses its pods
			refused = append(refused, fmt.Errorf("create %s %s/%s: %s", r, r.Namespace, name, text))
			return
		}
		fmt.Fprintf(s.app.err, "plan: step %s: %s %s: %s\n", one.name(), r, name, printable.String(text))
	}}
	data, err := s.create(ctx, r, name, object.data, o)
	switch {
	case apierrors.IsAlreadyExists(err):
		return s.there(ctx, r, name)
	case err != nil && unknowable(err):
		fmt.Fprintf(s.app.err, "plan: step %s: %s %s cannot be checked: %s\n", one.name(), r, name, printable.String(err.Error()))
		return saidUnknowable, nil
	case err != nil:
		return saidRefused, err
	case len(refused) > 0:
		return saidRefused, errors.Join(refused...)
	}
	s.returned = append(s.returned, encoded{object.Object, withoutManagers(data)})
	return saidAdmitted, nil
}

// withoutManagers is an object of the server as kubectl shows it: without the notes of who has set which field.
func withoutManagers(data json.RawMessage) []byte {
	object, err := objects.Decode(data)
	if err != nil {
		return data // it is JSON, but no object
	}
	if meta, ok := object["metadata"].(map[string]any); ok {
		delete(meta, "managedFields")
	}
	return objects.Encode(object)
}

func (s *admission) create(ctx context.Context, r kube.Resource, name string, body []byte, o kube.WriteOptions) (data json.RawMessage, err error) {
	err = kube.Repeat(ctx, func() error {
		return bounded(ctx, openTimeout, func(ctx context.Context) (err error) {
			data, err = s.kube.Create(ctx, r, name, body, o)
			return err
		})
	})
	return data, err
}

// there looks at an object of the name that the server has. It was admitted as well: that comes first.
func (s *admission) there(ctx context.Context, r kube.Resource, name string) (said string, err error) {
	var data json.RawMessage
	err = bounded(ctx, openTimeout, func(ctx context.Context) (err error) {
		data, err = s.kube.Get(ctx, r, name)
		return err
	})
	if err != nil {
		return saidRefused, fmt.Errorf("it is there already, and cannot be looked at: %w", err)
	}
	meta := gjson.GetBytes(data, "metadata")
	labels, annotations := meta.Get("labels").Map(), meta.Get("annotations").Map()
	run := labels[workload.LabelRun].String()
	works := r.Group != "" // what runs, and has a hash; its parts go with it
	if run == "" || labels[workload.ManagedBy].String() != workload.Manager || works && annotations[workload.AnnotationHash].String() == "" {
		return saidRefused, fmt.Errorf("create %s %s/%s: it is there already and was not made by plan: choose another name, or delete it if it is not needed", r, r.Namespace, name)
	}
	return "admitted, and there already from run " + printable.String(run), nil
}

// unknowable tells whether a refusal is of nothing but what only a run can know, or of an admission that cannot be asked without a write.
func unknowable(err error) bool {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok {
		return false
	}
	if apierrors.IsBadRequest(err) && strings.Contains(status.ErrStatus.Message, "does not support dry run") {
		return true
	}
	if !apierrors.IsInvalid(err) || status.ErrStatus.Details == nil || len(status.ErrStatus.Details.Causes) == 0 {
		return false
	}
	for _, cause := range status.ErrStatus.Details.Causes {
		if !strings.Contains(cause.Message, unknownMark) {
			return false
		}
	}
	return true
}

// print gives the objects as the server would keep them, and tells what only a run can know.
func (s *admission) print(list []rendered, strict bool) error {
	var all []encoded
	for _, one := range list {
		all = append(all, one.objects...)
	}
	var err error
	switch s.output {
	case "json":
		err = s.app.printJSON(s.returned)
	case "yaml":
		err = s.app.printYAML(s.returned)
	}
	if err != nil {
		return err
	}
	if len(all) == 0 {
		fmt.Fprintln(s.app.err, "plan: no step makes objects of Kubernetes: "+english.Plural(len(list), "step", "")+" work by themselves")
	}
	return s.app.tellUnknown(unknowns(all), strict)
}
