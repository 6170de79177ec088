package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"
	"gopkg.in/yaml.v3"

	"plan/engine"
	"plan/internal/stores"
	"plan/steps"
	"plan/steps/all"
)

// RunCmd runs one step without a plan file. Its subcommands, one per kind, are made from the kinds' schemas.
type RunCmd struct {
	kong.Plugins
}

// kindFlags are the flags that every kind has.
type kindFlags struct {
	ClusterName string `help:"The cluster's name in backup keys." env:"PLAN_CLUSTER_NAME" placeholder:"NAME"`
	ShowPlan    bool   `help:"Print the plan instead of running it."`
	DryRunFlag
	ClusterFlags
	RunIDFlag
	RunFlags
}

// check finds flags that do not go together.
func (f kindFlags) check() error {
	if f.ShowPlan && f.DryRun != "none" {
		return errors.New("--show-plan prints the plan and --dry-run the manifests: give one of them")
	}
	return nil
}

// storeFlags are the flags of kinds that work on a store.
type storeFlags struct {
	Store string `help:"The store: s3://bucket/prefix?endpoint=URL&region=NAME, or dir:PATH. S3 keys come from the AWS SDK's chain." env:"PLAN_STORE" placeholder:"URL"`
}

// kindCommands makes a command per kind.
func kindCommands() kong.Plugins {
	var plugins kong.Plugins
	for _, kind := range all.Kinds() {
		if kind.Name == jobKind {
			plugins = append(plugins, jobCommand(kind))
			continue
		}
		members := []reflect.StructField{{Name: "KindFlags", Type: reflect.TypeFor[kindFlags](), Tag: `embed:""`}}
		if usesStore(kind) {
			members = append(members, reflect.StructField{Name: "StoreFlags", Type: reflect.TypeFor[storeFlags](), Tag: `embed:""`})
		}
		for i, f := range kindFields(kind) {
			members = append(members, reflect.StructField{Name: "Field" + strconv.Itoa(i), Type: f.goType(), Tag: f.tag()})
		}
		command := reflect.StructOf([]reflect.StructField{{
			Name: "Command", Type: reflect.StructOf(members),
			Tag: reflect.StructTag(fmt.Sprintf(`cmd:"" name:%q help:%q`, kind.Name, summary(kind))),
		}})
		plugins = append(plugins, reflect.New(command).Interface())
	}
	return plugins
}

// summary is the first sentence of a kind's schema description.
func summary(kind steps.Kind) string {
	var s struct {
		Description string `json:"description"`
	}
	if err := json.Unmarshal(kind.Schema, &s); err != nil {
		return kind.Name
	}
	return s.Description
}

// Run is `plan run KIND`.
func (*RunCmd) Run(ctx *kong.Context, a *app) error {
	target := ctx.Selected().Target
	name := ctx.Selected().Name
	if name == "job" {
		kind, _ := kindNamed(jobKind)
		return a.runJob(kind, target)
	}
	kind, ok := kindNamed(name)
	if !ok {
		return fmt.Errorf("the command tree has a kind %s, and there is none", name)
	}
	flags := target.FieldByName("KindFlags").Interface().(kindFlags)
	if err := flags.check(); err != nil {
		return usage(err)
	}
	with := map[string]any{}
	for i, f := range kindFields(kind) {
		if err := f.put(with, target.FieldByName("Field"+strconv.Itoa(i))); err != nil {
			return usage(err)
		}
	}
	store := ""
	if f := target.FieldByName("StoreFlags"); f.IsValid() {
		store = f.Interface().(storeFlags).Store
	}
	plan, err := singleStep(name, with, store, flags)
	if err != nil {
		return usage(err)
	}
	common := slices.Concat(flags.ClusterFlags.overrides(), flags.RunFlags.overrides())
	if flags.ShowPlan {
		return a.showPlan(name, plan, common)
	}
	data, err := yaml.Marshal(plan)
	if err != nil {
		return fmt.Errorf("write the plan: %w", err)
	}
	r := &request{src: engine.Source{File: "plan run " + name, Dir: ".", Data: data}, single: true, flags: common, run: flags.RunID}
	return a.start(r, flags.RunFlags, flags.DryRunFlag)
}

