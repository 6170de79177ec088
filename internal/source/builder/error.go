package builder

import (
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strings"

	"plan/internal/printable"
)

// Error says that a builder did not build or push, why, and what it printed last.
type Error struct {
	Step  string   // "build" or "push"
	Code  int      // exit code, -1 where a signal ended it
	Lines []string // the last that it printed, made safe to print; at most 20

	subject, why string
	denied       bool
}

// Error gives all of it; behind the first line come Lines, each indented.
func (e *Error) Error() string {
	text := e.subject + ": " + e.why
	if len(e.Lines) > 0 {
		text += "\n  " + strings.Join(e.Lines, "\n  ")
	}
	return text
}

// StatusCode is 403 where a registry denied the push, else 0.
func (e *Error) StatusCode() int {
	if e.denied {
		return http.StatusForbidden
	}
	return 0
}

// failed makes an error of how a step ended.
func (j *job) failed(step string, err error, tail []string) error {
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return fmt.Errorf("run %s: %w", j.tool.path, err)
	}
	e := &Error{Step: step, Code: exit.ExitCode(), why: fmt.Sprintf("%s ended with %s; the last it said:", j.tool.kind, exit.ProcessState)}
	for _, line := range tail {
		e.Lines = append(e.Lines, printable.String(line))
	}
	if len(tail) == 0 {
		e.why = fmt.Sprintf("%s ended with %s and said nothing", j.tool.kind, exit.ProcessState)
	}
	if j.tool.buildx && says(tail, "failed to push", "> pushing ", "push access denied") {
		e.Step, tail = stepPush, tail[len(tail)-1:] // the line that sums it up: above stands what the build printed
	}
	e.subject = "build " + j.dockerfile
	if e.Step == stepPush {
		j.explainPush(e, tail)
	}
	return e
}

// explainPush says what to do about a push.
func (j *job) explainPush(e *Error, tail []string) {
	e.subject = "push to " + j.push.String()
	host := j.push.Registry()
	switch {
	case says(tail, "denied", "unauthorized", "authentication required", "no basic auth credentials", "forbidden", "insufficient_scope", "invalid username/password"):
		login := j.tool.kind + " login " + host
		if j.tool.kind == Docker && host == "docker.io" {
			login = "docker login"
		}
		e.denied = true
		e.why = fmt.Sprintf("denied: log in as somebody who may push there with %q; %s said:", login, j.tool.kind)
	case says(tail, "x509:", "server gave http response to https client", "http response to https"):
		e.why = fmt.Sprintf("%s does not trust %s: %s; it said:", j.tool.kind, host, j.trust(host))
	}
}

// trust is what to do about a registry that the builder does not trust.
func (j *job) trust(host string) string {
	switch {
	case j.tool.kind != Docker:
		return fmt.Sprintf("put its CA into /etc/containers/certs.d/%s, or push with insecure", host)
	case j.tool.buildx:
		return fmt.Sprintf("put its CA into /etc/docker/certs.d/%s or name it among insecure-registries in /etc/docker/daemon.json, or push with insecure", host)
	}
	return fmt.Sprintf("put its CA into /etc/docker/certs.d/%s, or name it among insecure-registries in /etc/docker/daemon.json", host)
}

// says looks for words in lines, in any case.
func says(lines []string, words ...string) bool {
	return slices.ContainsFunc(lines, func(line string) bool {
		line = strings.ToLower(line)
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(line, w) })
	})
}
