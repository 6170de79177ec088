package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// examples are the whole plans that people may begin with.
func examples(t *testing.T) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(filepath.Join("..", "..", "examples"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".yaml") {
			all = append(all, path)
		}
		return err
	})
	if err != nil || len(all) < 10 {
		t.Fatalf("%d examples: %v", len(all), err)
	}
	return all
}

// offlineRun runs a command that must succeed and say nothing on stderr.
func offlineRun(t *testing.T, args ...string) string {
	t.Helper()
	var out, talk bytes.Buffer
	if code := run(args, strings.NewReader(""), &out, &talk); code != 0 || talk.Len() > 0 {
		t.Fatalf("plan %s: exit code %d: %s", strings.Join(args, " "), code, talk.String())
	}
	return out.String()
}

var kindLine = regexp.MustCompile(`(?m)^ +(?:- )?uses: ([a-z-]+)`)

func TestExamples(t *testing.T) {
	t.Parallel()
	explained := map[string]bool{}
	for _, file := range examples(t) {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.HasPrefix(text, []byte("# ")) {
				t.Error("an example begins with what it is for")
			}
			offlineRun(t, "validate", file)
			kinds := kindLine.FindAllStringSubmatch(string(text), -1)
			if len(kinds) == 0 {
				t.Error("no kind found in it")
			}
			for _, kind := range kinds {
				if !explained[kind[1]] {
					explained[kind[1]] = true
					checkExplained(t, kind[1])
				}
			}
			checkEnvironment(t, file)
			checkGraph(t, name, file)
		})
	}
}

// checkExplained asks for a kind and for each of its fields.
func checkExplained(t *testing.T, kind string) {
	t.Helper()
	lang, err := newLanguage()
	if err != nil {
		t.Fatal(err)
	}
	offlineRun(t, "explain", kind)
	for _, p := range lang.Properties("kind." + kind) {
		got := offlineRun(t, "explain", kind+"."+p.Name())
		if p.Description == "" || !strings.Contains(got, p.Description) {
			t.Errorf("plan explain %s.%s does not describe it:\n%s", kind, p.Name(), got)
		}
	}
}

func checkEnvironment(t *testing.T, file string) {
	t.Helper()
	text := offlineRun(t, "env", file)
	var doc struct {
		SchemaVersion int
		Kind          string
		Settings      []struct{ Variable, Field, Every, Source string }
	}
	if err := json.Unmarshal([]byte(offlineRun(t, "env", "-o", "json", file)), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.SchemaVersion != 1 || doc.Kind != "Environment" || len(doc.Settings) == 0 {
		t.Errorf("it is no environment: %+v", doc)
	}
	for _, s := range doc.Settings {
		if !strings.Contains(text, s.Variable) || (s.Field == "") == (s.Every == "") {
			t.Errorf("%+v is not in the text, or not of one field or one kind", s)
		}
	}
}

// drawn are the examples whose graphs stand in testdata/graph.
var drawn = map[string]bool{"needs-and-conditions": true, "matrix": true}

// What the two languages allow, as far as plan uses them.
var (
	dotLine     = regexp.MustCompile(`^(digraph "(\\.|[^"\\])*" \{|  rankdir=LR;|  node \[shape=box\];|  "[a-z0-9-]+" \[label="(\\.|[^"\\])*"(, style=dashed)?\];|  "[a-z0-9-]+" -> "[a-z0-9-]+";|\})$`)
	mermaidLine = regexp.MustCompile(`^(flowchart LR| +s_[a-z0-9_]+\["[^"]*"\]| +s_[a-z0-9_]+ --> s_[a-z0-9_]+|  subgraph finally|  end)$`)
)

func checkGraph(t *testing.T, name, file string) {
	t.Helper()
	for _, format := range []string{"text", "dot", "mermaid"} {
		got := offlineRun(t, "graph", "-o", format, file)
		for line := range strings.Lines(got) {
			line = strings.TrimSuffix(line, "\n")
			if format == "dot" && !dotLine.MatchString(line) || format == "mermaid" && !mermaidLine.MatchString(line) {
				t.Errorf("it is not %s: %s", format, line)
			}
		}
		golden, err := os.ReadFile(filepath.Join("testdata", "graph", name+"."+format))
		if errors.Is(err, fs.ErrNotExist) && !drawn[name] {
			continue
		}
		if diff := cmp.Diff(string(golden), got); diff != "" {
			t.Errorf("testdata/graph/%s.%s differs from what plan graph prints:\n%s", name, format, diff)
		}
	}
}

// TestTemplatesAreValid holds what `plan init` writes to the same.
func TestTemplatesAreValid(t *testing.T) {
	for _, name := range templateNames() {
		file := filepath.Join(t.TempDir(), name+".yaml")
		var out, talk bytes.Buffer
		if code := run([]string{"init", name, "-o", file}, strings.NewReader(""), &out, &talk); code != 0 {
			t.Errorf("%s: %s", name, talk.String())
		}
		offlineRun(t, "validate", file)
	}
}
