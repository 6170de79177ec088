package engine

import (
	"fmt"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// references are what an expression refers to.
type references struct {
	steps       []string
	lists       []string // those of steps that have a matrix, so that their outputs are a list
	outside     []string // params.NAME and env.NAME; matrixRef and matrix.NAME
	matrix      string   // the step whose matrix is read
	run, status bool
	outcome     bool // run.outcome or run.exitCode, which only the run decides
}

// matrixRef stands for all of matrix among the references to what is outside.
const matrixRef = "matrix"

// resolver walks a parsed expression: it turns literal indices of plan's own objects into field selections and status functions into
// variables, collects the references, and finds those that lead nowhere.
type resolver struct {
	names  *names
	at     place
	text   sourceText
	fac    ast.ExprFactory
	refs   references
	issues []issue
}

func resolve(e ast.Expr, n *names, at place, text sourceText) (references, []issue) {
	r := &resolver{names: n, at: at, text: text, fac: ast.NewExprFactory()}
	r.walk(e)
	return r.refs, r.issues
}

func (r *resolver) fail(e ast.Expr, suggestion, format string, args ...any) {
	r.issues = append(r.issues, issue{offset: r.text.begin(e), message: fmt.Sprintf(format, args...), suggestion: suggestion})
}

func (r *resolver) walk(e ast.Expr) {
	switch e.Kind() {
	case ast.CallKind:
		r.call(e)
	case ast.SelectKind:
		if !r.path(e, selection(e)) {
			r.walk(e.AsSelect().Operand())
		}
	case ast.IdentKind:
		r.ident(e)
	case ast.ListKind:
		for _, item := range e.AsList().Elements() {
			r.walk(item)
		}
	case ast.MapKind:
		for _, entry := range e.AsMap().Entries() {
			r.walk(entry.AsMapEntry().Key())
			r.walk(entry.AsMapEntry().Value())
		}
	case ast.StructKind:
		r.fail(e, "", "messages cannot be made here")
	case ast.ComprehensionKind:
		c := e.AsComprehension()
		for _, part := range []ast.Expr{c.IterRange(), c.AccuInit(), c.LoopCondition(), c.LoopStep(), c.Result()} {
			r.walk(part)
		}
	}
}

func (r *resolver) call(e ast.Expr) {
	c := e.AsCall()
	name, args := c.FunctionName(), c.Args()
	switch {
	case statusVars[name] != "" && !c.IsMemberFunction():
		r.status(e, name, len(args))
		return
	case len(args) == 2 && r.index(e, name, args):
		return
	case name == operators.Subtract && len(args) == 2 && r.subtraction(e, args[0], args[1]):
		return
	}
	if c.IsMemberFunction() {
		r.walk(c.Target())
	}
	for _, arg := range args {
		r.walk(arg)
	}
}

// index deals with a['b'], a.?b and a[?'b'] where a is one of plan's own objects.
func (r *resolver) index(e ast.Expr, name string, args []ast.Expr) bool {
	head := selection(args[0])
	if head == nil {
		return false
	}
	literal := isString(args[1])
	switch {
	case name == operators.Index && literal:
		e.SetKindCase(r.fac.NewSelect(e.ID(), args[0], string(args[1].AsLiteral().(types.String))))
		r.walk(e)
	case name == operators.OptIndex && literal:
		e.SetKindCase(r.fac.NewCall(e.ID(), operators.OptSelect, args[0], args[1]))
		r.walk(e)
	case name == operators.OptSelect && literal:
		r.path(e, append(head, string(args[1].AsLiteral().(types.String))))
	case (name == operators.Index || name == operators.OptIndex) && r.isObject(head):
		r.fail(e, "", "an index of %s must be a literal string, as in %[1]s['name']", strings.Join(head, "."))
	default:
		return false
	}
	return true
}

// isObject tells whether a selection ends at an object with declared fields.
func (r *resolver) isObject(fields []string) bool {
	return len(fields) == 1 || fields[0] == "steps" && (len(fields) == 2 || len(fields) == 3 && fields[2] == "outputs" && r.names.matrices[fields[1]] == nil)
}

var statusVars = map[string]string{"success": successVar, "failure": failureVar, "cancelled": cancelledVar, "always": "true"}

func (r *resolver) status(e ast.Expr, name string, args int) {
	switch {
	case !r.at.status:
		r.fail(e, "", "%s() stands in if only", name)
	case args > 0:
		r.fail(e, "", "%s() takes no arguments", name)
	case name == "always":
		e.SetKindCase(r.fac.NewLiteral(e.ID(), types.True))
	default:
		e.SetKindCase(r.fac.NewIdent(e.ID(), statusVars[name]))
	}
	r.refs.status = true
}

func (r *resolver) ident(e ast.Expr) {
	switch name := e.AsIdent(); name {
	case "params", "env", "steps", "run", "matrix":
		r.fail(e, "", "%s cannot be used as a whole; name a field of it", name)
	case "secrets":
		r.fail(e, "", "secrets cannot be interpolated; a field that takes a secret takes it by from:")
	}
}

func isString(e ast.Expr) bool {
	if e.Kind() != ast.LiteralKind {
		return false
	}
	_, ok := e.AsLiteral().(types.String)
	return ok
}

// selection gives root and fields of an expression such as steps.pvs.outputs.key or steps['pvs'], or nil when it is something else or its root is not plan's.
func selection(e ast.Expr) []string {
	switch e.Kind() {
	case ast.IdentKind:
		switch e.AsIdent() {
		case "params", "env", "steps", "run", "matrix":
			return []string{e.AsIdent()}
		}
	case ast.SelectKind:
		if head := selection(e.AsSelect().Operand()); head != nil {
			return append(head, e.AsSelect().FieldName())
		}
	case ast.CallKind:
		c := e.AsCall()
		if c.FunctionName() == operators.Index && len(c.Args()) == 2 && isString(c.Args()[1]) {
			if head := selection(c.Args()[0]); head != nil {
				return append(head, string(c.Args()[1].AsLiteral().(types.String)))
			}
		}
	}
	return nil
}

// path checks a selection and records what it refers to. It tells whether e was one; literal indices inside it become fields.
func (r *resolver) path(e ast.Expr, fields []string) bool {
	if len(fields) < 2 {
		return false
	}
	r.normalize(e)
	if fields[0] == "matrix" {
		r.matrix(e, fields[1])
		return true
	}
	if !r.names.has(fields[0], fields[1]) {
		r.unknown(e, fields[0], fields[1])
		return true
	}
	switch fields[0] {
	case "params", "env":
		r.refs.outside = append(r.refs.outside, fields[0]+"."+fields[1])
		if r.at.params && fields[0] != "params" {
			r.fail(e, "", "only params may stand here")
		}
	case "run":
		r.refs.run = true
		r.refs.outcome = r.refs.outcome || fields[1] != "id" && fields[1] != "name"
		if r.at.static {
			r.fail(e, "", "run is not known yet where this stands; only %s", r.known())
		}
	case "steps":
		r.step(e, fields[1:])
	}
	return true
}

// normalize turns literal indices below a selection into fields.
func (r *resolver) normalize(e ast.Expr) {
	switch e.Kind() {
	case ast.SelectKind:
		r.normalize(e.AsSelect().Operand())
	case ast.CallKind:
		args := e.AsCall().Args()
		r.normalize(args[0])
		if e.AsCall().FunctionName() == operators.Index {
			e.SetKindCase(r.fac.NewSelect(e.ID(), args[0], string(args[1].AsLiteral().(types.String))))
		}
	}
}

func (r *resolver) unknown(e ast.Expr, root, name string) {
	known := r.names.of(root)
	suggestion := r.names.suggest(name, known)
	if root == "env" {
		r.fail(e, suggestion, "the variable %s is not listed under spec.env", name)
		return
	}
	what := map[string]string{"params": "parameter", "run": "field of run", "steps": "step"}[root]
	list := ""
	if suggestion == "" && len(known) > 0 && len(known) <= 20 {
		list = "; known are " + strings.Join(known, ", ")
	}
	r.fail(e, suggestion, "unknown %s %q%s", what, name, list)
}

// subtraction finds steps.verify-etcd, which CEL reads as a difference.
func (r *resolver) subtraction(e, left, right ast.Expr) bool {
	fields := selection(left)
	for right.Kind() == ast.SelectKind {
		right = right.AsSelect().Operand()
	}
	tail := ""
	switch right.Kind() {
	case ast.IdentKind:
		tail = right.AsIdent()
	case ast.LiteralKind:
		tail = fmt.Sprint(right.AsLiteral().Value())
	}
	if len(fields) != 2 || fields[0] != "steps" || tail == "" || r.names.uses[fields[1]] != "" {
		return false
	}
	prefix := fields[1] + "-" + tail
	for _, id := range r.names.of("steps") {
		if id == prefix || strings.HasPrefix(id, prefix+"-") {
			r.fail(e, "", "steps.%s is a subtraction; write steps['%[1]s']", id)
			return true
		}
	}
	return false
}