// showPlan prints the plan with the common flags in it.
func (a *app) showPlan(kind string, plan map[string]any, common []engine.Override) error {
	if err := olderRetention(kind, plan, a.getenv); err != nil {
		return usage(err)
	}
	for _, o := range common {
		field{path: o.Path}.set(plan, o.Value)
	}
	data, err := yaml.Marshal(plan)
	if err != nil {
		return fmt.Errorf("write the plan: %w", err)
	}
	if err := a.shown(kind, data); err != nil {
		return err
	}
	_, err = a.out.Write(data)
	return err
}

// shown checks a plan before it is printed: what is printed runs.
func (a *app) shown(kind string, data []byte) error {
	_, err := a.load(&request{src: engine.Source{File: "plan run " + kind, Dir: ".", Data: data}, single: true, offline: true})
	return err
}

// singleStep is the plan that `plan run` runs.
func singleStep(kind string, with map[string]any, storeURL string, flags kindFlags) (map[string]any, error) {
	spec, prefix, err := plainSpec(flags.ClusterName, storeURL)
	if err != nil {
		return nil, err
	}
	if prefix != "" {
		own, _ := with["prefix"].(string)
		with["prefix"] = prefix + own
	}
	step := map[string]any{"id": kind, "uses": kind}
	if len(with) > 0 {
		step["with"] = with
	}
	spec["steps"] = []any{step}
	return plainPlan(kind, spec), nil
}

// plainSpec is the spec of a plan without a file, but for its steps, and what stands before every key (empty, or with a final "/").
func plainSpec(clusterName, storeURL string) (spec map[string]any, prefix string, err error) {
	spec = map[string]any{}
	if clusterName != "" {
		spec["cluster"] = map[string]any{"name": clusterName}
	}
	if storeURL == "" {
		return spec, "", nil
	}
	store, prefix, err := storeFlag(storeURL)
	if err != nil {
		return nil, "", err
	}
	if prefix != "" {
		prefix = strings.TrimSuffix(prefix, "/") + "/"
	}
	spec["stores"] = map[string]any{"main": store}
	return spec, prefix, nil
}

func plainPlan(name string, spec map[string]any) map[string]any {
	return map[string]any{"apiVersion": "plan/v1", "kind": "Plan", "metadata": map[string]any{"name": name}, "spec": spec}
}

// olderRetention puts what the older tool's variable says into a plan that is shown: applied as a file it would not be asked.
func olderRetention(kind string, plan map[string]any, getenv func(string) string) error {
	step := plan["spec"].(map[string]any)["steps"].([]any)[0].(map[string]any)
	with, _ := step["with"].(map[string]any)
	for _, s := range olderSettings {
		value := getenv(s.variable)
		for _, f := range s.fields {
			if value == "" || !f.of(step) || f.path != "keep.last" || with["keep"] != nil {
				continue
			}
			n, err := s.read(s.variable, value)
			if err != nil {
				return err
			}
			field{path: []string{"with", "keep", "last"}}.set(step, n)
		}
	}
	return nil
}

// storeFlag reads --store as an entry of spec.stores.
func storeFlag(text string) (map[string]any, string, error) {
	if !strings.HasPrefix(text, "s3:") && !strings.HasPrefix(text, "dir:") {
		return nil, "", errors.New("--store: there is no plan file whose store could be named; want s3://bucket/prefix?endpoint=URL or dir:PATH")
	}
	spec, prefix, err := stores.FromURL(text)
	if err != nil {
		return nil, "", fmt.Errorf("--store: %w", err)
	}
	return spec.Map(), prefix, nil
}
