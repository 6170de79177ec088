// Command plan runs declarative plans for people who operate k3s and other Kubernetes clusters.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/alecthomas/kong"

	"plan/engine"
	"plan/internal/secrets"
)

// CLI is the command tree.
type CLI struct {
	Apply    ApplyCmd    `cmd:"" help:"Run a plan."`
	Diff     DiffCmd     `cmd:"" help:"Show what a run would create, change, replace, delete and send, and do nothing."`
	Render   RenderCmd   `cmd:"" help:"Print every object that a plan makes on the cluster, offline."`
	Validate ValidateCmd `cmd:"" help:"Check plans against the schema and for sense, offline."`
	Run      RunCmd      `cmd:"" help:"Run one step without a plan file."`
	Backup   BackupCmd   `cmd:"" help:"Look at backups: list, show, compare, check."`
	Restore  RestoreCmd  `cmd:"" help:"Restore from a backup: show what would be done, ask, do it."`

	Preflight PreflightCmd `cmd:"" help:"Find out beforehand what a run would miss: rights, stores, values from outside, CRDs, images."`

	RBAC    RBACCmd    `cmd:"" name:"rbac" help:"Print the ServiceAccount and the least rights with which a plan can run in the cluster."`
	Cronjob CronjobCmd `cmd:"" help:"Print all that runs a plan in the cluster by the clock, for kubectl apply."`
	Unpack  UnpackCmd  `cmd:"" hidden:"" help:"Unpack what a bundle carries."`

	Runs   RunsCmd   `cmd:"" help:"List runs, and when each plan last succeeded."`
	Status StatusCmd `cmd:"" help:"Show what became of the steps of a run."`
	Logs   LogsCmd   `cmd:"" help:"Show what the steps of a run said."`
	Cancel CancelCmd `cmd:"" help:"Ask a run to stop."`
	Resume ResumeCmd `cmd:"" help:"Go on with a run that was killed, suspended, cancelled or has failed."`
	Delete DeleteCmd `cmd:"" help:"Delete what is recorded of runs."`

	Jobs   JobsCmd   `cmd:"" help:"List the Jobs and Deployments that plan has created, show their logs, remove them."`
	Secret SecretCmd `cmd:"" help:"Make, list and remove Secrets for jobs."`

	Graph   GraphCmd   `cmd:"" help:"Show in which order the steps of a plan run."`
	Env     EnvCmd     `cmd:"" help:"List the variables that override fields of a plan, with the values in force."`
	Explain ExplainCmd `cmd:"" help:"Document kinds and fields."`
	Schema  SchemaCmd  `cmd:"" help:"Print the JSON Schema of plan files, for editors."`
	Init    InitCmd    `cmd:"" help:"Write a plan to begin with."`
	Version VersionCmd `cmd:"" help:"Print the version."`

	Completion CompletionCmd `cmd:"" help:"Print what makes a shell complete plan's commands."`
}

// app is what commands work with: streams, environment, what hides secrets.
type app struct {
	in       io.Reader
	out, err *secrets.Writer
	raw      io.Writer // what out writes to, for what is masked already
	masker   *secrets.Masker
	getenv   func(string) string
	command  []string // what stands behind the -- of plan run job; nil: there is no --
	insecure bool     // the API server's certificate is not checked
	live     bool     // stderr is a terminal that can go back in a line
	color    bool     // stdout is a terminal, and NO_COLOR is not set
	width    int      // of the terminal
}

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the whole program: it parses, does, prints and gives the exit code.
func run(args []string, in io.Reader, out, errw io.Writer) (code int) {
	a := newApp(in, out, errw)
	defer a.flush()
	defer func() {
		if r := recover(); r != nil { // Go's own exit code would be 2, which says that nothing was done
			fmt.Fprintf(a.err, "plan: internal error (%T); this is a bug in plan\n%s", r, debug.Stack())
			code = engine.ExitFailed
		}
	}()
	clearEmptyVariables()
	err := a.dispatch(args)
	var done exit
	if errors.As(err, &done) && done.err == nil {
		return done.code
	}
	if err == nil {
		return engine.ExitOK
	}
	own, _ := splitCommand(args)
	format := output(own)
	if errors.As(err, &done) && done.printed {
		format = "text"
	}
	a.report(err, format)
	return exitCode(err)
}

