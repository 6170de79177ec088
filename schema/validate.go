package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"
	"gopkg.in/yaml.v3"
)

// Validator holds documents against a bundle. Rules made of it accept what is valid and find what is not; the library is asked, and its
// schemas compiled, only for what they have no words for.
type Validator struct {
	raw      map[string]any
	bundle   []byte
	quick    *acceptor
	root     *rules
	compiler *jsonschema.Compiler          // nil until needed
	compiled map[string]*jsonschema.Schema // by definition; the document itself is ""
	later    map[string]bool
}

// NewValidator reads a bundle. later names what the language has and this version has not, as paths without indices
// (`spec.steps[].matrix`) or as kinds (`uses: run-job`): they are refused by name.
func NewValidator(bundle []byte, later []string) (*Validator, error) {
	v := &Validator{bundle: bundle, compiled: map[string]*jsonschema.Schema{}, later: map[string]bool{}}
	if err := json.Unmarshal(bundle, &v.raw); err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	for _, name := range later {
		v.later[name] = true
	}
	v.quick = newAcceptor(v.raw)
	v.root = v.quick.schema(v.raw)
	return v, nil
}

// compile gives a definition as the library has it.
func (v *Validator) compile(name string) (*jsonschema.Schema, error) {
	if s, ok := v.compiled[name]; ok {
		return s, nil
	}
	if v.compiler == nil {
		c := newCompiler()
		c.RegisterExtension("plan", nil, beyond{})
		if err := c.AddResource(ID, bytes.NewReader(v.bundle)); err != nil {
			return nil, fmt.Errorf("read the schema: %w", err)
		}
		v.compiler = c
	}
	location := ID
	if name != "" {
		location += "#/$defs/" + name
	}
	s, err := v.compiler.Compile(location)
	if err != nil {
		return nil, fmt.Errorf("compile the schema %s: %w", name, err)
	}
	v.compiled[name] = s
	return s, nil
}

// newCompiler makes a compiler that fetches nothing.
func newCompiler() *jsonschema.Compiler {
	c := jsonschema.NewCompiler()
	c.Draft = jsonschema.Draft2020
	c.LoadURL = func(url string) (io.ReadCloser, error) { return nil, fmt.Errorf("%s is not part of the schema", url) }
	return c
}

// Document holds a whole document against the bundle.
func (v *Validator) Document(d *Document) Problems {
	return v.check("", v.root, d, d.Root, "")
}

// Def holds a node against one definition of the bundle: cluster, store, or kind. and the name of a kind, which is the schema of its with.
// node may be made by Node; path is where it stands.
func (v *Validator) Def(d *Document, name string, node *yaml.Node, path string) Problems {
	return v.check(name, v.quick.def(name), d, node, path)
}

func (v *Validator) check(name string, quick *rules, d *Document, root *yaml.Node, path string) Problems {
	if v.quick.foreign == "" {
		if quick.accepts(root) {
			return nil
		}
		if x := v.explain(quick, d, root, path); x.sure() {
			return x.problems()
		}
	}
	faults, err := v.ask(name, d, root, path)
	if err != nil {
		return Problems{d.Problem(root, path, err.Error())}
	}
	return tell(d, faults, len(faults) >= maxFaults)
}

// ask gives the faults that the library finds.
func (v *Validator) ask(name string, d *Document, root *yaml.Node, path string) ([]*fault, error) {
	s, err := v.compile(name)
	if err != nil {
		return nil, err
	}
	err = s.Validate(Value(root))
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return nil, err
	}
	return v.faults(d, root, path, leaves(invalid, nil)), nil
}

// tell makes problems of faults. What holds a secret is hidden from all of them. stopped tells that there are more faults.
func tell(d *Document, faults []*fault, stopped bool) (ps Problems) {
	for _, f := range faults {
		if f.node.Kind == yaml.ScalarNode && f.isSecret() {
			d.hide(f.node)
		}
	}
	for _, f := range faults {
		if ps = append(ps, f.problems()...); len(ps) >= MaxProblems {
			ps, stopped = ps[:MaxProblems], true
			break
		}
	}
	if stopped {
		ps = append(ps, d.Rest())
	}
	return ps.Sorted()
}

func (v *Validator) faults(d *Document, root *yaml.Node, path string, errs []*jsonschema.ValidationError) []*fault {
	out := make([]*fault, 0, len(errs))
	find := finder{}
	for _, leaf := range errs {
		at, err := url.PathUnescape(leaf.InstanceLocation)
		if err != nil {
			at = leaf.InstanceLocation
		}
		node, below := find.lookup(root, at)
		if strings.Contains(leaf.KeywordLocation, "/propertyNames") {
			node = keyOf(root, at)
		}
		f := &fault{v: v, doc: d, node: node, path: joinPaths(path, below), said: leaf.Message}
		f.keyword, f.value, f.parent = v.rule(leaf.AbsoluteKeywordLocation)
		out = append(out, f)
	}
	return withoutEchoes(out)
}

// withoutEchoes leaves out what only repeats another fault: the other rules of a value that is of the wrong type.
func withoutEchoes(faults []*fault) []*fault {
	mistyped := map[*yaml.Node]bool{}
	for _, f := range faults {
		if f.keyword == "type" {
			mistyped[f.node] = true
		}
	}
	return slices.DeleteFunc(faults, func(f *fault) bool { return f.keyword != "type" && mistyped[f.node] })
}

// keyOf gives the key that a pointer ends with; what is wrong is the name, not the value.
func keyOf(root *yaml.Node, pointer string) *yaml.Node {
	slash := strings.LastIndex(pointer, "/")
	parent, _ := finder{}.lookup(root, pointer[:slash])
	key, _ := entry(parent, pointerTokens(pointer[slash:])[0])
	return key
}

func joinPaths(a, b string) string {
	if a == "" || b == "" || strings.HasPrefix(b, "[") {
		return a + b
	}
	return a + "." + b
}

// maxFaults is how many broken rules of one document are looked at. They can come to fewer problems.
const maxFaults = 1000

func leaves(e *jsonschema.ValidationError, out []*jsonschema.ValidationError) []*jsonschema.ValidationError {
	if len(e.Causes) == 0 && len(out) < maxFaults {
		return append(out, e)
	}
	for _, cause := range e.Causes {
		out = leaves(cause, out)
	}
	return out
}
