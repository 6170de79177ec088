package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/term"

	"plan/engine"
)

// ClusterFlags choose a cluster as kubectl's do. They win over the plan file.
type ClusterFlags struct {
	Kubeconfig string `help:"The kubeconfig file." env:"PLAN_KUBECONFIG" placeholder:"FILE"`
	Context    string `help:"The kubeconfig's context." env:"PLAN_CONTEXT" placeholder:"NAME"`
	Namespace  string `short:"n" help:"The namespace of objects that name none." env:"PLAN_NAMESPACE" placeholder:"NAME"`
	TLSFlag
}

func (f ClusterFlags) overrides() []engine.Override {
	var list []engine.Override
	for _, o := range []struct{ field, value, flag string }{
		{"kubeconfig", absolute(f.Kubeconfig), "--kubeconfig"}, {"context", f.Context, "--context"}, {"namespace", f.Namespace, "--namespace"},
	} {
		if o.value != "" {
			list = append(list, engine.Override{Path: []string{"spec", "cluster", o.field}, Value: o.value, Origin: o.flag, Shown: o.value})
		}
	}
	return list
}

// absolute is a path of the command line or environment, which is relative to the working directory and not to the plan file.
func absolute(path string) string {
	if path == "" {
		return ""
	}
	if full, err := filepath.Abs(path); err == nil {
		return full
	}
	return path
}

// RunFlags say how a run goes.
type RunFlags struct {
	Output      string `short:"o" help:"text, json, ndjson or github (text with annotations of a workflow); of --dry-run=client also yaml." enum:"text,json,ndjson,github,yaml" default:"text" env:"PLAN_OUTPUT" placeholder:"FORMAT"`
	Events      string `help:"Also write every event to FILE, a line of JSON each." env:"PLAN_EVENTS" placeholder:"FILE"`
	MaxParallel *int   `help:"How many steps run at once, instead of spec.maxParallel." env:"PLAN_MAX_PARALLEL" placeholder:"N"`
	Timeout     string `help:"Bounds all of steps, instead of spec.timeout." env:"PLAN_TIMEOUT" placeholder:"DURATION"`
	Strict      bool   `help:"Ignored work exits 1. Of --dry-run=client: what only a run can know exits 2." env:"PLAN_STRICT"`
	Follow      bool   `help:"Show the logs of pods as they come." env:"PLAN_FOLLOW"`
	AllowExec   bool   `help:"Let the plan run commands for its values from outside (from: exec)." env:"PLAN_ALLOW_EXEC"`
	StateFlags
}

// RunIDFlag names a new run.
type RunIDFlag struct {
	RunID string `name:"run-id" help:"The run's name. Without it one is made." placeholder:"ID"`
}

func (f RunFlags) overrides() []engine.Override {
	var list []engine.Override
	if f.Timeout != "" {
		list = append(list, engine.Override{Path: []string{"spec", "timeout"}, Value: f.Timeout, Origin: "--timeout", Shown: f.Timeout})
	}
	if f.MaxParallel != nil {
		list = append(list, engine.Override{Path: []string{"spec", "maxParallel"}, Value: int64(*f.MaxParallel), Origin: "--max-parallel", Shown: strconv.Itoa(*f.MaxParallel)})
	}
	return list
}

// SetFlags give parameters and fields.
type SetFlags struct {
	Set []string `help:"Set a parameter, or a field: steps.ID.FIELD, cluster.FIELD, stores.NAME.FIELD, defaults.FIELD." placeholder:"NAME=VALUE" sep:"none"`
}

func (f SetFlags) values() (map[string]string, error) {
	values := map[string]string{}
	for _, item := range f.Set {
		name, value, ok := strings.Cut(item, "=")
		switch {
		case !ok || name == "":
			return nil, usage(errors.New("--set: want NAME=VALUE"))
		}
		values[name] = value
	}
	return values, nil
}

// FileArg is the plan: an argument, or -f as with kubectl.
type FileArg struct {
	File     string `arg:"" optional:"" help:"The plan file; - is standard input." placeholder:"FILE"`
	Filename string `short:"f" name:"filename" help:"The plan file." placeholder:"FILE"`
}

func (f FileArg) name() (string, error) {
	switch {
	case f.File != "" && f.Filename != "":
		return "", usage(errors.New("the plan file is given twice, as an argument and with -f"))
	case f.File == "" && f.Filename == "":
		return "", usage(errors.New("which plan? Name a file, or - for standard input"))
	case f.File == "":
		return f.Filename, nil
	}
	return f.File, nil
}

// output is the format asked for on a command line that could not be parsed, so that errors come in it as well.
func output(args []string) string {
	for i, arg := range args {
		for _, name := range []string{"-o", "--output"} {
			if arg == name && i+1 < len(args) {
				return args[i+1]
			}
			if value, ok := strings.CutPrefix(arg, name+"="); ok {
				return value
			}
			if value, ok := strings.CutPrefix(arg, "-o"); ok && len(value) > 0 && !strings.HasPrefix(arg, "--") {
				return strings.TrimPrefix(value, "=")
			}
		}
	}
	return os.Getenv("PLAN_OUTPUT")
}

// terminal tells whether w is a terminal and how wide.
func terminal(w io.Writer) (bool, int) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return false, 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		width = 80
	}
	return true, width
}
