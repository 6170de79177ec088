// Command generate writes the files that are made from the kinds of step: the published schema. `make generate` runs it.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"plan/steps/all"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: generate ROOT")
		os.Exit(2)
	}
	if err := generate(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func generate(root string) error {
	bundle, err := all.Bundle()
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(root, "schema", "plan.schema.json"), append(bundle, '\n'), 0o644)
}
