package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"plan/engine"
	"plan/schema"
	"plan/steps"
	"plan/steps/all"
)

// language is what this binary's plans may say.
type language struct {
	*engine.Language
	kinds map[string]steps.Kind
}

func newLanguage() (*language, error) {
	l := &language{kinds: map[string]steps.Kind{}}
	var kinds []engine.Kind
	for _, k := range all.Kinds() {
		l.kinds[k.Name] = k
		kinds = append(kinds, engineKind(k))
	}
	var err error
	l.Language, err = engine.NewLanguage(kinds, schema.Published, nil)
	return l, err
}

// engineKind is what the engine knows of a kind.
func engineKind(k steps.Kind) engine.Kind {
	known := engine.Kind{Name: k.Name, Schema: k.Schema, Outputs: engineOutputs(k.Outputs), Attempts: k.Attempts, Timeout: k.Timeout, ExitCodes: k.ExitCodes, Renders: k.Early != nil}
	if k.Declares != nil {
		known.Declares = func(with map[string]any) []engine.Output { return engineOutputs(k.Declares(with)) }
	}
	return known
}

func engineOutputs(outputs []steps.Output) (list []engine.Output) {
	for _, o := range outputs {
		list = append(list, engine.Output{Name: o.Name, Type: string(o.Type)})
	}
	return list
}

// loaded is a plan and, for each step, its action as far as it is known before the run: of a step whose fields read its matrix one per
// instance.
type loaded struct {
	*engine.Plan
	lang    *language
	kinds   map[string]steps.Kind
	actions map[string][]steps.Action // by step id
	baseDir string

	allowExec bool // its values from outside may come from commands
	offline   bool // it is looked at, and this machine is not the one that runs it
}

// request is a plan to be loaded.
type request struct {
	src     engine.Source
	set     map[string]string // parameters and fields
	flags   []engine.Override
	single  bool // src was made of the flags of `plan run`
	offline bool // tolerates required parameters without a value
	derived bool // src has other steps than the file that is meant, so variables for its steps do not concern it

	environ map[string]string // the variables of the pod that is to run it; nil: those of this process

	run    string                                        // the new run's id; empty: one is made
	leave  func(*engine.Plan) (map[string]string, error) // which steps are left out, and why; nil: none
	resume *resumption                                   // nil for a new run

	wrap func(engine.Do) engine.Do // nil: the work is done as it is

	// confirm, if not nil, is asked when everything is open and before anything is done.
	confirm func(context.Context, *session) error
}

// load reads a plan with everything that may override it.
func (a *app) load(r *request) (*loaded, error) {
	lang, err := newLanguage()
	if err != nil {
		return nil, err
	}
	l := &loaded{lang: lang, kinds: lang.kinds, actions: map[string][]steps.Action{}, baseDir: r.src.Dir, offline: r.offline}
	options := a.loadOptions(r)
	options.Check = func(step *engine.Step, with map[string]any) []engine.Fault {
		if _, known := l.kinds[step.Uses]; !known {
			return nil // the schema has said so
		}
		action, err := l.decode(step.Uses, with)
		faults := faultsOf(err)
		l.actions[step.ID] = append(l.actions[step.ID], action)
		return append(faults, l.once(step, with)...)
	}
	options.CheckPreview = l.early
	l.Plan, err = lang.Load(r.src, options)
	if err != nil {
		return nil, err
	}
	return l, nil
}

// early looks at a step whose objects are shown before a run, with UNKNOWN(…) for what only a run can know.
func (l *loaded) early(step *engine.Step, with map[string]any) []engine.Fault {
	kind := l.kinds[step.Uses]
	action := kind.New()
	err := steps.Decode(with, action)
	if err == nil {
		err = kind.Early(action)
	}
	if err == nil {
		return nil
	}
	return []engine.Fault{{Message: "only a run can know what stands here as UNKNOWN(…), and it has to be known before: " + err.Error()}}
}

