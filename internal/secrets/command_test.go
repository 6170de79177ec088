package secrets

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"plan/internal/errclass"
)

// script puts an executable into dir; it counts its runs in the file of its name with .runs.
func script(t *testing.T, dir, name, text string) {
	t.Helper()
	text = "#!/bin/sh\necho x >>" + name + ".runs\n" + text
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
}

func runs(t *testing.T, dir, name string) int {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name+".runs"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return strings.Count(string(data), "x")
}

func byCommand(words ...string) Source {
	return Source{Exec: Exec{Command: JoinWords(words...), Timeout: DefaultTimeout}}
}

// ask reads sources with a resolver that may run commands in dir.
func ask(t *testing.T, dir string, sources ...Source) (*Resolver, error) {
	t.Helper()
	r := NewResolver(Options{BaseDir: dir, LookupEnv: env(nil), AllowExec: true})
	for _, s := range sources {
		r.Add("with.url", s)
	}
	if err := r.ReadLoadTime(); err != nil {
		t.Fatal(err)
	}
	return r, r.ReadAll(t.Context(), Clients{}, sources)
}

func TestCommandRunsOncePerRun(t *testing.T) {
	dir := t.TempDir()
	script(t, dir, "get", "echo "+canary)
	r, err := ask(t, dir, byCommand("./get"), byCommand("./get"))
	for range 2 {
		err = errors.Join(err, r.ReadAll(t.Context(), Clients{}, r.Sources()))
	}
	if err != nil {
		t.Fatal(err)
	}
	s := byCommand("./get")
	if got, err := r.Value(Value{From: &s}); got != canary || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if n := runs(t, dir, "get"); n != 1 {
		t.Errorf("%d runs", n)
	}
	if got := r.Masker().Mask("it is " + canary); got != "it is ***" {
		t.Errorf("masked %q", got)
	}
}

// A command gets its arguments as they are, no input, the environment, and the plan's folder.
func TestCommandSeesWhatItShould(t *testing.T) {
	t.Setenv("OF_THE_USER", "inherited")
	dir := t.TempDir()
	tests := map[string]struct {
		command []string
		want    string
	}{
		"no shell":      {[]string{"printf", "%s|", "$(id)", "a b", "", "*"}, "$(id)|a b||*|"},
		"no input":      {[]string{"sh", "-c", `if read -r x; then echo "$x"; else echo none; fi`}, "none"},
		"environment":   {[]string{"sh", "-c", `echo "$OF_THE_USER"`}, "inherited"},
		"its folder":    {[]string{"pwd", "-P"}, must(filepath.EvalSymlinks(dir))},
		"its own group": {[]string{"sh", "-c", `test "$(ps -o pgid= -p $$ | tr -d ' ')" = $$ && echo yes`}, "yes"},
		"one newline":   {[]string{"printf", `v\n\n`}, "v\n"},
		"stderr is not": {[]string{"sh", "-c", "echo noise >&2; echo v"}, "v"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := byCommand(tc.command...)
			r, err := ask(t, dir, s)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := r.Value(Value{From: &s}); got != tc.want || err != nil {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

func must(s string, err error) string {
	if err != nil {
		panic(err)
	}
	return s
}

func TestCommandErrors(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "plain"), []byte("echo v"), 0o600); err != nil {
		t.Fatal(err)
	}
	script(t, dir, "get", "echo v")
	long := strconv.Itoa(MaxSize + 1)
	tests := map[string]struct {
		command []string
		kind    Kind
		want    string
	}{
		"unknown":         {[]string{"no-such-command-here", canary}, Missing, `read exec no-such-command-here: exec: "no-such-command-here": executable file not found in $PATH`},
		"not by folder":   {[]string{"get"}, Missing, "not found in $PATH"},
		"no such file":    {[]string{"./none", canary}, Missing, "read exec ./none: no such file or directory (a name without a slash"},
		"not executable":  {[]string{"./plain"}, Denied, "permission denied"},
		"exit code":       {[]string{"sh", "-c", "exit 3", canary}, Unreachable, "read exec sh: the command gave no value and ended with exit code 3"},
		"signal":          {[]string{"sh", "-c", "kill -TERM $$"}, Unreachable, "ended by signal: terminated"},
		"its words":       {[]string{"sh", "-c", `printf 'not\n\033[2Jlogged in' >&2; exit 1`}, Unreachable, `exit code 1 (it said: not \x1b[2Jlogged in)`},
		"value in stderr": {[]string{"sh", "-c", `v=canary-7f3a9; v="${v}c"; echo "$v"; echo "got $v" >&2; exit 1`}, Unreachable, "(it said: got ***)"},
		"empty":           {[]string{"true"}, Invalid, "is empty"},
		"only a newline":  {[]string{"echo"}, Invalid, "is empty"},
		"too long":        {[]string{"head", "-c", long, "/dev/zero"}, Invalid, "is longer than 64 KiB"},
		"endless":         {[]string{"yes"}, Invalid, "is longer than 64 KiB"},
		"not UTF-8":       {[]string{"printf", `\377\376`}, Invalid, "is not UTF-8"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := ask(t, dir, byCommand(tc.command...))
			kind, ok := Worst(err)
			if !ok || kind != tc.kind || !strings.HasPrefix(err.Error(), "with.url: read exec ") || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v: %v", kind, err)
			}
			if err != nil && strings.Contains(err.Error(), canary) {
				t.Errorf("an argument or a value is in %v", err)
			}
			if errclass.Classify(err).Class == errclass.Transient {
				t.Errorf("it would be run again: %v", err)
			}
		})
	}
}

