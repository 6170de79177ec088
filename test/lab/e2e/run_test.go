package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// hangs bounds a run of the program that should have ended long ago, so that the test fails with its output.
const hangs = 90 * time.Second

// program is the plan program in an environment of its own: nothing of the tester's, a state folder for the test.
type program struct {
	rig  *rig
	dir  string // working directory
	home string
	env  []string
}

// result is what a run left.
type result struct {
	code           int
	stdout, stderr string
}

func (r *rig) program(t *testing.T, env ...string) *program {
	t.Helper()
	p := &program{rig: r, dir: t.TempDir(), home: t.TempDir()}
	p.env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + p.home, "XDG_STATE_HOME=" + filepath.Join(p.home, "state"), "TMPDIR=" + t.TempDir(),
		"KUBECONFIG=" + r.Kubeconfig, "SSL_CERT_FILE=" + r.BundleFile, "BWS_SERVER_URL=" + r.Bitwarden.URL,
	}, env...)
	return p
}

// with is p with more variables; the last of a name counts.
func (p *program) with(env ...string) *program {
	q := *p
	q.env = slices.Concat(p.env, env)
	return &q
}

// without is p without some variables.
func (p *program) without(names ...string) *program {
	q := *p
	q.env = slices.DeleteFunc(slices.Clone(p.env), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.Contains(names, name)
	})
	return &q
}

// write puts a plan into the working directory.
func (p *program) write(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(p.dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// process is a program that runs.
type process struct {
	*exec.Cmd
	out, err bytes.Buffer
	done     chan struct{}
	timer    *time.Timer
}

func (p *program) start(t *testing.T, args ...string) *process {
	t.Helper()
	c := &process{Cmd: exec.Command(p.rig.binary, args...), done: make(chan struct{})}
	c.Env, c.Dir, c.Stdout, c.Stderr = p.env, p.dir, &c.out, &c.err
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	c.timer = time.AfterFunc(hangs, func() { c.Process.Kill() })
	go func() { c.Cmd.Wait(); close(c.done) }()
	t.Cleanup(func() { c.Process.Kill(); <-c.done })
	return c
}

func (c *process) wait(t *testing.T) result {
	t.Helper()
	<-c.done
	if !c.timer.Stop() {
		t.Fatalf("plan %q did not end within %s\n%s\n%s", c.Args[1:], hangs, c.out.String(), c.err.String())
	}
	return result{c.ProcessState.ExitCode(), c.out.String(), c.err.String()}
}

func (p *program) run(t *testing.T, args ...string) result {
	t.Helper()
	return p.start(t, args...).wait(t)
}

// kubectlIn runs kubectl as the administrator, in a folder. It must succeed.
func (r *rig) kubectlIn(t *testing.T, dir, in string, args ...string) (out, talk string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), r.Kubectl, args...)
	cmd.Env, cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = append(os.Environ(), "KUBECONFIG="+r.Kubeconfig), dir, strings.NewReader(in), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("kubectl %s: %v\n%s%s", strings.Join(args, " "), err, stdout.String(), stderr.String())
	}
	return stdout.String(), stderr.String()
}

// tick waits for the next full second: backups of one second have no order but that of their keys.
func tick() { time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second))) }

// must runs and wants an exit code.
func (p *program) must(t *testing.T, code int, args ...string) result {
	t.Helper()
	got := p.run(t, args...)
	if got.code != code {
		t.Fatalf("plan %s: exit %d, want %d\nstdout:\n%s\nstderr:\n%s", strings.Join(args, " "), got.code, code, got.stdout, got.stderr)
	}
	return got
}

// all is everything the program said.
func (r result) all() string { return r.stdout + r.stderr }

// says wants texts in what the program said.
func (r result) says(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(r.all(), text) {
			t.Errorf("does not say %q:\n%s", text, r.all())
		}
	}
}

// document is what -o json prints.
type document struct {
	Kind     string
	Run      string
	Journal  string
	Outcome  string
	Verdict  string
	ExitCode int
	Error    string
	Hint     string
	Cluster  struct{ Name, UID string }
	Steps    []stepDocument
}

type stepDocument struct {
	ID       string
	Outcome  string
	Verdict  string
	Error    string
	Attempts int
	Outputs  map[string]any
}

// json reads what -o json printed.
func (r result) json(t *testing.T) (d document) {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(r.stdout))
	if err := dec.Decode(&d); err != nil {
		t.Fatalf("stdout is not JSON: %v\n%s\n%s", err, r.stdout, r.stderr)
	}
	if dec.More() {
		t.Errorf("stdout has more than one document:\n%s", r.stdout)
	}
	return d
}

func (d document) step(t *testing.T, id string) stepDocument {
	t.Helper()
	i := slices.IndexFunc(d.Steps, func(s stepDocument) bool { return s.ID == id })
	if i < 0 {
		t.Fatalf("no step %s in %+v", id, d)
	}
	return d.Steps[i]
}

// text is an output of type string, number one of type integer, list one that is a list of strings.
func (s stepDocument) text(t *testing.T, name string) string {
	t.Helper()
	v, ok := s.Outputs[name].(string)
	if !ok {
		t.Fatalf("step %s has no text %s: %v", s.ID, name, s.Outputs)
	}
	return v
}

func (s stepDocument) number(t *testing.T, name string) int {
	t.Helper()
	v, ok := s.Outputs[name].(float64)
	if !ok {
		t.Fatalf("step %s has no number %s: %v", s.ID, name, s.Outputs)
	}
	return int(v)
}

func (s stepDocument) list(t *testing.T, name string) (list []string) {
	t.Helper()
	items, ok := s.Outputs[name].([]any)
	if !ok {
		t.Fatalf("step %s has no list %s: %v", s.ID, name, s.Outputs)
	}
	for _, item := range items {
		list = append(list, item.(string))
	}
	return list
}

// commandLines collects the arguments of every process of the machine until stop.
func commandLines() (stop func() string) {
	seen, end := map[string]bool{}, make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-end:
				return
			case <-time.After(5 * time.Millisecond):
			}
			files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
			for _, file := range files {
				if text, err := os.ReadFile(file); err == nil || errors.Is(err, os.ErrNotExist) {
					seen[string(text)] = true
				}
			}
		}
	})
	return func() string {
		close(end)
		wg.Wait()
		var b strings.Builder
		for line := range seen {
			b.WriteString(strings.ReplaceAll(line, "\x00", " ") + "\n")
		}
		return b.String()
	}
}
