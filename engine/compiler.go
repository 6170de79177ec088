package engine

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
)

// issue is a fault of an expression, at an offset (in characters) of its source.
type issue struct {
	offset     int
	message    string
	suggestion string
}

// place is where an expression stands, which decides what it may refer to.
type place struct {
	status   bool                         // success() and its like are functions here
	static   bool                         // known when the plan is loaded: params and env only
	params   bool                         // params only
	matrix   string                       // the step whose matrix may be read; empty if none may
	noMatrix string                       // why none may
	readable func(step string) (ok bool)  // steps whose outputs may be read
	why      func(step string) (s string) // why another step may not be read
}

// compiler compiles the expressions of one plan. The CEL environment is made at the first one.
type compiler struct {
	names  *names
	env    *cel.Env
	cache  map[string]*expression // those that are good in every place
	faulty int                    // bytes of expressions with issues, and faultyPrice for each: to read thousands takes long
}

func (c *compiler) compile(source string, at place) (*expression, []issue) {
	if e, ok := c.cache[source]; ok {
		return e, nil
	}
	if utf8.RuneCountInString(source) > maxExpression {
		return nil, []issue{{message: fmt.Sprintf("the expression is longer than %d characters", maxExpression)}}
	}
	if c.env == nil {
		env, err := newCELEnv(c.names)
		if err != nil {
			return nil, []issue{{message: "make the expression environment: " + err.Error()}}
		}
		c.env, c.cache = env, map[string]*expression{}
	}
	checked, refs, issues := c.check(source, at)
	if len(issues) > 0 {
		c.faulty += faultyPrice + len(source)
		return nil, issues
	}
	e := &expression{source: source, typ: checked.OutputType(), refs: refs}
	if e.isStatic() && refs.matrix == "" { // probably evaluated at once
		e.program = sync.OnceValues(func() (cel.Program, error) { return c.program(checked) })
		c.cache[source] = e
		return e, nil
	}
	// A plan can have thousands, each of which is evaluated late, once or never: to read it again takes less than to keep its tree.
	e.program = sync.OnceValues(func() (cel.Program, error) {
		checked, _, issues := c.check(source, at)
		if len(issues) > 0 {
			return nil, errors.New(issues[0].message)
		}
		return c.program(checked)
	})
	return e, nil
}

func (c *compiler) program(checked *cel.Ast) (cel.Program, error) {
	return c.env.Program(checked, cel.CostLimit(maxCost), cel.CostTracking(regexCost{}))
}

// check parses an expression, resolves its names and finds its type.
func (c *compiler) check(source string, at place) (*cel.Ast, references, []issue) {
	parsed, iss := c.env.Parse(source)
	if iss.Err() != nil {
		return nil, references{}, syntaxIssues(source, iss)
	}
	text := sourceText{runes: []rune(source), info: parsed.NativeRep().SourceInfo()}
	refs, own := resolve(parsed.NativeRep().Expr(), c.names, at, text)
	if len(own) > 0 {
		return nil, refs, own
	}
	checked, iss := c.env.Check(parsed)
	if iss.Err() != nil {
		return nil, refs, c.checkIssues(parsed.NativeRep(), text, iss)
	}
	return checked, refs, nil
}

// sourceText finds where the parts of an expression begin.
type sourceText struct {
	runes []rune
	info  *ast.SourceInfo
}

// offset is the place that the parser gives a node: of a selection its dot, of a call its parenthesis.
func (s sourceText) offset(id int64) int {
	location := s.info.GetStartLocation(id)
	return s.at(location.Line(), location.Column())
}

// at turns a line (from 1) and column (from 0) into an offset.
func (s sourceText) at(line, col int) int {
	i := 0
	for ; line > 1 && i < len(s.runes); i++ {
		if s.runes[i] == '\n' {
			line--
		}
	}
	return max(0, min(i+max(0, col), len(s.runes)))
}

// begin is where the text of a node begins.
func (s sourceText) begin(e ast.Expr) int {
	switch e.Kind() {
	case ast.SelectKind:
		return s.begin(e.AsSelect().Operand())
	case ast.CallKind:
		c := e.AsCall()
		switch name := c.FunctionName(); {
		case c.IsMemberFunction():
			return s.begin(c.Target())
		case strings.HasPrefix(name, "_") && len(c.Args()) > 0:
			return s.begin(c.Args()[0])
		default:
			at := s.offset(e.ID())
			if before := at - len(name); before >= 0 && at < len(s.runes) && s.runes[at] == '(' && string(s.runes[before:at]) == name {
				return before
			}
			return at
		}
	}
	return s.offset(e.ID())
}

