package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestGeneratedFilesAreFresh makes them anew and compares.
func TestGeneratedFilesAreFresh(t *testing.T) {
	root := filepath.Join("..", "..")
	made, err := files(root)
	if err != nil {
		t.Fatal(err)
	}
	again, err := files(root)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range made {
		if !bytes.Equal(want, again[name]) {
			t.Errorf("%s is made differently each time", name)
		}
		got, err := os.ReadFile(filepath.Join(root, name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is stale: run make generate (%v)\n%.2000s", name, err, cmp.Diff(string(got), string(want)))
		}
	}
}

func TestFlagVariables(t *testing.T) {
	flags, err := flagVariables(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	for variable, commands := range map[string][]string{
		"PLAN_STRICT": {"apply", "render", "resume", "run"}, "PLAN_STATE": {"apply", "backup verify", "cancel", "delete", "logs", "preflight", "restore", "resume", "run", "runs", "status"}, "PLAN_STORE": {"backup diff", "backup ls", "backup show", "backup verify", "restore", "run"},
		"PLAN_MAX_PARALLEL": {"apply", "env", "resume", "run"},
	} {
		i := slices.IndexFunc(flags, func(f flagVariable) bool { return f.variable == variable })
		if i < 0 {
			t.Errorf("%s is missing", variable)
		} else if diff := cmp.Diff(commands, flags[i].commands); diff != "" {
			t.Errorf("%s: %s", variable, diff)
		}
	}
}
