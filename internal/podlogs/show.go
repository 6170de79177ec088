package podlogs

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"plan/internal/printable"
)

// Line is one line of a log, or something to say about the log in its place.
type Line struct {
	Pod, Container string
	Prefix         string    // which pod and container it is, for people
	Time           time.Time // when the runtime took it; with Notice that of the line before, if there is one
	Text           string    // as the container wrote it, without the newline
	Cut            int       // so many bytes at its end are left out, since a line may have MaxLine
	Notice         string    // instead of a line: what is to be said about the log
	Gap            bool      // with Notice: lines are missing here; else they are late
}

// String is one line to be printed, in which nothing the container wrote can steer a terminal, look like the beginning of a line, or be a
// command for a CI system, since it always stands behind the prefix. It is the same wherever it is printed to.
func (l Line) String() string { return l.show(l.Text) }

// show is String with another text.
func (l Line) show(text string) string {
	if l.Notice != "" {
		return "[plan: " + printable.Line(l.Notice) + "]"
	}
	if l.Cut == 0 {
		text = strings.TrimSuffix(text, "\r") // of a line that ended as lines do in Windows
	}
	shown := l.Prefix
	if text != "" {
		shown += " " + printable.Line(text)
	}
	if l.Cut > 0 {
		shown += fmt.Sprintf(" [plan: %d more bytes of this line are left out]", l.Cut)
	}
	return shown
}

// prefix names a container as people look for it: by the end of the pod's name that tells it from the others, which of an indexed Job
// begins with the index, and by its own name, unless it is the only one beside init containers.
func prefix(workload string, s State, c Container) string {
	name := cmp.Or(strings.TrimPrefix(s.Name, workload+"-"), s.Name)
	several := 0
	for _, one := range s.Containers {
		if !one.Init {
			several++
		}
	}
	if c.Init || several > 1 {
		name += " " + c.Name
	}
	return "[" + printable.Line(name) + "]"
}
