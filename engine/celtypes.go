package engine

import (
	"maps"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/ext"

	"plan/schema"
)

// The object types of expressions. They exist for the checker alone; the values are maps.
const (
	paramsType  = "plan.Params"
	envType     = "plan.Env"
	runType     = "plan.Run"
	stepsType   = "plan.Steps"
	stepType    = "plan.Step/"    // and the step's id
	outputsType = "plan.Outputs/" // and the step's id
)

// Names by which the status functions are known inside a compiled condition. No source can spell them.
const (
	successVar   = "@success"
	failureVar   = "@failure"
	cancelledVar = "@cancelled"
)

// names is what expressions of one plan may refer to.
type names struct {
	*types.Registry
	params map[string]*cel.Type
	env    map[string]bool
	kinds  map[string]Kind
	uses   map[string]string // kind by step id, finally included
	left   int               // comparisons of names that suggestions may still cost
}

// suggest gives the name that was probably meant. In a plan of thousands of slips only the first get one: each looks at every name.
func (n *names) suggest(word string, known []string) string {
	if n.left -= len(known); n.left < 0 {
		return ""
	}
	return schema.Suggest(word, known)
}

// has tells whether a root of expressions has a field.
func (n *names) has(root, field string) bool {
	switch root {
	case "params":
		return n.params[field] != nil
	case "env":
		return n.env[field]
	case "run":
		return runFields[field] != nil
	}
	_, ok := n.uses[field]
	return ok
}

// of gives the fields of a root of expressions, sorted.
func (n *names) of(root string) []string {
	switch root {
	case "params":
		return slices.Sorted(maps.Keys(n.params))
	case "env":
		return slices.Sorted(maps.Keys(n.env))
	case "run":
		return slices.Sorted(maps.Keys(runFields))
	}
	return slices.Sorted(maps.Keys(n.uses))
}

var runFields = map[string]*cel.Type{"id": cel.StringType, "name": cel.StringType, "outcome": cel.StringType, "exitCode": cel.IntType}

// celType gives the type of a parameter or output in expressions.
func celType(name string) *cel.Type {
	switch name {
	case "string":
		return cel.StringType
	case "integer":
		return cel.IntType
	case "number":
		return cel.DoubleType
	case "boolean":
		return cel.BoolType
	case "duration":
		return cel.DurationType
	case "list":
		return cel.ListType(cel.DynType)
	}
	return cel.DynType
}

func (n *names) FindStructType(name string) (*types.Type, bool) {
	if strings.HasPrefix(name, "plan.") {
		return types.NewTypeTypeWithParam(types.NewObjectType(name)), true
	}
	return n.Registry.FindStructType(name)
}

func (n *names) FindStructFieldType(typeName, field string) (*types.FieldType, bool) {
	if !strings.HasPrefix(typeName, "plan.") {
		return n.Registry.FindStructFieldType(typeName, field)
	}
	t := n.field(typeName, field)
	if t == nil {
		return nil, false
	}
	return &types.FieldType{Type: t}, true
}

func (n *names) field(typeName, field string) *cel.Type {
	switch {
	case typeName == paramsType:
		return n.params[field]
	case typeName == envType && n.env[field]:
		return cel.StringType
	case typeName == runType:
		return runFields[field]
	case typeName == stepsType && n.has("steps", field):
		return types.NewObjectType(stepType + field)
	case strings.HasPrefix(typeName, stepType):
		switch field {
		case "outcome", "verdict":
			return cel.StringType
		case "outputs":
			return types.NewObjectType(outputsType + strings.TrimPrefix(typeName, stepType))
		}
	case strings.HasPrefix(typeName, outputsType):
		kind, known := n.kinds[n.uses[strings.TrimPrefix(typeName, outputsType)]]
		if !known { // reported where it stands
			return cel.DynType
		}
		for _, o := range kind.Outputs {
			if o.Name == field {
				return celType(o.Type)
			}
		}
	}
	return nil
}

func (n *names) FindStructFieldNames(typeName string) ([]string, bool) {
	if !strings.HasPrefix(typeName, "plan.") {
		return n.Registry.FindStructFieldNames(typeName)
	}
	return nil, true
}

// The limits of one expression.
const (
	maxExpression = 4096   // characters
	maxCost       = 100000 // in the cost units of cel-go: about one per visited element
)

func newCELEnv(n *names) (*cel.Env, error) {
	registry, err := types.NewRegistry()
	if err != nil {
		return nil, err
	}
	n.Registry = registry
	return cel.NewEnv(
		cel.CustomTypeProvider(n),
		cel.CrossTypeNumericComparisons(true),
		cel.OptionalTypes(),
		ext.Strings(),
		cel.ParserExpressionSizeLimit(maxExpression),
		cel.ParserRecursionLimit(64),
		cel.Variable("params", types.NewObjectType(paramsType)),
		cel.Variable("env", types.NewObjectType(envType)),
		cel.Variable("run", types.NewObjectType(runType)),
		cel.Variable("steps", types.NewObjectType(stepsType)),
		cel.Variable(successVar, cel.BoolType),
		cel.Variable(failureVar, cel.BoolType),
		cel.Variable(cancelledVar, cel.BoolType),
	)
}
