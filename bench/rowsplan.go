package main

import (
	"context"
	"fmt"
	"os"
	"strings"
)

func (b *bench) start(ctx context.Context) error {
	r, err := b.add(ctx, row{title: "Start: `version`", rounds: 4 * b.sizes.rounds, base: 1, absent: []string{"argo", "dagu", "task"}}, []contestant{
		{name: "plan", argv: []string{b.plan, "version"}},
		{name: "kubectl", argv: []string{b.get("LAB_KUBECTL"), "version", "--client"}},
		{name: "floor: client-go and S3 SDK linked", argv: []string{b.path("floor-start")}},
	})
	if err != nil {
		return err
	}
	r.targets = []target{
		{"of kubectl's time", r.ratio(0, 1), 0.35, "%.2f ×"},
		{"memory", r.mebibytes(0), 35, "%.0f MiB"},
	}
	return nil
}

const threeSteps = `    - {id: volumes, uses: backup-pvs}
    - {id: nodes, uses: backup-nodes, needs: [volumes]}
    - {id: tidy, uses: prune, needs: [nodes], with: {artefact: pvs, keep: {last: 30}}}
`

// write puts a plan of steps into a file.
func (b *bench) write(name, steps string) (string, error) {
	text := "apiVersion: plan/v1\nkind: Plan\nmetadata: {name: bench}\nspec:\n  params: {many: {type: integer, default: 3}}\n" +
		"  stores: {main: {dir: {path: backups}}}\n  steps:\n" + steps
	if err := os.WriteFile(b.path(name), []byte(text), 0o644); err != nil {
		return "", fmt.Errorf("write a plan: %w", err)
	}
	return b.path(name), nil
}

func (b *bench) validate(ctx context.Context) error {
	file, err := b.write("three.yaml", threeSteps)
	if err != nil {
		return err
	}
	r, err := b.add(ctx, row{
		title: "`validate`, 3 steps", rounds: 4 * b.sizes.rounds, base: 1, absent: []string{"argo", "dagu"},
		note: "The target that counts is 0.35 × the better of `argo lint` and `dagu validate`, which take about 6 times as long as the floor; without them the floor stands for it.",
	}, []contestant{
		{name: "plan", argv: []string{b.plan, "validate", file}},
		{name: "floor: yaml.v3 and the JSON Schema", argv: []string{b.path("floor-validate"), file}},
	})
	if err != nil {
		return err
	}
	r.targets = []target{{"of the floor's time", r.ratio(0, 1), 2, "%.2f ×"}}
	return nil
}

// manySteps are a chain of half backups whose prefix reads another's output, and half deletions with a condition.
func manySteps(n int) string {
	var s strings.Builder
	s.WriteString("    - {id: s0, uses: backup-pvs}\n")
	for i := 1; i < n; i++ {
		if i%2 == 1 {
			fmt.Fprintf(&s, "    - {id: s%d, uses: prune, if: params.many > 1, with: {artefact: pvs, keep: {last: 3}}}\n", i)
		} else {
			fmt.Fprintf(&s, "    - {id: s%d, uses: backup-pvs, with: {prefix: \"${{ steps.s%d.outputs.key }}\"}}\n", i, i/4*2)
		}
	}
	return s.String()
}

func (b *bench) validateMany(ctx context.Context) error {
	n := b.sizes.steps
	large, err := b.write("large.yaml", manySteps(n))
	if err != nil {
		return err
	}
	small, err := b.write("small.yaml", manySteps(n/10))
	if err != nil {
		return err
	}
	r, err := b.add(ctx, row{
		title: fmt.Sprintf("`validate`, %d steps", n), rounds: b.sizes.rounds, base: 1, absent: []string{"argo", "dagu", "task"},
		note: "Every other step has an expression of its own, the others share one. plan also resolves and types the expressions, checks the graph, and lets each kind look at its fields. The target that counts is 0.35 × `dagu validate`, which takes about 5 times as long as the floor; without it the floor stands for it.",
	}, []contestant{
		{name: "plan", argv: []string{b.plan, "validate", large}},
		{name: "floor: yaml.v3 and the JSON Schema", argv: []string{b.path("floor-validate"), large}},
		{name: "floor: yaml.v3 alone", argv: []string{b.path("floor-validate"), "-parse", large}},
		{name: fmt.Sprintf("plan, %d steps", n/10), argv: []string{b.plan, "validate", small}},
	})
	if err != nil {
		return err
	}
	r.targets = []target{
		{"of the floor's time", r.ratio(0, 1), 2, "%.2f ×"},
		{"memory", r.mebibytes(0), 128, "%.0f MiB"},
		{fmt.Sprintf("of the time for %d", n/10), r.ratio(0, 3), 11, "%.1f ×"},
	}
	return nil
}

// chainFile is a plan of steps that do nothing, each of which needs the one before.
func (b *bench) chainFile() (string, error) {
	var s strings.Builder
	s.WriteString("    - {id: s0, uses: nothing}\n")
	for i := 1; i < b.sizes.chain; i++ {
		fmt.Fprintf(&s, "    - {id: s%d, uses: nothing, needs: [s%d]}\n", i, i-1)
	}
	return b.write("chain.yaml", s.String())
}

func (b *bench) chain(ctx context.Context) error {
	file, err := b.chainFile()
	if err != nil {
		return err
	}
	r, err := b.add(ctx, row{
		title: fmt.Sprintf("Engine: a chain of %d steps that do nothing", b.sizes.chain), rounds: b.sizes.rounds, base: 1, absent: []string{"dagu", "task"},
		note: "Both parse, check and walk, 20 times in one process, for the start is a row of its own; plan's engine is in a small program, since no kind of step does nothing.",
	}, []contestant{
		{name: "plan's engine", argv: []string{b.path("chain"), "-times", "20", file}},
		{name: "floor: parse, check, walk", argv: []string{b.path("floor-chain"), "-times", "20", file}},
	})
	if err != nil {
		return err
	}
	r.targets = []target{{"of the floor's time", r.ratio(0, 1), 3, "%.2f ×"}}
	return nil
}

func (b *bench) journal(ctx context.Context) error {
	file, err := b.chainFile()
	if err != nil {
		return err
	}
	journals := []string{b.path("journal"), b.path("floor-journal")}
	remove := func(context.Context) error {
		for _, name := range journals {
			if err := os.RemoveAll(name); err != nil {
				return fmt.Errorf("remove a journal: %w", err)
			}
		}
		return nil
	}
	r, err := b.add(ctx, row{
		title: fmt.Sprintf("Engine: the chain of %d with a journal on disk", b.sizes.chain), rounds: 2 * b.sizes.rounds, base: 1,
		note: "Each step's end is on disk before the next begins. The disk decides; on a file system in memory the figure means nothing.",
	}, []contestant{
		{name: "plan's engine", argv: []string{b.path("chain"), "-journal", journals[0], file}, prepare: remove},
		{name: "floor: write and fsync per step", argv: []string{b.path("floor-chain"), "-journal", journals[1], file}, prepare: remove},
	})
	if err != nil {
		return err
	}
	r.targets = []target{{"of the floor's time", r.ratio(0, 1), 1.3, "%.2f ×"}}
	return nil
}
