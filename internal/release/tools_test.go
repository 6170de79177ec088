package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAnSBOMDoesNotTellWhoseBuildOfTheToolWroteIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sbom")
	text := `{"metadata":{"tools":[{"name":"t","version":"v1","hashes":[{"alg":"MD5","content":"00"}]}]},"components":[{"name":"c","hashes":[{"content":"11"}]}]}`
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := neutral(path); err != nil {
		t.Fatal(err)
	}
	got, _ := os.ReadFile(path)
	if strings.Contains(string(got), `"00"`) || !strings.Contains(string(got), `"11"`) || !strings.Contains(string(got), `"v1"`) {
		t.Errorf("it is now %s", got)
	}
}

func TestAVersionCannotBeAFlagOrAPath(t *testing.T) {
	for _, version := range []string{"", "-x", "1 -X main.commit=2", "../1", "1/2"} {
		if err := run(t.Context(), []string{"-version=" + version}); err == nil || !strings.Contains(err.Error(), "version") {
			t.Errorf("%q: %v", version, err)
		}
	}
}
