package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"plan/engine"
)

// hostile is a file that must be refused.
type hostile struct {
	says string // part of what the refusal says
	data []byte
}

// hostileFiles are those of engine/testdata/hostile, whose first line tells `# what it attacks -> what the refusal says`, and those
// that are too large to keep.
func hostileFiles(t *testing.T) map[string]hostile {
	t.Helper()
	names, err := filepath.Glob("../../engine/testdata/hostile/*.yaml")
	if err != nil || len(names) == 0 {
		t.Fatalf("no hostile files: %v", err)
	}
	all := map[string]hostile{}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		line, _, _ := bytes.Cut(data, []byte("\n"))
		_, says, ok := bytes.Cut(line, []byte(" -> "))
		if !ok || !bytes.HasPrefix(line, []byte("# ")) {
			t.Fatalf("%s does not begin with what it attacks and what the refusal says", name)
		}
		all[strings.TrimSuffix(filepath.Base(name), ".yaml")] = hostile{string(says), data}
	}
	for _, more := range []map[string]hostile{hostileText(), hostileSteps(), hostileMatrices(), hostileExpressions(t)} {
		for name, h := range more {
			if _, ok := all[name]; ok {
				t.Fatalf("two hostile files are called %s", name)
			}
			all[name] = h
		}
	}
	return all
}

// TestHostileFiles: each is refused with exit code 2 and words that fit, and never with a flood of them. What that costs is measured by
// test/hostile, on the files that this test leaves in HOSTILE_DIR.
func TestHostileFiles(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("HOSTILE_DIR")
	if dir == "" {
		dir = t.TempDir()
	}
	all := hostileFiles(t)
	if len(all) < 60 {
		t.Errorf("only %d files", len(all))
	}
	for name, h := range all {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(dir, name+".yaml")
			if err := os.WriteFile(file, h.data, 0o600); err != nil {
				t.Fatal(err)
			}
			var out, errw bytes.Buffer
			code := run([]string{"validate", file}, strings.NewReader(""), &out, &errw)
			if code != engine.ExitInvalid || !strings.Contains(errw.String(), h.says) || out.Len() > 0 {
				t.Errorf("exit code %d, stdout %.200q, stderr %.400q; it should say %q", code, &out, &errw, h.says)
			}
			if errw.Len() > 64<<10 {
				t.Errorf("%d bytes of messages", errw.Len())
			}
		})
	}
}
