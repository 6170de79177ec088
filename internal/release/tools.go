package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"plan/internal/gobuild"
)

// tools are git, Go, and what Go runs of the module in the folder tools, which pins it.
type tools struct {
	*gobuild.Tools
	work string // for what is made once
}

// Describe asks cyclonedx-gomod, which reads what the linker put into the binary.
func (t tools) Describe(ctx context.Context, version, binary, sbom string) error {
	env := t.With("GOCACHE=" + filepath.Join(t.work, "tools"))
	_, err := gobuild.Output(ctx, filepath.Join(t.Top, "internal", "release", "tools"), env, "go", "tool", "cyclonedx-gomod", "bin", "-json", "-std", "-noserial", "-notimestamp", "-version", version, "-output", sbom, binary)
	if err != nil {
		return err
	}
	return neutral(sbom)
}

// neutral takes the hashes of the program that wrote an SBOM out of it: they are those of this machine's build of it.
func neutral(sbom string) error {
	data, err := os.ReadFile(sbom)
	if err != nil {
		return err
	}
	var doc map[string]any
	if err := json.Unmarshal(data, &doc); err != nil {
		return fmt.Errorf("read SBOM: %w", err)
	}
	meta, _ := doc["metadata"].(map[string]any)
	list, _ := meta["tools"].([]any)
	for _, tool := range list {
		if tool, ok := tool.(map[string]any); ok {
			delete(tool, "hashes")
		}
	}
	if data, err = json.MarshalIndent(doc, "", "  "); err != nil {
		return fmt.Errorf("write SBOM: %w", err)
	}
	return os.WriteFile(sbom, append(data, '\n'), 0o644)
}