var (
	unexpected = regexp.MustCompile(`^(?:mismatched|extraneous) input '(.*?)' expecting|no viable alternative at input '(.*)'$`)
	noOverload = regexp.MustCompile(`^found no matching overload for '([^']+)' applied to '(.*)'$`)
	undeclared = regexp.MustCompile(`^undeclared reference to '([^']+)'`)
	undefined  = regexp.MustCompile(`^undefined field '([^']+)'`)
)

// syntaxIssues gives the first fault of an expression that is none; those behind it are echoes.
func syntaxIssues(source string, iss *cel.Issues) []issue {
	text := sourceText{runes: []rune(source)}
	first := iss.Errors()[0]
	found := issue{offset: text.at(first.Location.Line(), first.Location.Column())}
	message := strings.TrimPrefix(first.Message, "Syntax error: ")
	rest := string(text.runes[found.offset:])
	m := unexpected.FindStringSubmatch(message)
	switch {
	case strings.TrimSpace(rest) == "" || m != nil && strings.Contains(m[0], "<EOF>") && m[1] == "<EOF>":
		message = "it ends too early"
	case strings.HasPrefix(rest, "="):
		message = "= compares nothing; write =="
	case strings.HasPrefix(rest, "&"), strings.HasPrefix(rest, "|"):
		message = fmt.Sprintf("%c alone is no operator; write %[1]c%[1]c", rest[0])
	case m != nil:
		message = fmt.Sprintf("unexpected %q", m[1]+m[2])
	}
	found.message = "the expression cannot be read: " + message
	return []issue{found}
}

// checkIssues says in plain words what the type checker found.
func (c *compiler) checkIssues(parsed *ast.AST, text sourceText, iss *cel.Issues) (out []issue) {
	nodes := map[int64]ast.Expr{}
	ast.PreOrderVisit(parsed.Expr(), ast.NewExprVisitor(func(e ast.Expr) { nodes[e.ID()] = e }))
	for _, e := range iss.Errors() {
		found := issue{offset: text.at(e.Location.Line(), e.Location.Column()), message: e.Message}
		node := nodes[e.ExprID]
		if node != nil && !isOperator(node) {
			found.offset = text.begin(node)
		}
		if m := undeclared.FindStringSubmatch(e.Message); m != nil {
			found.message, found.suggestion = c.unknown(m[1], node)
		}
		if m := noOverload.FindStringSubmatch(e.Message); m != nil {
			name, ok := operators.FindReverse(m[1])
			if !ok || name == "" {
				name = strings.Trim(m[1], "_")
			}
			found.message = fmt.Sprintf("%s does not work on %s", name, m[2])
		}
		if m := undefined.FindStringSubmatch(e.Message); m != nil {
			found.message = fmt.Sprintf("unknown field %q", m[1])
			if known := c.names.instanceFields(); !slices.Contains(known, m[1]) {
				found.suggestion = c.names.suggest(m[1], known)
			}
		}
		out = append(out, found)
	}
	return out
}

func isOperator(e ast.Expr) bool {
	if e.Kind() != ast.CallKind {
		return false
	}
	_, ok := operators.FindReverse(e.AsCall().FunctionName())
	return ok
}

func (c *compiler) unknown(name string, node ast.Expr) (message, suggestion string) {
	if node != nil && node.Kind() == ast.CallKind {
		known := slices.Collect(maps.Keys(c.env.Functions()))
		for status := range statusVars {
			known = append(known, status)
		}
		known = slices.DeleteFunc(known, func(name string) bool { return strings.ContainsAny(name, "_@!-") })
		slices.Sort(known)
		return fmt.Sprintf("unknown function %s()", name), c.names.suggest(name, known)
	}
	roots := []string{"params", "env", "run", "steps"}
	if len(c.names.matrices) > 0 {
		roots = append(roots, "matrix")
	}
	return fmt.Sprintf("unknown name %q; in scope are %s", name, strings.Join(roots, ", ")), c.names.suggest(name, roots)
}
