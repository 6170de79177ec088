package schema

import (
	"bytes"
	_ "embed"
	"fmt"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

// BaseURL is what the published schemas' names are relative to. Nothing is ever fetched from it.
const BaseURL = "https://plan.invalid/schema/"

// DefsURL names the definitions that the schemas of the kinds share. A kind refers to them as `defs.json#/$defs/secret`.
const DefsURL = BaseURL + "defs.json"

// Defs is the shared definitions: duration, value, secret, source, keep.
//
//go:embed defs.json
var Defs []byte

// CompileKind compiles the schema of a kind's `with` together with the shared definitions.
func CompileKind(name string, kind []byte) (*jsonschema.Schema, error) {
	c := newCompiler()
	url := BaseURL + name + ".json"
	if err := c.AddResource(DefsURL, bytes.NewReader(Defs)); err != nil {
		return nil, fmt.Errorf("read the shared definitions: %w", err)
	}
	if err := c.AddResource(url, bytes.NewReader(kind)); err != nil {
		return nil, fmt.Errorf("read the schema of %s: %w", name, err)
	}
	compiled, err := c.Compile(url)
	if err != nil {
		return nil, fmt.Errorf("compile the schema of %s: %w", name, err)
	}
	return compiled, nil
}
