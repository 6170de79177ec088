package all

import "plan/schema"

// Bundle is the published schema of all kinds.
func Bundle() ([]byte, error) {
	var kinds []schema.Kind
	for _, k := range Kinds() {
		kinds = append(kinds, schema.Kind{Name: k.Name, Schema: k.Schema, ExitCodes: k.ExitCodes})
	}
	return schema.Bundle(kinds)
}
