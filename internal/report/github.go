package report

import (
	"fmt"
	"io"
	"strings"

	"plan/engine"
	"plan/internal/printable"
	"plan/schema"
)

// Annotation is a workflow command of GitHub Actions that marks a place in a file. Its escapes keep a value from ending the command or
// beginning another. Level is error, warning or notice.
func Annotation(level, file string, at schema.Pos, message string) string {
	data := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	place := "file=" + property.Replace(file)
	if at.Line > 0 {
		place += fmt.Sprintf(",line=%d,col=%d", at.Line, at.Col)
	}
	return printable.String("::" + level + " " + place + "::" + data.Replace(message))
}

// GitHub annotates the steps of a plan that did not end well. It goes beside Text.
type GitHub struct {
	Out io.Writer

	file  string
	steps map[string]schema.Pos
	err   error
}

// Header keeps the name of the file.
func (g *GitHub) Header(h Header) { g.file = h.File }

// Event annotates steps as they end.
func (g *GitHub) Event(e engine.Event) {
	switch e := e.(type) {
	case engine.RunStarted:
		g.steps = make(map[string]schema.Pos, len(e.Steps))
		for _, s := range e.Steps {
			g.steps[s.ID] = s.Pos
		}
	case engine.StepFinished:
		level := ""
		switch e.Result.Outcome {
		case engine.Failed, engine.TimedOut, engine.Lost:
			level = "error"
		case engine.Ignored:
			level = "warning"
		default:
			return
		}
		name := stepName(e.Result.ID, e.Result.Instance)
		_, err := fmt.Fprintln(g.Out, Annotation(level, g.file, g.steps[e.Result.ID], "step "+name+": "+Describe(e.Result)))
		if g.err == nil {
			g.err = err
		}
	}
}

// Close tells whether every line could be written.
func (g *GitHub) Close() error { return g.err }
