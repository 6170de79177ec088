package engine

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"plan/schema"
)

// maxSteps is how many step instances a plan may have.
const maxSteps = 10000

// Language is what plans may say: the envelope and the kinds of step. It can load any number of plans, one at a time.
type Language struct {
	kinds     map[string]Kind
	validator *schema.Validator
}

// NewLanguage makes a language of kinds and the bundle that schema.Bundle made of them. later is as in schema.NewValidator.
func NewLanguage(kinds []Kind, bundle []byte, later []string) (*Language, error) {
	v, err := schema.NewValidator(bundle, later)
	if err != nil {
		return nil, err
	}
	lang := &Language{kinds: map[string]Kind{}, validator: v}
	for _, k := range kinds {
		lang.kinds[k.Name] = k
	}
	return lang, nil
}

// Source is a plan file.
type Source struct {
	File string // for messages
	Dir  string // what relative paths are relative to
	Data []byte
}

// Override replaces a field of the file, or adds it.
type Override struct {
	Path   []string // keys and indices from the root
	Value  any
	Origin string // the variable or flag: CLUSTER_NAME, --context
	Shown  string // the value as people may see it

	FillOnly bool // a different value in the file is an error that names both
	Default  bool // the file's value stays
}

// Fault is a problem that Check found, at a path below the step's with.
type Fault struct {
	Path    string // keep.last, headers[0]; empty is with itself
	Message string
}

// LoadOptions are what a plan is loaded with.
type LoadOptions struct {
	// What replaces values of the file, the lower precedence first.
	Overrides func(file map[string]any) ([]Override, error) // from the file's values; later ones win
	Variables map[string]string                             // PLAN_…__… that are set, by name
	Flags     []Override
	Set       map[string]string // from --set: parameters by name, fields as steps.ID.FIELD and the like

	Getenv func(string) (string, bool)
	// Offline tolerates required parameters without a value: the plan is checked, not run.
	Offline bool
	// Check looks at a step's fields as far as they are known: what the schema cannot see. Where fields read the step's matrix, it
	// is asked once per instance, in their order.
	Check func(step *Step, with map[string]any) []Fault
	// CheckPreview is the same for steps of kinds that render, where something in their fields waits for the run: it gets all of them, with
	// placeholders as in Step.Preview.
	CheckPreview func(step *Step, with map[string]any) []Fault
}

// loader loads one plan.
type loader struct {
	lang     *Language
	opts     LoadOptions
	doc      *schema.Document
	plan     *Plan
	compiler *compiler
	values   values
	missing  map[string]bool // params.NAME and env.NAME without a value, tolerated offline; matrixRef outside of an instance
	decls    []*decl
	byID     map[string]*decl
	idsOf    map[bool][]string         // of finally, or of steps, once asked for
	sections map[string][]storeSection // storeSections by kind
	cyclic   int                       // how often needs go in a circle
	defaults struct {
		timeout, deadline time.Duration // 0: not given
		retry             *yaml.Node
	}
	spent    bool            // evaluation has cost all that it may, which is reported
	broken   map[string]bool // paths that the schema has found wrong; no more is said of them
	problems schema.Problems
}

// Load reads a plan and checks all of it. On a fault the error is a schema.Problems with every problem found, and no plan is returned.
func (lang *Language) Load(src Source, o LoadOptions) (*Plan, error) {
	l, err := lang.load(src, o)
	if err != nil {
		return nil, err
	}
	return l.plan, nil
}

func (lang *Language) load(src Source, o LoadOptions) (*loader, error) {
	if o.Getenv == nil {
		o.Getenv = func(string) (string, bool) { return "", false }
	}
	doc, problems := schema.Scan(src.File, src.Data)
	if len(problems) > 0 {
		return nil, problems
	}
	if problems := lang.head(doc, src, o); problems.Stopped() {
		return nil, problems
	}
	if problems := doc.Parse(); len(problems) > 0 {
		return nil, problems
	}
	l := lang.loader(doc, src, o)
	if err := l.overrides(); err != nil {
		return nil, err
	}
	if err := l.look(src); err != nil {
		return nil, err
	}
	return l, nil
}

// loader makes what loads a document.
func (lang *Language) loader(doc *schema.Document, src Source, o LoadOptions) *loader {
	l := &loader{lang: lang, opts: o, doc: doc, plan: &Plan{File: src.File, Dir: src.Dir}, byID: map[string]*decl{}, idsOf: map[bool][]string{}, sections: map[string][]storeSection{}, missing: map[string]bool{}, broken: map[string]bool{}}
	l.values.spent = new(uint64)
	return l
}

// head gives the problems of the beginning of a large file, if they are as many as are told of one.
func (lang *Language) head(whole *schema.Document, src Source, o LoadOptions) schema.Problems {
	doc, problems := whole.Head()
	if doc == nil {
		return problems
	}
	l := lang.loader(doc, src, o)
	if err := l.overrides(); err != nil || len(l.problems) > 0 {
		return nil // what it fits may stand further on
	}
	return lang.validator.Document(doc)
}

