package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode"

	"github.com/alecthomas/kong"
	"github.com/posener/complete"
)

// CompletionCmd prints what makes a shell complete plan's commands and flags.
type CompletionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// completionScripts make a shell ask the program itself what could come next: they run it with COMP_LINE set.
var completionScripts = map[string]string{
	"bash": "complete -o default -C %[2]s plan\n",
	"zsh":  "autoload -U +X bashcompinit && bashcompinit\ncomplete -o nospace -C %[2]s plan\n",
	"fish": "function __complete_plan\n    set -lx COMP_LINE (commandline -cp)\n    test -z (commandline -ct)\n    and set COMP_LINE \"$COMP_LINE \"\n    %[1]s\nend\ncomplete -f -c plan -a \"(__complete_plan)\"\n",
}

// Run is `plan completion`.
func (c *CompletionCmd) Run(a *app) error {
	self, err := os.Executable()
	if err != nil {
		self = "plan"
	}
	_, err = fmt.Fprintf(a.out, completionScripts[c.Shell], shellQuote(self), shellQuote(shellQuote(self)))
	return err
}

// shellQuote is a word as shells read it back. Bash and zsh read what stands behind complete -C twice.
func shellQuote(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("/._-+:@%", r)
	}) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// completing tells whether a shell asks what could come next.
func completing() bool { return os.Getenv("COMP_LINE") != "" }

// completeLine answers it.
func completeLine(parser *kong.Kong, out io.Writer) error {
	var found bytes.Buffer
	c := complete.New("plan", completionTree(parser.Model.Node))
	c.Out = &found
	c.Complete()
	lines := slices.Sorted(strings.Lines(found.String()))
	_, err := io.WriteString(out, strings.Join(lines, ""))
	return err
}

// completionTree is the command tree as the library wants it. Arguments are plans.
func completionTree(node *kong.Node) complete.Command {
	command := complete.Command{Sub: complete.Commands{}, Flags: complete.Flags{}}
	for _, child := range node.Children {
		if !child.Hidden {
			command.Sub[child.Name] = completionTree(child)
		}
	}
	for _, group := range node.AllFlags(true) {
		for _, flag := range group {
			var values complete.Predictor = complete.PredictAnything
			switch {
			case flag.IsBool():
				values = complete.PredictNothing
			case flag.Enum != "":
				values = complete.PredictSet(flag.EnumSlice()...)
			case strings.Contains(flag.PlaceHolder, "|"):
				values = complete.PredictSet(strings.Split(flag.PlaceHolder, "|")...)
			case strings.HasSuffix(flag.PlaceHolder, "FILE") || strings.HasSuffix(flag.PlaceHolder, "PATH"):
				values = complete.PredictFiles("*")
			case flag.PlaceHolder == "DIR":
				values = complete.PredictDirs("*")
			}
			command.Flags["--"+flag.Name] = values
			if flag.Short != 0 {
				command.Flags["-"+string(flag.Short)] = values
			}
		}
	}
	if len(node.Positional) > 0 {
		command.Args = arguments(node)
	}
	return command
}

// arguments is what may stand behind a command: what it knows by name, else plans.
func arguments(node *kong.Node) complete.Predictor {
	argument := node.Positional[0]
	switch {
	case argument.Enum != "":
		return complete.PredictSet(argument.EnumSlice()...)
	case node.Name == "explain":
		return complete.PredictFunc(func(complete.Args) []string { return explainable() })
	case node.Name == "init":
		return complete.PredictSet(templateNames()...)
	case node.Name == "job":
		return complete.PredictFiles("*")
	case node.Parent.Name == "jobs" || node.Parent.Name == "secret":
		return complete.PredictNothing // only the cluster knows the names
	}
	return complete.PredictOr(complete.PredictFiles("*.yaml"), complete.PredictFiles("*.yml"))
}

// explainable are the paths that `plan explain` knows.
func explainable() []string {
	lang, err := newLanguage()
	if err != nil {
		return nil
	}
	var paths []string
	for _, p := range lang.Properties("") {
		paths = append(paths, p.Name())
	}
	for name := range lang.kinds {
		paths = append(paths, name)
		for _, p := range lang.Properties("kind." + name) {
			paths = append(paths, name+"."+p.Name())
		}
	}
	slices.Sort(paths)
	return paths
}
