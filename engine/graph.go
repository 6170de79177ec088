package engine

import (
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"plan/schema"
)

// decl is a step as it stands in the file.
type decl struct {
	node  *yaml.Node
	path  string // spec.steps[2]
	id    string
	final bool
	needs []*decl
	step  *Step
	with  *template

	limits  []func()  // hold timeout and deadline, where they read the matrix, against an instance
	timeout *template // nil when it is a duration as it stands

	number int
	before *ancestry // of all steps upstream; nil until asked for
}

// declare reads the steps' ids and needs: what expressions need to know before they can be compiled.
func (l *loader) declare(spec *yaml.Node) {
	l.list(schema.Field(spec, "steps"), "spec.steps", false)
	l.list(schema.Field(spec, "finally"), "spec.finally", true)
	if len(l.decls) > maxSteps {
		l.fail(l.decls[maxSteps].node, l.decls[maxSteps].path, "the plan has %d steps; at most %d are allowed", len(l.decls), maxSteps)
	}
	var previous *decl
	for _, d := range l.decls {
		if l.full() {
			return
		}
		if previous != nil && previous.final != d.final {
			previous = nil
		}
		l.needs(d, previous)
		previous = d
	}
	l.cycles()
}

func (l *loader) list(n *yaml.Node, path string, final bool) {
	if n == nil || n.Kind != yaml.SequenceNode {
		return
	}
	for i, item := range n.Content {
		if l.full() {
			return
		}
		d := &decl{node: item, path: fmt.Sprintf("%s[%d]", path, i), id: str(schema.Field(item, "id")), final: final, number: len(l.decls)}
		d.step = &Step{ID: d.id, Name: str(schema.Field(item, "name")), Uses: str(schema.Field(item, "uses")), Pos: schema.Pos{Line: item.Line, Col: item.Column}}
		d.step.ContinueOnError, _ = value(schema.Field(item, "continueOnError")).(bool)
		l.decls = append(l.decls, d)
		if d.id == "" {
			continue
		}
		if first, ok := l.byID[d.id]; ok {
			l.fail(schema.Field(item, "id"), d.path+".id", "the id %s is taken by the step on line %d", d.id, first.node.Line)
			continue
		}
		l.byID[d.id] = d
		l.compiler.names.uses[d.id] = d.step.Uses
		if declares := l.lang.kinds[d.step.Uses].Declares; declares != nil {
			with, _ := value(schema.Field(item, "with")).(map[string]any)
			l.compiler.names.declared[d.id] = declares(with)
		}
	}
}

func (l *loader) needs(d, previous *decl) {
	n := schema.Field(d.node, "needs")
	if n == nil {
		if previous != nil {
			d.needs = []*decl{previous}
			d.step.Needs = []string{previous.id}
		}
		return
	}
	if n.Kind != yaml.SequenceNode {
		return
	}
	for i, item := range n.Content {
		path := fmt.Sprintf("%s.needs[%d]", d.path, i)
		need, ok := l.byID[item.Value]
		switch {
		case item.Value == d.id:
			l.fail(item, path, "a step cannot need itself")
		case !ok:
			p := l.doc.Problem(item, path, fmt.Sprintf("there is no step %q", item.Value))
			if l.compiler.names.left > 0 {
				p.Suggestion = l.compiler.names.suggest(item.Value, l.ids(d.final))
			}
			l.report(p)
		case need.final != d.final && d.final:
			l.fail(item, path, "%s is not a step of finally; finally runs after all of steps anyway", item.Value)
		case need.final != d.final:
			l.fail(item, path, "%s is a step of finally, which runs after all of steps", item.Value)
		default:
			d.needs = append(d.needs, need)
			d.step.Needs = append(d.step.Needs, need.id)
		}
	}
}

func (l *loader) ids(final bool) (ids []string) {
	if ids = l.idsOf[final]; ids != nil {
		return ids
	}
	for _, d := range l.decls {
		if d.final == final && d.id != "" {
			ids = append(ids, d.id)
		}
	}
	l.idsOf[final] = ids
	return ids
}

