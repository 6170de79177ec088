package main

import (
	"context"
	"fmt"
	"os"
	"strings"
)

// jobSteps are steps of kind run-job, each of which needs the one before.
func jobSteps(n int) string {
	var s strings.Builder
	for i := range n {
		fmt.Fprintf(&s, `    - id: s%d
      uses: run-job
      with:
        image: registry.example.net/team/worker:1.4.2
        command: [worker, --shard, "%d"]
        env: {SHARD: "%d", MODE: fast, MANY: "${{ string(params.many) }}"}
        parallelism: 4
        resources: {cpu: 500m-2, memory: 256Mi-1Gi}
`, i, i, i)
	}
	return s.String()
}

func (b *bench) render(ctx context.Context) error {
	n := b.sizes.rendered
	file, err := b.write("jobs.yaml", jobSteps(n))
	if err != nil {
		return err
	}
	one, err := b.command(ctx, []string{b.plan, "render", file, "s0", "--namespace", "bench", "-o", "json"}).Output()
	if err != nil {
		return fmt.Errorf("render a step: %w", err)
	}
	if err := os.WriteFile(b.path("job.json"), one, 0o644); err != nil {
		return fmt.Errorf("write a step's objects: %w", err)
	}
	r, err := b.add(ctx, row{
		title: fmt.Sprintf("`render`, %d steps run-job", n), rounds: 2 * b.sizes.rounds, base: 1,
		note: "The floor only writes the same objects, by the library that kubectl has for it. plan also reads and checks the plan, makes the objects and hashes each.",
	}, []contestant{
		{name: "plan", argv: []string{b.plan, "render", file, "--namespace", "bench"}},
		{name: "floor: the objects as YAML", argv: []string{b.path("floor-render"), "-n", fmt.Sprint(n), b.path("job.json")}},
		{name: "plan, as JSON", argv: []string{b.plan, "render", file, "--namespace", "bench", "-o", "json"}},
	})
	if err != nil {
		return err
	}
	r.targets = []target{{"of the floor's time", r.ratio(0, 1), 2, "%.2f ×"}}
	return nil
}
