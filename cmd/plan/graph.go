package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"plan/engine"
	"plan/internal/printable"
)

// GraphCmd shows in which order the steps of a plan run.
type GraphCmd struct {
	FileArg
	SetFlags
	Output string `short:"o" help:"text, dot (for Graphviz) or mermaid (for Markdown)." enum:"text,dot,mermaid" default:"text" placeholder:"FORMAT"`
}

// Run is `plan graph`. It is offline.
func (c *GraphCmd) Run(a *app) error {
	l, err := a.offline(c.FileArg, c.SetFlags)
	if err != nil {
		return err
	}
	switch c.Output {
	case "dot":
		return graphDot(a.out, l.Plan)
	case "mermaid":
		return graphMermaid(a.out, l.Plan)
	}
	return graphText(a.out, l.Plan)
}

// label is a step in a few words: id, kind, instances.
func label(s *engine.Step) string {
	text := s.ID + " (" + s.Uses
	if s.Matrix != nil {
		text += fmt.Sprintf(" × %d", len(s.Matrix.Instances))
	}
	return text + ")"
}

// graphText lists the steps in waves: those of one number can run side by side, and when all steps of lower numbers are done they do.
func graphText(out io.Writer, p *engine.Plan) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ORDER\tSTEP\tAFTER\tIF")
	for _, section := range []struct {
		name  string
		steps []*engine.Step
	}{{"", p.Steps}, {"finally ", p.Finally}} {
		for i, wave := range waves(section.steps) {
			for _, s := range wave {
				after, condition := cmp.Or(strings.Join(s.Needs, ", "), "-"), cmp.Or(printable.String(s.Condition), "-")
				fmt.Fprintf(w, "%s%d\t%s\t%s\t%s\n", section.name, i+1, label(s), after, condition)
			}
		}
	}
	return w.Flush()
}

// waves groups steps by the longest chain of needs before them. The plan has no cycles.
func waves(steps []*engine.Step) [][]*engine.Step {
	depth := make(map[string]int, len(steps))
	var list [][]*engine.Step
	for pending := steps; len(pending) > 0; {
		var rest []*engine.Step
		for _, s := range pending {
			d, ready := 0, true
			for _, need := range s.Needs {
				known, ok := depth[need]
				ready = ready && ok
				d = max(d, known+1)
			}
			if !ready {
				rest = append(rest, s)
				continue
			}
			depth[s.ID] = d
			for len(list) <= d {
				list = append(list, nil)
			}
			list[d] = append(list[d], s)
		}
		pending = rest
	}
	return list
}

func graphDot(w io.Writer, p *engine.Plan) error {
	quote := func(s string) string {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(printable.String(s)) + `"`
	}
	var b strings.Builder
	fmt.Fprintf(&b, "digraph %s {\n  rankdir=LR;\n  node [shape=box];\n", quote(p.Name))
	for _, s := range slices.Concat(p.Steps, p.Finally) {
		text := quote(label(s))
		if s.Condition != "" {
			text = strings.TrimSuffix(text, `"`) + `\n` + strings.TrimPrefix(quote("if "+s.Condition), `"`)
		}
		style := ""
		if slices.Contains(p.Finally, s) {
			style = ", style=dashed"
		}
		fmt.Fprintf(&b, "  %s [label=%s%s];\n", quote(s.ID), text, style)
		for _, need := range s.Needs {
			fmt.Fprintf(&b, "  %s -> %s;\n", quote(need), quote(s.ID))
		}
	}
	b.WriteString("}\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func graphMermaid(w io.Writer, p *engine.Plan) error {
	// In mermaid's labels only these two end a label or begin an entity.
	escape := strings.NewReplacer(`"`, "#quot;", "#", "#35;", "<", "#lt;", ">", "#gt;")
	node := func(s *engine.Step) string { return "s_" + strings.ReplaceAll(s.ID, "-", "_") }
	byID := map[string]*engine.Step{}
	for _, s := range slices.Concat(p.Steps, p.Finally) {
		byID[s.ID] = s
	}
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	for _, s := range p.Steps {
		mermaidStep(&b, "  ", s, byID, node, escape)
	}
	if len(p.Finally) > 0 {
		b.WriteString("  subgraph finally\n")
		for _, s := range p.Finally {
			mermaidStep(&b, "    ", s, byID, node, escape)
		}
		b.WriteString("  end\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func mermaidStep(b *strings.Builder, indent string, s *engine.Step, byID map[string]*engine.Step, node func(*engine.Step) string, escape *strings.Replacer) {
	text := escape.Replace(printable.String(label(s)))
	if s.Condition != "" {
		text += "<br/>if " + escape.Replace(printable.String(s.Condition))
	}
	fmt.Fprintf(b, "%s%s[\"%s\"]\n", indent, node(s), text)
	for _, need := range s.Needs {
		fmt.Fprintf(b, "%s%s --> %s\n", indent, node(byID[need]), node(s))
	}
}

// offline loads a plan without asking anything for a required parameter.
func (a *app) offline(file FileArg, set SetFlags) (*loaded, error) {
	r, err := a.offlineRequest(file, set)
	if err != nil {
		return nil, err
	}
	return a.load(r)
}

func (a *app) offlineRequest(file FileArg, set SetFlags) (*request, error) {
	name, err := file.name()
	if err != nil {
		return nil, err
	}
	values, err := set.values()
	if err != nil {
		return nil, err
	}
	src, err := a.source(name)
	if err != nil {
		return nil, err
	}
	return &request{src: src, set: values, offline: true}, nil
}