// look checks all of the document and fills the plan.
func (l *loader) look(src Source) error {
	l.problems = append(l.problems, l.lang.validator.Document(l.doc)...)
	if l.problems.Stopped() {
		return l.problems
	}
	for _, p := range l.problems {
		l.broken[p.Path] = true
	}
	spec := schema.Field(l.doc.Root, "spec")
	for _, part := range []func(*yaml.Node){l.envelope, l.params, l.declare, l.matrices, l.compile} {
		if part(spec); l.full() {
			return append(l.problems, l.doc.Rest()).Sorted()
		}
	}
	if len(l.problems) > 0 {
		return l.problems.Sorted()
	}
	l.plan.Hash = l.hash(src.Data)
	return nil
}

// full tells that so much is wrong that the search for more ends.
func (l *loader) full() bool {
	return len(l.problems) >= schema.MaxProblems || l.spent || l.compiler != nil && l.compiler.faulty > maxFaulty
}

func (l *loader) fail(n *yaml.Node, path, format string, args ...any) {
	l.report(l.doc.Problem(n, path, fmt.Sprintf(format, args...)))
}

func (l *loader) report(p schema.Problem) {
	if !l.broken[p.Path] && len(l.problems) < schema.MaxProblems {
		l.problems = append(l.problems, p)
	}
}

// failAt reports an issue of an expression that begins offset characters into a scalar.
func (l *loader) failAt(n *yaml.Node, offset int, path string, found issue) {
	p := l.doc.ProblemAt(n, l.doc.Place(n, offset+found.offset), path, found.message)
	p.Suggestion = found.suggestion
	l.report(p)
}

// str gives a scalar's text, or "" for anything else; the schema has reported what is not a string.
func str(n *yaml.Node) string {
	if n == nil || n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		return ""
	}
	return n.Value
}

func (l *loader) envelope(spec *yaml.Node) {
	p := l.plan
	metadata := schema.Field(l.doc.Root, "metadata")
	p.Name = str(schema.Field(metadata, "name"))
	p.Description = str(schema.Field(metadata, "description"))
	p.MaxParallel = int(l.integer(schema.Field(spec, "maxParallel"), 8))
	p.Timeout = l.positive(schema.Field(spec, "timeout"), "spec.timeout", 24*time.Hour)
	p.FinallyTimeout = l.positive(schema.Field(spec, "finallyTimeout"), "spec.finallyTimeout", time.Minute)
	p.FailFast, _ = value(schema.Field(spec, "failFast")).(bool)
	p.Concurrency = l.concurrency(schema.Field(spec, "concurrency"))
	defaults := schema.Field(spec, "defaults")
	l.defaults.timeout = l.positive(schema.Field(defaults, "timeout"), "spec.defaults.timeout", 0)
	l.defaults.deadline = l.positive(schema.Field(defaults, "deadline"), "spec.defaults.deadline", 0)
	l.defaults.retry = schema.Field(defaults, "retry")
}

func value(n *yaml.Node) any {
	if n == nil {
		return nil
	}
	return schema.Value(n)
}

func (l *loader) integer(n *yaml.Node, fallback int64) int64 {
	if i, ok := value(n).(int64); ok {
		return i
	}
	return fallback
}

// duration reads a literal duration. The schema has reported what is none.
func (l *loader) duration(n *yaml.Node, fallback time.Duration) time.Duration {
	if d, err := schema.ParseDuration(str(n)); err == nil {
		return d
	}
	return fallback
}

// positive reads a literal duration that bounds something.
func (l *loader) positive(n *yaml.Node, path string, fallback time.Duration) time.Duration {
	d := l.duration(n, fallback)
	if given, err := schema.ParseDuration(str(n)); err == nil && given == 0 {
		l.fail(n, path, tooShort)
	}
	return d
}

const tooShort = "must be longer than nothing; leave it out for the default"

// hash names what the plan does: the file, the parameters, what was overridden. Where a value came from makes no difference.
func (l *loader) hash(data []byte) string {
	h := sha256.New()
	var fields [][2]string
	for _, o := range l.plan.Overrides {
		if !strings.HasPrefix(o.Field, "params.") {
			fields = append(fields, [2]string{o.Field, o.Value})
		}
	}
	rest, err := json.Marshal([]any{l.values.params, fields, l.values.env})
	if err != nil {
		panic(err) // JSON-like values and strings
	}
	fmt.Fprintf(h, "%d\n", len(data))
	h.Write(data)
	h.Write(rest)
	return hex.EncodeToString(h.Sum(nil))
}

// AsProblems gives the problems of a Load error.
func AsProblems(err error) (schema.Problems, bool) {
	var ps schema.Problems
	ok := errors.As(err, &ps)
	return ps, ok
}

// concurrency reads spec.concurrency, which the schema has looked at.
func (l *loader) concurrency(n *yaml.Node) *Concurrency {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	return &Concurrency{
		Group: str(schema.Field(n, "group")), Namespace: str(schema.Field(n, "namespace")), OnConflict: cmp.Or(str(schema.Field(n, "onConflict")), "wait"),
		WaitTimeout: l.positive(schema.Field(n, "waitTimeout"), "spec.concurrency.waitTimeout", 10*time.Minute),
	}
}
