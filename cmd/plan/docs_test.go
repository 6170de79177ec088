package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// documents are those whose blocks must be true.
func documents(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"README.md", "docs/*.md", "docs/*/*.md", "steps/*/README.md", "test/lab/README.md"} {
		found, err := filepath.Glob(filepath.Join("..", "..", pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("no documents %s: %v", pattern, err)
		}
		all = append(all, found...)
	}
	return all
}

// block is a fenced block of a document. What is done with it is said by its language, or by the comment before it:
//
//	<!-- not run: REASON -->       nothing
//	<!-- file: NAME -->            a whole plan, which the shell blocks after it find as NAME
//	<!-- fragment of FRAME -->     a part of a plan; see frames
//	<!-- each line of FRAME -->    a part of a plan per line
//	<!-- exits: CODE -->           a shell block that ends with another code than 0
type block struct {
	line           int
	language, mark string
	text           string
}

var comment = regexp.MustCompile(`^\s*<!-- (.*) -->$`)

// blocks finds a document's fenced blocks. Indented ones have no language, so they are a fault.
func blocks(t *testing.T, name, text string) (list []block) {
	t.Helper()
	var open *block
	mark, fence, inList, blank := "", "", false, true
	for i, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimSpace(line)
		switch {
		case open != nil && trimmed == fence:
			list, open, mark = append(list, *open), nil, ""
		case open != nil:
			open.text += line + "\n"
		case strings.HasPrefix(trimmed, "```"):
			fence = trimmed[:len(trimmed)-len(strings.TrimLeft(trimmed, "`"))]
			open = &block{line: i + 1, language: strings.TrimPrefix(trimmed, fence), mark: mark}
		case comment.MatchString(line):
			mark = comment.FindStringSubmatch(line)[1]
		case strings.HasPrefix(line, "    ") && blank && !inList:
			t.Errorf("%s:%d: an indented block; fence it", name, i+1)
		case trimmed != "" && !strings.HasPrefix(line, " "):
			mark, inList = "", strings.HasPrefix(line, "- ") || strings.Contains(line[:min(4, len(line))], ". ")
		}
		blank = trimmed == "" || strings.HasPrefix(line, "    ") && blank
	}
	if open != nil {
		t.Errorf("%s:%d: the block has no end", name, open.line)
	}
	return list
}

// TestDocumentsAreTrue validates every plan that the documents show, and runs every command.
func TestDocumentsAreTrue(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, file := range documents(t) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.ToSlash(strings.TrimPrefix(file, filepath.Join("..", "..")+string(filepath.Separator)))
		list := blocks(t, name, string(data))
		seen += len(list)
		if len(list) > 0 {
			t.Run(name, func(t *testing.T) { checkBlocks(t, name, list) })
		}
	}
	if seen < 10 {
		t.Errorf("only %d blocks found; the test looks at the wrong folder", seen)
	}
}

func checkBlocks(t *testing.T, name string, list []block) {
	var env *testscript.Env // made when a block is run: it has servers
	started := func() *testscript.Env {
		if env == nil {
			env = &testscript.Env{WorkDir: t.TempDir(), Vars: slices.Clone(os.Environ())}
			if err := newWorld(t).setup(env); err != nil {
				t.Fatal(err)
			}
			env.Setenv("PLAN_STATE_DIR", filepath.Join(env.WorkDir, "state"))
		}
		return env
	}
	for _, b := range list {
		verb, rest, _ := strings.Cut(b.mark, ": ")
		switch {
		case verb == "not run" && rest != "":
		case b.language == "yaml" && verb == "file":
			write(t, started(), rest, b.text)
			validate(t, name, b, b.text)
		case b.language == "yaml":
			for _, plan := range whole(t, name, b) {
				validate(t, name, b, plan)
			}
		case b.language == "json":
			if !json.Valid([]byte(b.text)) {
				t.Errorf("%s:%d: it is not JSON", name, b.line)
			}
		case b.language == "sh":
			runBlock(t, started(), name, b, rest)
		default:
			t.Errorf("%s:%d: nobody checks a block in %q; mark it with <!-- not run: REASON -->", name, b.line, b.language)
		}
	}
}