// cycles reports cycles, each printed once.
func (l *loader) cycles() {
	const (
		unseen = iota
		open
		done
	)
	state := make(map[*decl]int, len(l.decls))
	var stack []*decl
	var visit func(d *decl)
	visit = func(d *decl) {
		state[d] = open
		stack = append(stack, d)
		for _, need := range d.needs {
			switch state[need] {
			case unseen:
				visit(need)
			case open:
				if l.cyclic++; l.cyclic <= maxCycles {
					l.cycle(stack[slices.Index(stack, need):])
				}
			}
		}
		stack = stack[:len(stack)-1]
		state[d] = done
	}
	for _, d := range l.decls {
		if state[d] == unseen {
			visit(d)
		}
	}
}

const (
	maxCycles    = 20 // reported
	maxCycleText = 20 // steps of one that are printed
)

// cycle reports steps of which each needs the next, and the last the first.
func (l *loader) cycle(path []*decl) {
	var ids []string
	implied := ""
	at := path[0] // the needs of which step to point at; at least one has its own
	for _, d := range slices.Backward(path) {
		if schema.Field(d.node, "needs") != nil {
			at = d
		} else {
			implied = d.id
		}
	}
	for _, d := range path[:min(len(path), maxCycleText)] {
		ids = append(ids, d.id)
	}
	if len(path) > maxCycleText {
		ids = append(ids, "…")
	}
	message := "the steps need one another in a circle: " + strings.Join(append(ids, ids[0]), " → ")
	if implied != "" {
		message += fmt.Sprintf("; %s has no needs of its own, so it needs the step before it", implied)
	}
	l.fail(schema.Field(at.node, "needs"), at.path+".needs", "%s", message)
}

// ancestry is a set of step numbers: all below a number, and a bit set from there on. So a chain takes no room.
type ancestry struct {
	below int
	first int // what the bit set's first word stands for, in words
	words []uint64
}

func (a *ancestry) has(number int) bool {
	word := number/64 - a.first
	return number < a.below || word >= 0 && word < len(a.words) && a.words[word]&(1<<(number%64)) != 0
}

// upstream tells whether other runs before d, through any chain of needs. It must not be asked where needs go in a circle.
func (d *decl) upstream(other *decl) bool { return d.ancestors().has(other.number) }

func (d *decl) ancestors() *ancestry {
	if d.before != nil {
		return d.before
	}
	a, end := &ancestry{}, 0
	for _, need := range d.needs {
		up := need.ancestors()
		a.below = max(a.below, up.below)
		if up.below == need.number {
			a.below = max(a.below, need.number+1)
		}
		end = max(end, need.number/64+1, up.first+len(up.words))
	}
	a.first = a.below / 64
	a.words = make([]uint64, max(0, end-a.first))
	for _, need := range d.needs {
		if word := need.number/64 - a.first; word >= 0 {
			a.words[word] |= 1 << (need.number % 64)
		}
		up := need.ancestors()
		for i, word := range up.words {
			if at := up.first + i - a.first; at >= 0 {
				a.words[at] |= word
			}
		}
	}
	for a.has(a.below) {
		a.below++
	}
	if a.below >= 64*(a.first+len(a.words)) {
		a.words = nil
	}
	d.before = a
	return a
}

// place tells what the expressions of a step may read: the steps before it; in finally also all of steps.
func (l *loader) place(d *decl, status bool) place {
	matrix, noMatrix := "", "the step has no matrix"
	switch {
	case status && d.step.Matrix != nil:
		noMatrix = "an if is decided once for all instances, so it cannot read matrix"
	case d.step.Matrix != nil:
		matrix = d.id
	}
	return place{
		status: status, matrix: matrix, noMatrix: noMatrix,
		readable: func(id string) bool {
			other := l.byID[id]
			return d.final && !other.final || l.cyclic > 0 || d.upstream(other)
		},
		why: func(id string) string {
			switch {
			case id == d.id:
				return "a step cannot read itself"
			case l.byID[id].final && !d.final:
				return id + " is a step of finally and runs later"
			}
			return fmt.Sprintf("%s does not run before %s; add it to needs", id, d.id)
		},
	}
}
