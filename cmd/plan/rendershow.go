package main

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dustin/go-humanize/english"
	"github.com/tidwall/gjson"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"plan/engine"
	"plan/internal/printable"
	"plan/internal/workload"
)

// showing says how a rendering is shown.
type showing struct {
	output   string // text (the steps, with their objects), yaml or json
	dir      string // where a file for each object goes, instead of stdout
	strict   bool   // what only a run can know is an error
	runnable bool   // it is for kubectl
	all      bool   // of the whole plan
}

// show prints objects to stdout or into files, and to stderr what is to be known about them. Where it ends with an error nothing is left that
// kubectl could take for all.
func (a *app) show(list []rendered, h showing) error {
	var all []encoded
	for _, one := range list {
		all = append(all, one.objects...)
	}
	unknown := unknowns(all)
	switch {
	case h.runnable && len(unknown) > 0:
		return usage(errors.New("kubectl cannot wait for what only a run can know:\n  " + strings.Join(unknown, "\n  ") + "\nrender the steps without it one by one, or let plan apply run the plan"))
	case h.dir == "":
		if err := a.printRendering(list, all, h.output); err != nil {
			return err
		}
	case h.strict && len(unknown) > 0:
		fmt.Fprintln(a.err, "plan: nothing is written")
	default:
		if err := a.writeRendering(list, h); err != nil {
			return err
		}
	}
	a.tell(list, all, h)
	return a.tellUnknown(unknown, h.strict)
}

func (a *app) printRendering(list []rendered, all []encoded, output string) error {
	switch output {
	case "json":
		return a.printJSON(all)
	case "yaml":
		return a.printYAML(all)
	}
	for _, one := range list {
		if _, err := fmt.Fprintf(a.out, "# %s\n", one.title()); err != nil {
			return err
		}
		if err := a.printYAML(one.objects); err != nil {
			return err
		}
	}
	return nil
}

// tell says what becomes of the objects, and what is missing.
func (a *app) tell(list []rendered, all []encoded, h showing) {
	if len(all) == 0 && h.output != "text" {
		what := "the plan makes no objects of Kubernetes: its steps work by themselves"
		if !h.all && len(list) > 0 {
			what = list[0].title()
		}
		fmt.Fprintln(a.err, "plan: "+what)
	}
	if !h.runnable {
		if what := stopped(all); what != "" {
			fmt.Fprintf(a.err, "plan: %s: a run starts them when all that they need is there\n", what)
		}
		return
	}
	a.tellEmpty(all)
	if stopped(all) != "" {
		fmt.Fprintln(a.err, "plan: jobs with a queue are suspended until Kueue lets them go")
	}
	if ordered := slices.ContainsFunc(list, func(one rendered) bool { return len(one.objects) > 0 && len(one.step.Needs) > 0 }); ordered && h.all {
		fmt.Fprintln(a.err, "plan: kubectl starts all of it at once: which step needs which, and its conditions, stand in the plan alone")
	}
}

// tellEmpty names the Secrets whose values are not part of a rendering.
func (a *app) tellEmpty(all []encoded) {
	var lines []string
	for _, one := range all {
		if s, ok := one.Object.(*corev1.Secret); ok {
			lines = append(lines, fmt.Sprintf("  %s: keys %s", strings.TrimPrefix(s.Namespace+"/"+s.Name, "/"), s.Annotations[workload.AnnotationRedacted]))
		}
	}
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(a.err, "plan: values are never rendered; fill in %s before the rest is applied (kubectl create secret generic NAME --from-file=KEY=PATH), which applying then leaves as it is:\n", english.Plural(len(lines), "Secret", ""))
	for _, line := range lines {
		fmt.Fprintln(a.err, printable.String(line))
	}
}

// stopped says what does nothing before a run starts it.
func stopped(all []encoded) string {
	var job, deployment bool
	for _, one := range all {
		switch o := one.Object.(type) {
		case *batchv1.Job:
			job = job || o.Spec.Suspend != nil && *o.Spec.Suspend
		case *appsv1.Deployment:
			deployment = deployment || o.Spec.Replicas != nil && *o.Spec.Replicas == 0
		}
	}
	switch {
	case job && deployment:
		return "jobs are suspended, deployments have no replicas"
	case job:
		return "jobs are suspended"
	case deployment:
		return "deployments have no replicas"
	}
	return ""
}

// tellUnknown lists what stands as UNKNOWN(…).
func (a *app) tellUnknown(lines []string, strict bool) error {
	if len(lines) == 0 {
		return nil
	}
	fmt.Fprintf(a.err, "plan: %s only a run can know:\n", english.Plural(len(lines), "value", ""))
	for _, line := range lines {
		fmt.Fprintln(a.err, "  "+printable.String(line))
	}
	if strict {
		return exit{code: engine.ExitInvalid}
	}
	return nil
}

const unknownMark = "UNKNOWN("

// unknowns lists the strings of objects in which something only a run can know stands: where, and what.
func unknowns(all []encoded) (lines []string) {
	for _, one := range all {
		if !bytes.Contains(one.data, []byte(unknownMark)) {
			continue
		}
		object := gjson.ParseBytes(one.data)
		who := strings.ToLower(object.Get("kind").String()) + " " + object.Get("metadata.name").String()
		walkStrings("", object, func(path, text string) {
			for _, found := range marked(text) {
				lines = append(lines, who+": "+path+": "+found)
			}
		})
	}
	return lines
}

// walkStrings visits the strings below a value with their paths, in order.
func walkStrings(path string, v gjson.Result, visit func(path, text string)) {
	switch {
	case v.Type == gjson.String:
		visit(path, v.String())
	case v.IsObject():
		for _, e := range entries(v) {
			walkStrings(strings.TrimPrefix(path+"."+e.key, "."), e.value, visit)
		}
	case v.IsArray():
		for i, item := range v.Array() {
			walkStrings(fmt.Sprintf("%s[%d]", path, i), item, visit)
		}
	}
}

// marked cuts the marks out of a text, to the bracket that closes each.
func marked(text string) (found []string) {
	for {
		_, rest, ok := strings.Cut(text, unknownMark)
		if !ok {
			return found
		}
		depth, end := 1, len(rest)
		for i, r := range rest {
			switch r {
			case '(':
				depth++
			case ')':
				depth--
			}
			if depth == 0 {
				end = i + 1
				break
			}
		}
		found = append(found, unknownMark+rest[:end])
		text = rest[end:]
	}
}
