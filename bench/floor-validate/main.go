// Command floor-validate reads a plan with yaml.v3 and, unless -parse is given, holds it against plan's published schema with the library
// that plan uses for what is wrong.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"

	"github.com/santhosh-tekuri/jsonschema/v5"
	"gopkg.in/yaml.v3"

	"plan/schema"
)

func main() {
	parse := flag.Bool("parse", false, "parse alone")
	flag.Parse()
	if err := run(flag.Arg(0), *parse); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(file string, parse bool) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if parse {
		var node yaml.Node
		return yaml.Unmarshal(data, &node)
	}
	var plan any
	if err := yaml.Unmarshal(data, &plan); err != nil {
		return err
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(schema.ID, bytes.NewReader(schema.Published)); err != nil {
		return err
	}
	compiled, err := c.Compile(schema.ID)
	if err != nil {
		return err
	}
	return compiled.Validate(plan)
}
