package main

import (
	"plan/schema"
)

// SchemaCmd prints the published schema.
type SchemaCmd struct{}

// Run is `plan schema`.
func (*SchemaCmd) Run(a *app) error {
	_, err := a.out.Write(schema.Published)
	return err
}