// once gives a step one attempt where another could only meet the first.
func (l *loaded) once(step *engine.Step, with map[string]any) []engine.Fault {
	once := l.kinds[step.Uses].Once
	if once == nil || once(with) == "" {
		return nil
	}
	step.Retry.Attempts = 1
	if step.Matrix == nil {
		return nil
	}
	return []engine.Fault{{Path: once(with), Message: "with a matrix all its instances would have this one name: leave it out"}}
}

// kept is the plan itself where it cannot be read again from its file.
func (r *request) kept() string {
	if r.src.File == "-" || r.single || r.derived {
		return string(r.src.Data)
	}
	return ""
}

// loadOptions is what may override the plan's file.
func (a *app) loadOptions(r *request) engine.LoadOptions {
	getenv, lookup, environ := a.getenv, os.LookupEnv, os.Environ()
	if r.environ != nil {
		getenv = func(name string) string { return r.environ[name] }
		lookup = func(name string) (string, bool) { value, ok := r.environ[name]; return value, ok }
		environ = nil
		for name, value := range r.environ {
			environ = append(environ, name+"="+value)
		}
	}
	return engine.LoadOptions{
		Overrides: func(file map[string]any) ([]engine.Override, error) { return r.overrides(file, getenv) },
		Variables: r.variables(environ), Flags: r.flags, Set: r.set,
		Getenv: lookup, Offline: r.offline,
	}
}

// variables are those that override fields of a plan: PLAN_ and a double underscore. Empty is unset.
func (r *request) variables(environ []string) map[string]string {
	variables := map[string]string{}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		ofSteps := strings.HasPrefix(name, "PLAN_STEP__") || strings.HasPrefix(name, "PLAN_KIND__")
		if strings.HasPrefix(name, "PLAN_") && strings.Contains(name, "__") && value != "" && !(r.derived && ofSteps) {
			variables[name] = value
		}
	}
	return variables
}

// decode makes the action of a step.
func (l *loaded) decode(kind string, with map[string]any) (steps.Action, error) {
	action := l.kinds[kind].New()
	if err := steps.Decode(with, action); err != nil {
		return action, err
	}
	return action, action.Validate()
}

// faultsOf are the problems that were joined into one error, each at the field that it begins with: "with.keep.last: …".
func faultsOf(err error) (list []engine.Fault) {
	if err == nil {
		return nil
	}
	if several, ok := err.(interface{ Unwrap() []error }); ok && strings.Contains(err.Error(), "\n") {
		for _, one := range several.Unwrap() {
			list = append(list, faultsOf(one)...)
		}
		return list
	}
	message := err.Error()
	field, rest, _ := strings.Cut(message, ": ")
	if path, ok := strings.CutPrefix(field, "with."); ok && !strings.Contains(path, " ") {
		return []engine.Fault{{Path: path, Message: rest}}
	}
	return []engine.Fault{{Message: message}}
}

// source reads a plan file, at most one byte more than it may have.
func (a *app) source(name string) (engine.Source, error) {
	src := engine.Source{File: name, Dir: "."}
	in := a.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return src, usage(fmt.Errorf("read the plan: %w", err))
		}
		defer f.Close()
		in, src.Dir = f, filepath.Dir(name)
	}
	data, err := io.ReadAll(io.LimitReader(in, schema.MaxSize+1))
	if err != nil {
		return src, usage(fmt.Errorf("read the plan %s: %w", name, err))
	}
	src.Data = data
	return src, nil
}

// kindNamed finds a kind by the word after uses.
func kindNamed(name any) (steps.Kind, bool) {
	kinds := all.Kinds()
	i := slices.IndexFunc(kinds, func(k steps.Kind) bool { return k.Name == name })
	if i < 0 {
		return steps.Kind{}, false
	}
	return kinds[i], true
}

// usesStore tells whether a kind works on a store: it, or a part of its with, then has a field of that name.
func usesStore(kind steps.Kind) bool {
	fields := gjson.GetBytes(kind.Schema, "properties")
	uses := fields.Get("store").Exists()
	fields.ForEach(func(_, field gjson.Result) bool {
		uses = uses || field.Get("properties.store").Exists()
		return !uses
	})
	return uses
}
