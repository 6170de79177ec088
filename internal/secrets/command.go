package secrets

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"plan/internal/printable"
	"plan/schema"
)

// maxComplaint is how much of what a command writes to stderr is kept: its end, in bytes.
const maxComplaint = 1 << 10

// leftBehind is how long a command that has ended may leave its output open to processes that it started.
const leftBehind = time.Second

var (
	errNoValue = errors.New("the command gave no value")
	errHeld    = errors.New("the command ended and left a process behind that holds its output")
)

// runCommand gives what a command prints, uncleaned but bounded. The command gets this process's environment, /dev/null as stdin and base
// as working directory; it leads a process group, which is killed as a whole when ctx ends, the time is up or it prints too
// much. complaint is the end of its stderr, as text that may hold anything.
func runCommand(ctx context.Context, e Exec, base string) (out, complaint string, err error) {
	words := e.Command.Split()
	name, err := commandPath(words[0], base)
	if err != nil {
		return "", "", err
	}
	inner, cancel := context.WithTimeout(ctx, e.Timeout)
	defer cancel()
	stdout, stderr := &head{left: MaxSize + len("\r\n"), full: cancel}, new(tail)
	cmd := exec.CommandContext(inner, name, words[1:]...)
	cmd.Args[0] = words[0]
	cmd.Dir, cmd.Stdout, cmd.Stderr = base, stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = leftBehind
	err = cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // whoever is left may have another group
	}
	return string(stdout.kept), stderr.String(), howItEnded(ctx, inner, e, stdout.over, err)
}

// commandPath finds a command: by PATH, or with a slash in its name in the plan's folder. The working directory is never looked at.
func commandPath(name, base string) (string, error) {
	if !strings.Contains(name, "/") {
		return exec.LookPath(name)
	}
	return filepath.Abs(absolute(base, name))
}

// howItEnded puts an end into words that hold neither arguments nor output.
func howItEnded(ctx, inner context.Context, e Exec, over bool, err error) error {
	ended, isExit := errors.AsType[*exec.ExitError](err)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case over:
		return errTooLong
	case err == nil:
		return nil
	case inner.Err() != nil:
		return fmt.Errorf("%w within %s and was killed", errNoValue, schema.FormatDuration(e.Timeout))
	case errors.Is(err, exec.ErrWaitDelay):
		return errHeld
	case isExit && ended.Exited():
		return fmt.Errorf("%w and ended with exit code %d", errNoValue, ended.ExitCode())
	case isExit:
		return fmt.Errorf("%w and ended by %s", errNoValue, ended.ProcessState)
	}
	return err
}

// head keeps the first bytes that are written to it, and calls full when there are more than it has place for. It embeds no
// bytes.Buffer, whose ReadFrom would take everything.
type head struct {
	kept []byte
	left int
	over bool
	full func()
}

// Write never fails: whoever writes too much is ended by full.
func (h *head) Write(p []byte) (int, error) {
	n := min(len(p), h.left)
	h.left -= n
	h.kept = append(h.kept, p[:n]...)
	if n < len(p) && !h.over {
		h.over = true
		h.full()
	}
	return len(p), nil
}

// tail keeps the last bytes that are written to it.
type tail struct {
	kept []byte
	cut  bool
}

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if more := len(t.kept) - maxComplaint; more > 0 {
		t.kept, t.cut = append(t.kept[:0], t.kept[more:]...), true
	}
	return len(p), nil
}

// String is what was kept. A line, or else a word, that lacks its beginning is left out: it may be a part of a secret, which nobody recognizes.
func (t *tail) String() string {
	text := strings.ToValidUTF8(string(t.kept), "")
	if !t.cut {
		return text
	}
	for _, end := range []string{"\n", " "} {
		if _, whole, ok := strings.Cut(text, end); ok {
			return whole
		}
	}
	return ""
}

// readCommands runs the commands among wanted, in their order, each once. One that fails is not run again.
func (r *Resolver) readCommands(ctx context.Context, wanted []Source) []*Error {
	var problems []*Error
	for _, s := range wanted {
		switch {
		case !isCommand(s):
		case !r.o.AllowExec:
			problems = appendProblem(problems, r.forbidden(s))
		case ctx.Err() == nil:
			problems = appendProblem(problems, r.readCommand(ctx, s))
		}
	}
	return problems
}

func (r *Resolver) readCommand(ctx context.Context, s Source) *Error {
	out, complaint, err := runCommand(ctx, s.Exec, cmp.Or(r.o.BaseDir, "."))
	value := ""
	if err == nil {
		value, err = clean(out)
	}
	if err == nil {
		r.keep(s, value)
		return nil
	}
	e := &Error{Field: joinFields(r.fields[s]), Source: s.String(), Kind: commandKind(err), Err: withoutPath(err)}
	complaint = NewMasker(out).Mask(r.o.Masker.Mask(complaint)) // half a value is none of anybody's business either
	if words := strings.Fields(complaint); len(words) > 0 {
		e.Next = "it said: " + printable.String(strings.Join(words, " "))
	} else if e.Kind == Missing {
		e.Next = "a name without a slash is looked for in PATH, one with a slash in the plan file's folder"
	}
	return e
}

// forbidden is the refusal of a command that was not allowed, nil for any other source.
func (r *Resolver) forbidden(s Source) *Error {
	if !isCommand(s) || r.o.AllowExec {
		return nil
	}
	return &Error{
		Field: joinFields(r.fields[s]), Source: s.String(), Kind: Invalid, Err: errors.New("commands run only with --allow-exec; nothing was run"),
		Next: "give --allow-exec, or set PLAN_ALLOW_EXEC=true, if you trust this plan with running it",
	}
}

// ExecTimeout is the longest that all commands together may take: the sum of their timeouts, but a day at most.
func (r *Resolver) ExecTimeout() time.Duration {
	var total time.Duration
	for _, s := range r.Sources() {
		total = min(schema.Day, total+min(schema.Day, s.Exec.Timeout))
	}
	return total
}

func commandKind(err error) Kind {
	switch {
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return Missing
	case errors.Is(err, os.ErrPermission):
		return Denied
	case errors.Is(err, errNoValue):
		return Unreachable
	}
	return Invalid
}
