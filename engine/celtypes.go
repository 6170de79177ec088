package engine

import (
	"iter"
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

	matricesType = "plan.Matrices"
	matrixType   = "plan.Matrix/"   // and the step's id
	instanceType = "plan.Instance/" // and the step's id: an entry of the outputs of a step with a matrix
)

// matricesVar is by what the matrices of steps are known inside a compiled expression: `matrix` in the step report is its field report.
const matricesVar = "@matrices"

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
	uses   map[string]string   // kind by step id, finally included
	left   int                 // comparisons of names that suggestions may still cost
	sorted map[string][]string // of

	matrices map[string]*matrixNames // by step id
	declared map[string][]Output     // by step id: what it declares beside its kind's
}

// outputs are those of a step; known is false where its kind is not known.
func (n *names) outputs(step string) (list []Output, known bool) {
	kind, known := n.kinds[n.uses[step]]
	return slices.Concat(kind.Outputs, n.declared[step]), known
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

// of gives the fields of a root of expressions, sorted. They are sorted once: a plan can have thousands of slips.
func (n *names) of(root string) []string {
	var fields iter.Seq[string]
	size := 0
	switch root {
	case "params":
		fields, size = maps.Keys(n.params), len(n.params)
	case "env":
		fields, size = maps.Keys(n.env), len(n.env)
	case "run":
		fields, size = maps.Keys(runFields), len(runFields)
	default:
		fields, size = maps.Keys(n.uses), len(n.uses)
	}
	if list := n.sorted[root]; len(list) == size {
		return list
	}
	if n.sorted == nil {
		n.sorted = map[string][]string{}
	}
	n.sorted[root] = slices.Sorted(fields)
	return n.sorted[root]
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

// instanceFields are the names that can stand in an entry of the outputs of steps with a matrix.
func (n *names) instanceFields() []string {
	known := map[string]bool{"matrix": true, "outputs": true}
	for id, m := range n.matrices {
		for name := range m.axes {
			known[name] = true
		}
		outputs, _ := n.outputs(id)
		for _, o := range outputs {
			known[o.Name] = true
		}
	}
	return slices.Sorted(maps.Keys(known))
}

// typeOf gives the type of a name of a matrix, or nil.
func (m *matrixNames) typeOf(name string) *cel.Type {
	if m.unsure {
		return cel.DynType
	}
	return m.axes[name]
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
	case typeName == matricesType && n.matrices[field] != nil:
		return types.NewObjectType(matrixType + field)
	case strings.HasPrefix(typeName, matrixType):
		return n.matrices[strings.TrimPrefix(typeName, matrixType)].typeOf(field)
	case strings.HasPrefix(typeName, instanceType):
		switch id := strings.TrimPrefix(typeName, instanceType); field {
		case "matrix":
			return types.NewObjectType(matrixType + id)
		case "outputs":
			return types.NewObjectType(outputsType + id)
		}
	case typeName == stepsType && n.has("steps", field):
		return types.NewObjectType(stepType + field)
	case strings.HasPrefix(typeName, stepType):
		switch field {
		case "outcome", "verdict":
			return cel.StringType
		case "outputs":
			id := strings.TrimPrefix(typeName, stepType)
			if n.matrices[id] != nil {
				return cel.ListType(types.NewObjectType(instanceType + id))
			}
			return types.NewObjectType(outputsType + id)
		}
	case strings.HasPrefix(typeName, outputsType):
		outputs, known := n.outputs(strings.TrimPrefix(typeName, outputsType))
		if !known { // reported where it stands
			return cel.DynType
		}
		for _, o := range outputs {
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
	maxExpression = 4096    // characters
	maxCost       = 100000  // in the cost units of cel-go: about one per visited element
	maxLoadCost   = 1000000 // of all evaluations while a plan is loaded
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
		cel.RegexProgramSizeLimit(maxRegex),
		cel.Variable("params", types.NewObjectType(paramsType)),
		cel.Variable("env", types.NewObjectType(envType)),
		cel.Variable("run", types.NewObjectType(runType)),
		cel.Variable("steps", types.NewObjectType(stepsType)),
		cel.Variable(matricesVar, types.NewObjectType(matricesType)),
		cel.Variable(successVar, cel.BoolType),
		cel.Variable(failureVar, cel.BoolType),
		cel.Variable(cancelledVar, cel.BoolType),
	)
}
