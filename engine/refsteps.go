package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
)

// step checks steps.<id>.<field>[.<output>].
func (r *resolver) step(e ast.Expr, fields []string) {
	id := fields[0]
	r.refs.steps = append(r.refs.steps, id)
	if r.at.static {
		r.fail(e, "", "steps are not known yet where this stands; only %s", r.known())
		return
	}
	if !r.at.readable(id) {
		r.fail(e, "", "%s", r.at.why(id))
		return
	}
	if r.names.matrices[id] != nil {
		r.refs.lists = append(r.refs.lists, id)
	}
	stepFields := []string{"outcome", "outputs", "verdict"}
	if len(fields) == 1 {
		r.fail(e, "", "steps.%s cannot be used as a whole; name one of outcome, outputs.NAME, verdict", id)
		return
	}
	if !slices.Contains(stepFields, fields[1]) {
		r.fail(e, r.names.suggest(fields[1], stepFields), "a step has outcome, outputs and verdict, not %q", fields[1])
		return
	}
	if fields[1] != "outputs" {
		return
	}
	r.output(e, id, fields)
}

func (r *resolver) output(e ast.Expr, id string, fields []string) {
	list, known := r.names.outputs(id)
	if !known { // which is reported where it stands
		return
	}
	var outputs []string
	for _, o := range list {
		outputs = append(outputs, o.Name)
	}
	switch {
	case len(outputs) == 0:
		r.fail(e, "", "%s has no outputs", r.names.uses[id])
	case r.names.matrices[id] != nil && len(fields) > 2:
		r.fail(e, "", "%s has a matrix, so its outputs are a list with an entry per instance; write steps.%[1]s.outputs[0].outputs.%s", id, fields[2])
	case r.names.matrices[id] != nil:
	case len(fields) == 2:
		r.fail(e, "", "steps.%s.outputs cannot be used as a whole; name one of %s", id, strings.Join(outputs, ", "))
	case !slices.Contains(outputs, fields[2]):
		message := fmt.Sprintf("%s has no output %q", r.names.uses[id], fields[2])
		message += "; it has " + strings.Join(outputs, ", ")
		r.fail(e, r.names.suggest(fields[2], outputs), "%s", message)
	}
}

// known names what may be read where only what is known before the run may.
func (r *resolver) known() string {
	if r.at.params {
		return "params are"
	}
	return "params and env are"
}

// matrix checks matrix.NAME, and turns it into a field of the step's own matrix.
func (r *resolver) matrix(e ast.Expr, name string) {
	known := r.names.matrices[r.at.matrix]
	switch {
	case r.at.static:
		r.fail(e, "", "matrix is not known yet where this stands; only %s", r.known())
	case known == nil:
		r.fail(e, "", "%s", r.at.noMatrix)
	case known.typeOf(name) == nil:
		names := slices.Sorted(maps.Keys(known.axes))
		r.fail(e, r.names.suggest(name, names), "the matrix has no %q; it has %s", name, strings.Join(names, ", "))
	default:
		r.refs.matrix = r.at.matrix
		r.refs.outside = append(r.refs.outside, matrixRef, matrixRef+"."+name)
		for e.Kind() != ast.IdentKind {
			if e.Kind() == ast.SelectKind {
				e = e.AsSelect().Operand()
			} else {
				e = e.AsCall().Args()[0]
			}
		}
		e.SetKindCase(r.fac.NewSelect(e.ID(), r.fac.NewIdent(e.ID()+freshID, matricesVar), r.at.matrix))
	}
}

// freshID is larger than any id that the parser gives.
const freshID = 1 << 32
