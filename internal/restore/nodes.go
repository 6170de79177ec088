package restore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"plan/internal/kube"
	"plan/internal/objects"
)

// NodeOptions say what of nodes is restored.
type NodeOptions struct {
	Only        []string // patterns
	Annotations []string // patterns of annotations' names; empty is none
	Overwrite   bool     // give labels, taints and annotations that have another value the backup's

	Pause    func(ctx context.Context, try int) error // as in Options
	Progress func(what string, done, total int64, unit string)
}

// Node is a node of the backup beside the cluster's.
type Node struct {
	Name      string
	Missing   bool     // the node has not joined
	Add       []string // what is put back, for people: label a, taint b:NoExecute, annotation c
	Different []string // what is there with another value

	Before, After json.RawMessage // objects.Clean of the node without and with the change
	patch         []byte          // nil if there is nothing to change
}

// NodePlan is what a restore of nodes would do.
type NodePlan struct {
	Nodes   []*Node // by name
	wanted  map[string]settings
	options NodeOptions
}

// SurveyNodes reads the nodes and decides what they get back. Nothing is written.
func SurveyNodes(ctx context.Context, client *kube.Client, b Backup, o NodeOptions) (*NodePlan, error) {
	if o.Pause == nil {
		o.Pause = wait
	}
	if o.Progress == nil {
		o.Progress = func(string, int64, int64, string) {}
	}
	chosen, problems := choose(b.Objects, o.Only)
	for _, pattern := range o.Annotations {
		if err := CheckAnnotation(pattern); err != nil {
			problems = append(problems, err)
		}
	}
	if len(problems) > 0 {
		return nil, joined(problems)
	}
	p := &NodePlan{wanted: map[string]settings{}, options: o}
	found := map[string]*Node{}
	for _, object := range chosen {
		want, err := p.settingsOf(object.Want)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", object.ID, err)
		}
		n := &Node{Name: object.ID.Name, Missing: true}
		p.wanted[n.Name], found[n.Name] = want, n
		p.Nodes = append(p.Nodes, n)
	}
	slices.SortFunc(p.Nodes, func(a, b *Node) int { return strings.Compare(a.Name, b.Name) })
	err := each(ctx, client, nodesResource(), func(raw json.RawMessage) error {
		if n := found[objects.IDOf(raw).Name]; n != nil {
			return p.compare(n, raw)
		}
		return nil
	})
	return p, err
}

func nodesResource() kube.Resource { return kube.Resource{Version: "v1", Resource: nodes.resource} }

// compare decides about a node that is there.
func (p *NodePlan) compare(n *Node, live json.RawMessage) error {
	object, err := objects.Decode(live)
	if err != nil {
		return fmt.Errorf("read node %s: %w", n.Name, err)
	}
	before, err := objects.Clean(live)
	if err != nil {
		return fmt.Errorf("read node %s: %w", n.Name, err)
	}
	*n = Node{Name: n.Name, Before: before}
	m := merge{overwrite: p.options.Overwrite, node: n}
	want := p.wanted[n.Name]
	has := read(object)
	labels := m.entries("label", want.labels, has.labels)
	annotations := m.entries("annotation", want.annotations, has.annotations)
	taints := m.taints(want.taints, object)
	if len(n.Add) == 0 {
		return nil
	}
	if n.patch, err = nodePatch(object, labels, annotations, taints); err != nil {
		return fmt.Errorf("node %s: %w", n.Name, err)
	}
	n.After, err = patched(live, n.patch)
	return err
}

// NodeReport is what a restore of nodes has come to.
type NodeReport struct {
	Changed   int64 // nodes that got something back
	Unchanged int64 // nodes that have everything
	Different int64 // nodes where something has another value, which was left
	Missing   int64
}

// ExecuteNodes gives the nodes what they had. A node that changes meanwhile is looked at again. The error has every node that is not as in
// the backup; the report counts in any case.
func ExecuteNodes(ctx context.Context, client *kube.Client, p *NodePlan) (NodeReport, error) {
	var report NodeReport
	var problems []error
	for i, n := range p.Nodes {
		p.options.Progress("restoring", int64(i), int64(len(p.Nodes)), "nodes")
		if n.patch != nil {
			if err := p.apply(ctx, client, n); err != nil {
				problems = append(problems, err)
				if hopeless(err) {
					break
				}
				continue
			}
			report.Changed++
		}
		switch {
		case n.Missing:
			report.Missing++
			problems = append(problems, fmt.Errorf("node %s has not joined this cluster: let it join, then restore again, or leave it out with only", n.Name))
		case len(n.Different) > 0:
			report.Different++
			problems = append(problems, fmt.Errorf("node %s has other values, which were left as they are: %s", n.Name, strings.Join(n.Different, ", ")))
		case n.After == nil:
			report.Unchanged++
		}
	}
	return report, joined(problems)
}

// apply sends a node's patch. After a conflict or a lost answer the node is read and compared again.
func (p *NodePlan) apply(ctx context.Context, client *kube.Client, n *Node) error {
	for try := 1; ; try++ {
		_, err := client.Patch(ctx, nodesResource(), n.Name, n.patch, kube.WriteOptions{})
		if err == nil {
			return nil
		}
		if again := conflict(err) || errors.Is(err, kube.ErrUnanswered); !again || try == maxTries || p.options.Pause(ctx, try) != nil {
			return err
		}
		live, getErr := client.Get(ctx, nodesResource(), n.Name)
		if getErr != nil {
			return errors.Join(err, getErr)
		}
		after := n.After
		if err := p.compare(n, live); err != nil {
			return err
		}
		if n.patch == nil { // it was executed
			n.After = after
			return nil
		}
	}
}

// settings are the parts of a node that people set.
type settings struct {
	labels, annotations map[string]string
	taints              []taint
}

// settingsOf are those of a node of the backup that are restored.
func (p *NodePlan) settingsOf(node json.RawMessage) (settings, error) {
	object, err := objects.Decode(node)
	if err != nil {
		return settings{}, err
	}
	s := read(object)
	maps.DeleteFunc(s.labels, func(name, _ string) bool { return clustersLabel(name) })
	maps.DeleteFunc(s.annotations, func(name, _ string) bool {
		return !slices.ContainsFunc(p.options.Annotations, func(pattern string) bool { return annotationMatches(pattern, name) })
	})
	s.taints = slices.DeleteFunc(s.taints, func(t taint) bool { return clustersTaint(t.key) })
	return s, nil
}