func TestCommandOfTheLongestValue(t *testing.T) {
	s := byCommand("sh", "-c", fmt.Sprintf("head -c %d /dev/zero | tr '\\0' v; printf '\\r\\n'", MaxSize))
	r, err := ask(t, t.TempDir(), s)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := r.Value(Value{From: &s}); len(got) != MaxSize || err != nil {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// TestCommandIsKilledWithItsGroup waits for the end of the grandchild by the pipe that it holds.
func TestCommandIsKilledWithItsGroup(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "held")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	s := byCommand("sh", "-c", "sleep 600 >held & sleep 600")
	s.Exec.Timeout = 50 * time.Millisecond
	gone := make(chan error, 1)
	go func() {
		_, err := os.ReadFile(fifo) // ends when the last writer has ended
		gone <- err
	}()
	_, err := ask(t, dir, s)
	if kind, _ := Worst(err); kind != Unreachable || !strings.Contains(err.Error(), "gave no value within 50ms and was killed") {
		t.Errorf("%v: %v", kind, err)
	}
	if err := <-gone; err != nil {
		t.Error(err)
	}
}

func TestCommandThatLeavesAProcessBehind(t *testing.T) {
	_, err := ask(t, t.TempDir(), byCommand("sh", "-c", "sleep 600 & echo v"))
	if err == nil || !strings.Contains(err.Error(), "left a process behind") {
		t.Errorf("%v", err)
	}
}

func TestCommandEndsWithItsContext(t *testing.T) {
	r := NewResolver(Options{BaseDir: t.TempDir(), LookupEnv: env(nil), AllowExec: true})
	s := byCommand("sleep", "600")
	r.Add("f", s)
	ctx, cancel := context.WithCancelCause(t.Context())
	stopped := errors.New("interrupted")
	time.AfterFunc(20*time.Millisecond, func() { cancel(stopped) })
	err := r.ReadAll(ctx, Clients{}, r.Sources())
	if _, ok := Worst(err); ok || !errors.Is(err, stopped) {
		t.Errorf("%v", err)
	}
}

// Without leave nothing is run: not when the plan is loaded, not before the first step.
func TestCommandsNeedLeave(t *testing.T) {
	dir := t.TempDir()
	script(t, dir, "get", "echo v")
	r := NewResolver(Options{BaseDir: dir, LookupEnv: env(nil)})
	r.Add("ping.with.url", byCommand("./get", canary))
	for _, err := range []error{r.ReadLoadTime(), r.ReadAll(t.Context(), Clients{}, r.Sources())} {
		kind, _ := Worst(err)
		if err == nil || kind != Invalid || !strings.HasPrefix(err.Error(), "ping.with.url: read exec ./get: commands run only with --allow-exec") {
			t.Errorf("%v: %v", kind, err)
		}
		if err != nil && strings.Contains(err.Error(), canary) {
			t.Errorf("an argument is in %v", err)
		}
	}
	if n := runs(t, dir, "get"); n != 0 {
		t.Errorf("%d runs", n)
	}
}

func TestAccessTokenFromACommand(t *testing.T) {
	w := newWorld(t)
	if err := os.WriteFile(filepath.Join(w.dir, "token"), []byte(w.kube.values[tokenSource.Kubernetes]), 0o600); err != nil {
		t.Fatal(err)
	}
	from := byCommand("cat", "token")
	w.spec.AccessToken = Secret{&from}
	r := NewResolver(Options{BaseDir: w.dir, LookupEnv: env(nil), Bitwarden: w.spec, AllowExec: true})
	s := byID(w.ids[1])
	r.Add("f", s)
	if err := w.read(t, r); err != nil {
		t.Fatal(err)
	}
	if got, err := r.Value(Value{From: &s}); got != canary+"-2" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if got := r.ExecTimeout(); got != DefaultTimeout {
		t.Errorf("timeout %s", got)
	}
}

func TestTailKeepsWholeLines(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"short":     {"a b\nc", "a b\nc"},
		"long":      {strings.Repeat("x", maxComplaint) + "\nthe end", "the end"},
		"one line":  {strings.Repeat("x", maxComplaint) + " the end", "the end"},
		"one word":  {strings.Repeat("x", maxComplaint+1), ""},
		"not UTF-8": {"a\xffb", "ab"},
	}
	for name, tc := range tests {
		kept := new(tail)
		for i := range tc.text {
			_, _ = kept.Write([]byte(tc.text[i : i+1]))
		}
		if got := kept.String(); got != tc.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}