func write(t *testing.T, env *testscript.Env, name, text string) {
	t.Helper()
	path := filepath.Join(env.WorkDir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// runBlock runs a shell block where the document's earlier blocks have run. want is its exit code, empty for 0.
func runBlock(t *testing.T, env *testscript.Env, name string, b block, want string) {
	t.Helper()
	command := exec.Command("bash", "-euo", "pipefail", "-c", b.text)
	command.Dir, command.Env = env.WorkDir, env.Vars
	out, err := command.CombinedOutput()
	got := "0"
	if failed, ok := err.(*exec.ExitError); ok {
		got = strings.TrimPrefix(failed.Error(), "exit status ")
	} else if err != nil {
		t.Fatal(err)
	}
	if got != cmp.Or(want, "0") {
		t.Errorf("%s:%d: it ends with %s:\n%s", name, b.line, got, out)
	}
}

// validate loads a plan as `plan validate` does.
func validate(t *testing.T, name string, b block, plan string) {
	t.Helper()
	var out, talk bytes.Buffer
	if code := run([]string{"validate", "-"}, strings.NewReader(plan), &out, &talk); code != 0 {
		t.Errorf("%s:%d: %s\nof the plan\n%s", name, b.line, talk.String(), plan)
	}
}

const envelope = "apiVersion: plan/v1\nkind: Plan\nmetadata: {name: x}\nspec:\n"

const anyStep = "  steps:\n    - {id: any, uses: list-pvs}\n"

// frames are plans around a fragment, which stands in them as deep as the number says.
var frames = map[string]struct {
	before, after string
	depth         int
}{
	"spec":           {envelope, anyStep, 2},
	"spec.cluster":   {envelope + "  cluster:\n", anyStep, 4},
	"spec.params":    {envelope + "  params:\n", anyStep, 4},
	"spec.stores":    {envelope + "  stores:\n", anyStep, 4},
	"spec.secrets":   {envelope + "  secrets:\n", anyStep, 4},
	"spec.steps":     {envelope + "  steps:\n", "", 4},
	"spec.steps[]":   {envelope + "  steps:\n    - id: any\n      uses: list-pvs\n", "", 6},
	"with of notify": {envelope + "  steps:\n    - id: any\n      uses: notify\n      with:\n", "", 8},

	"with of run-job": {envelope + "  steps:\n    - id: any\n      uses: run-job\n      with:\n        image: docker.io/library/alpine:3.22\n", "", 8},
}

// whole makes plans of a block: it is one, or has its frame in the comment before it.
func whole(t *testing.T, name string, b block) []string {
	t.Helper()
	if strings.Contains(b.text, "apiVersion: plan/v1") {
		return []string{b.text}
	}
	parts := []string{b.text}
	frame, ok := strings.CutPrefix(b.mark, "fragment of ")
	if !ok {
		frame, ok = strings.CutPrefix(b.mark, "each line of ")
		parts = strings.Split(strings.TrimSpace(b.text), "\n")
	}
	f, known := frames[frame]
	if !ok || !known {
		t.Errorf("%s:%d: neither a plan nor a part of one; say <!-- fragment of FRAME -->, see frames in docs_test.go", name, b.line)
		return nil
	}
	var plans []string
	for _, part := range parts {
		indent := strings.Repeat(" ", f.depth)
		plans = append(plans, f.before+indent+strings.ReplaceAll(strings.TrimRight(part, "\n"), "\n", "\n"+indent)+"\n"+f.after)
	}
	return plans
}

var link = regexp.MustCompile(`\]\(([^)#:\s]+)(?:#[^)]*)?\)`)

// TestLinksLead follows the documents' links to files, but for the figures, which are there once `make bench` has measured.
func TestLinksLead(t *testing.T) {
	for _, file := range documents(t) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range link.FindAllStringSubmatch(string(data), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(file), filepath.FromSlash(found[1]))); err != nil {
				t.Errorf("%s has a link that leads nowhere: %v", file, err)
			}
		}
	}
}

// TestMigrationNamesEveryVariable finds the older tool's variables in the code that reads them.
func TestMigrationNamesEveryVariable(t *testing.T) {
	code, err := os.ReadFile("legacy.go")
	if err != nil {
		t.Fatal(err)
	}
	guide, err := os.ReadFile("../../docs/migration.md")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`getenv\("([A-Z0-9_]+)"\)`).FindAllStringSubmatch(string(code), -1)
	for _, v := range olderSettings {
		names = append(names, []string{"", v.variable})
	}
	if len(names) < 8 {
		t.Fatalf("only %d variables found in legacy.go", len(names))
	}
	for _, name := range names {
		if !bytes.Contains(guide, []byte("`"+name[1]+"`")) {
			t.Errorf("docs/migration.md does not name %s", name[1])
		}
	}
}
