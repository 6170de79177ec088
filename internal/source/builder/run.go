package builder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"plan/internal/printable"
	"plan/schema"
)

const (
	maxLine = 4 << 10 // bytes of a line that are kept
	maxTail = 20      // lines that an error shows
	maxOut  = 64 << 10

	// grace is how long a builder may take to put its things in order when it is to end, and how long one that has ended may leave
	// its output open.
	grace = 2 * time.Second
)

// execute runs a command as the leader of a process group, without stdin. When ctx ends, the group gets SIGTERM, so that
// builders can unmount and remove what they made, and after grace SIGKILL.
func execute(ctx context.Context, path string, args, env []string, out, err io.Writer) error {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = out, err
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = grace
	ended := cmd.Run()
	if ctx.Err() != nil {
		if cmd.Process != nil {
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // whoever is left
		}
		return context.Cause(ctx)
	}
	if errors.Is(ended, exec.ErrWaitDelay) {
		return nil // it was successful and left a process behind, as podman does on purpose
	}
	return ended
}

// tell is the first line that a command prints; the error has what it said instead.
func (t tool) tell(ctx context.Context, args ...string) (string, error) {
	inner, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	var out, complaint head
	err := execute(inner, t.path, args, nil, &out, &complaint)
	switch line := out.line(); {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case inner.Err() != nil:
		return "", fmt.Errorf("no answer within %s", schema.FormatDuration(answerWithin))
	case err != nil && complaint.text() != "":
		return "", errors.New(complaint.text())
	case err != nil:
		return "", err
	case line == "" || line == "<no value>":
		return "", errors.New("no version")
	default:
		return line, nil
	}
}

// run runs a step of a build, and logs what it prints.
func (j *job) run(ctx context.Context, step string, env []string, args ...string) error {
	out := &lines{log: j.log}
	err := execute(ctx, j.tool.path, args, env, out, out)
	out.end()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s with %s: %w", step, j.tool.kind, err)
	}
	return j.failed(step, err, out.tail)
}

// lines cuts output into lines.
type lines struct {
	log  func(string)
	kept []byte
	back bool // the last byte was a carriage return
	tail []string
}

// Write never fails.
func (l *lines) Write(p []byte) (int, error) {
	for _, b := range p {
		switch {
		case b == '\n':
			l.end()
			continue
		case l.back && b != '\r': // what a terminal would overwrite
			l.kept = l.kept[:0]
		}
		if l.back = b == '\r'; !l.back && len(l.kept) < maxLine {
			l.kept = append(l.kept, b)
		}
	}
	return len(p), nil
}

// end ends the line.
func (l *lines) end() {
	line := string(l.kept)
	l.kept, l.back = l.kept[:0], false
	if line == "" {
		return
	}
	if l.log != nil {
		l.log(line)
	}
	if strings.Contains(line, ": Retrying in ") { // docker counts seconds down
		return
	}
	if l.tail = append(l.tail, line); len(l.tail) > maxTail {
		l.tail = l.tail[1:]
	}
}

// head keeps the first bytes of what is written.
type head struct{ kept []byte }

// Write never fails.
func (h *head) Write(p []byte) (int, error) {
	h.kept = append(h.kept, p[:min(len(p), maxOut-len(h.kept))]...)
	return len(p), nil
}

func (h *head) line() string {
	first, _, _ := strings.Cut(strings.TrimSpace(string(h.kept)), "\n")
	return printable.String(first)
}

// text is all of it as one line, for an error.
func (h *head) text() string { return oneLine(string(h.kept)) }

func oneLine(s string) string {
	const most = 500
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return printable.String(s)
}
