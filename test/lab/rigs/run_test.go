package rigs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// hangs is when a run of the program is ended that should have ended long ago: after the run's own timeout, and all that comes before it.
const hangs = 4 * time.Minute

// command is the program in an environment of its own.
type command struct {
	binary string
	dir    string // working directory, with the state in a folder of it
	env    []string
	limit  time.Duration
}

func (r *rig) command(dir string, env ...string) (*command, error) {
	if err := os.MkdirAll(filepath.Join(dir, "tmp"), 0o700); err != nil {
		return nil, err
	}
	c := &command{binary: r.binary, dir: dir, limit: hangs}
	c.env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "XDG_STATE_HOME=" + filepath.Join(dir, "state"), "TMPDIR=" + filepath.Join(dir, "tmp"),
		"KUBECONFIG=" + r.Kubeconfig, "SSL_CERT_FILE=" + r.BundleFile, "BWS_SERVER_URL=" + r.Bitwarden.URL, "BWS_ACCESS_TOKEN=" + r.Bitwarden.Token,
		"RIG_ACCESS_KEY=" + r.S3.AccessKey, "RIG_SECRET_KEY=" + r.S3.SecretKey,
	}, env...)
	return c, nil
}

// with is c with more variables; the last of a name counts.
func (c command) with(env ...string) *command {
	c.env = slices.Concat(c.env, env)
	return &c
}

// write puts a file into the working directory.
func (c *command) write(name, text string) (string, error) {
	file := filepath.Join(c.dir, name)
	return file, os.WriteFile(file, []byte(text), 0o600)
}

// result is what a run left.
type result struct {
	args           []string
	code           int // -1: it was ended by a signal
	stdout, stderr string
	late           bool // it did not end in time, and was killed
}

func (c *command) start(args ...string) (*process, error) {
	p := &process{Cmd: exec.Command(c.binary, args...), ended: make(chan struct{})}
	p.Env, p.Dir, p.Stdout, p.Stderr = c.env, c.dir, &p.out, &p.err
	if err := p.Start(); err != nil {
		return nil, err
	}
	p.timer = time.AfterFunc(c.limit, func() { _ = p.Process.Kill() })
	go func() { _ = p.Wait(); close(p.ended) }() // how it ended is in ProcessState
	return p, nil
}

// process is a program that runs.
type process struct {
	*exec.Cmd
	out, err bytes.Buffer
	ended    chan struct{}
	timer    *time.Timer
}

func (p *process) end() result {
	<-p.ended
	return result{p.Args[1:], p.ProcessState.ExitCode(), p.out.String(), p.err.String(), !p.timer.Stop()}
}

func (c *command) run(args ...string) (result, error) {
	p, err := c.start(args...)
	if err != nil {
		return result{}, err
	}
	return p.end(), nil
}

// must runs and wants an exit code.
func (c *command) must(code int, args ...string) (result, error) {
	got, err := c.run(args...)
	if err == nil && got.code != code {
		err = got.fault("want exit %d", code)
	}
	return got, err
}

// fault is an error with all that the program said, but for the steps' outputs.
func (r result) fault(format string, args ...any) error {
	said := r.stdout
	if d, err := r.document(); err == nil {
		said = fmt.Sprintf("%s %s %s %s", d.Kind, d.Outcome, d.Verdict, d.Error)
		for _, s := range d.Steps {
			said += fmt.Sprintf("\n  %s: %s %s, attempt %d: %s %s", s.ID, s.Outcome, s.Verdict, s.Attempts, s.Reason, s.Error)
		}
	}
	return fmt.Errorf("%s: plan %s: exit %d\n%s\n%s", fmt.Sprintf(format, args...), strings.Join(r.args, " "), r.code, said, r.stderr)
}

// document is what -o json prints.
type document struct {
	Kind, Run, Outcome, Verdict, Error string
	ExitCode                           int
	Steps                              []step
}

type step struct {
	ID, Outcome, Verdict, Error, Reason string
	Attempts                            int
	Outputs                             map[string]any
}

func (r result) document() (d document, err error) {
	if err := json.Unmarshal([]byte(r.stdout), &d); err != nil {
		return d, fmt.Errorf("plan %s: exit %d, stdout is not JSON: %w\n%s\n%s", strings.Join(r.args, " "), r.code, err, r.stdout, r.stderr)
	}
	return d, nil
}

// step is the one of that id, or an empty one.
func (d document) step(id string) step {
	for _, s := range d.Steps {
		if s.ID == id {
			return s
		}
	}
	return step{}
}

func (s step) text(output string) string { v, _ := s.Outputs[output].(string); return v }
