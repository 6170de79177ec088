package engine

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Matrix is what a step is repeated over.
type Matrix struct {
	// Instances are the combinations, at least one, no two alike: the first axis changes slowest; what include added comes last.
	// They are none only in a plan loaded Offline whose axes wait for a parameter.
	Instances []*Instance

	MaxParallel int  // instances under way at once; 0: as many as the plan allows
	FailFast    bool // the first instance that failed cancels the others
}

// Instance is one combination of a matrix.
type Instance struct {
	Key    string         // canonical JSON of Values, keys sorted: what names, keys and the journal have
	Values map[string]any // string, int64 or bool, by name
}

func newInstance(values map[string]any) *Instance {
	key, err := json.Marshal(values)
	if err != nil {
		panic(err) // strings, integers and booleans
	}
	return &Instance{Key: string(key), Values: values}
}

// InstanceID names a step, or an instance of it, for people: report, report[region=eu,size=2]. instance is canonical JSON, or empty.
func InstanceID(step, instance string) string {
	if instance == "" {
		return step
	}
	var values map[string]json.RawMessage
	if err := json.Unmarshal([]byte(instance), &values); err != nil {
		return step + instance
	}
	parts := make([]string, 0, len(values))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		parts = append(parts, fmt.Sprintf("%s=%s", name, strings.Trim(string(values[name]), `"`)))
	}
	return step + "[" + strings.Join(parts, ",") + "]"
}