func newApp(in io.Reader, out, errw io.Writer) *app {
	masker := secrets.NewMasker()
	a := &app{in: in, out: masker.Writer(out), err: masker.Writer(errw), raw: out, masker: masker, getenv: os.Getenv}
	dumb := os.Getenv("TERM") == "dumb"
	a.live, a.width = terminal(errw)
	a.live = a.live && !dumb
	onTerminal, _ := terminal(out)
	a.color = onTerminal && !dumb && os.Getenv("NO_COLOR") == ""
	return a
}

func (a *app) flush() {
	a.out.Flush()
	a.err.Flush()
}

func (a *app) dispatch(args []string) error {
	args, a.command = splitCommand(args)
	cli := &CLI{}
	if needsKinds(args) {
		cli.Run.Plugins = kindCommands()
	}
	parser, err := kong.New(cli,
		kong.Name("plan"),
		kong.Description("Runs declarative plans for people who operate k3s and other Kubernetes clusters.\n\nExit codes: 0 done, 1 work failed, 2 plan or usage invalid, 3 a check failed, 4 a check could not be made, 5 outcome unknown, 69 unreachable, 75 locked, 77 permission missing, 124 timed out, 130/143 interrupted."),
		kong.Writers(a.out, a.err),
		kong.Exit(func(code int) { panic(exit{code: code}) }),
		kong.Bind(a),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
	if err != nil {
		return fmt.Errorf("make the command tree: %w", err)
	}
	adjustJob(parser.Model.Node)
	if completing() {
		return completeLine(parser, a.out)
	}
	return parseAndRun(parser, args)
}

// needsKinds tells whether a command line can concern the commands that are made from the kinds: they take longer to make than all others
// together.
func needsKinds(args []string) bool {
	return completing() || len(args) == 0 || args[0] == "run" || strings.HasPrefix(args[0], "-")
}

// parseAndRun turns kong's exit after --help, and its complaints, into errors.
func parseAndRun(parser *kong.Kong, args []string) (err error) {
	defer func() {
		if r := recover(); r != nil {
			done, ok := r.(exit)
			if !ok {
				panic(r)
			}
			err = done
		}
	}()
	if len(args) == 0 {
		args = []string{"--help"}
	}
	ctx, err := parser.Parse(args)
	if err != nil && strings.HasPrefix(err.Error(), "unexpected argument") {
		switch {
		case isJob(args):
			return usage(fmt.Errorf("%w: what runs in the job stands behind --, as in `plan run job ./report -- python report.py`", err))
		case args[0] == "secret": // what was meant as a value is not repeated
			return usage(errors.New("there is an argument too many; a value is never an argument: --from-file KEY=PATH, --from-dir DIR, --from-stdin KEY or --prompt KEY say where it is"))
		}
	}
	if err != nil {
		return usage(fmt.Errorf("%w; `plan %s--help` tells more", err, verb(parser.Model.Node, args)))
	}
	return ctx.Run()
}

// verb is the command of a command line with a blank behind it, for messages: only words that the command tree has, for what stands
// behind a mistyped flag may be a secret.
func verb(at *kong.Node, args []string) string {
	for _, child := range at.Children {
		if len(args) > 0 && child.Name == args[0] {
			return child.Name + " " + verb(child, args[1:])
		}
	}
	return ""
}

// clearEmptyVariables makes an empty PLAN_ variable an unset one: a ConfigMap cannot leave a key out.
func clearEmptyVariables() {
	for _, entry := range os.Environ() {
		if name, value, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "PLAN_") && value == "" {
			os.Unsetenv(name)
		}
	}
}
