package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// startNode starts a lab with a node, once.
func (b *bench) startNode(ctx context.Context) error {
	if b.nodeUp {
		return nil
	}
	b.nodeUp = true
	return b.startLab(ctx, "node", "--node")
}

// image is that of the lab's pods.
const image = "local/shell:1"

func (b *bench) job(more ...string) []string {
	return append([]string{b.plan, "run", "job", "image:" + image, "--cluster-name", "bench"}, more...)
}

func (b *bench) oneJob(ctx context.Context) error {
	if err := b.startNode(ctx); err != nil {
		return err
	}
	kubectl := b.get("LAB_KUBECTL")
	script := `n=peer-$(date +%s%N); "$0" create job $n --image=` + image + ` -- true >/dev/null && "$0" wait --for=condition=complete --timeout=60s job/$n >/dev/null`
	r, err := b.add(ctx, row{
		title: "`run job`, one pod: from the start to the end that was noticed", rounds: 2*b.sizes.rounds + 1, base: 1,
		note: "Most of it is the pod's own second. plan also notes the Job in its journal before it starts it, follows the log, and sets the TTL.",
	}, []contestant{
		{name: "plan", argv: b.job("--", "true")},
		{name: "floor: client-go, create and watch", argv: []string{b.path("floor-job"), "-image", image, "true"}},
		{name: "kubectl create, then wait", argv: []string{"sh", "-c", script, kubectl}},
	})
	if err != nil {
		return err
	}
	r.targets = []target{{"of the floor's time", r.ratio(0, 1), 1.05, "%.2f ×"}}
	return nil
}

func (b *bench) manyPods(ctx context.Context) error {
	if err := b.startNode(ctx); err != nil {
		return err
	}
	const pods, lines = 20, 500
	script := fmt.Sprintf("for i in $(seq 1 %d); do echo line $i; done", lines)
	r, err := b.add(ctx, row{
		title: fmt.Sprintf("`run job`, %d pods, their logs followed, %d lines each", pods, lines), rounds: b.sizes.rounds, base: 1,
		note: "Neither loses a line: the tests count them.",
	}, []contestant{
		{name: "plan", argv: b.job("--parallelism", fmt.Sprint(pods), "--follow", "--", "sh", "-c", script)},
		{name: "floor: client-go, watch and logs", argv: []string{b.path("floor-job"), "-image", image, "-pods", fmt.Sprint(pods), "-logs", "sh", "-c", script}},
	})
	if err != nil {
		return err
	}
	r.targets = []target{{"of the floor's time", r.ratio(0, 1), 1.1, "%.2f ×"}}
	return nil
}

// idle counts what is asked while a Job does nothing, for some minutes, and says what an hour of it would come to.
func (b *bench) idle(ctx context.Context) error {
	if err := b.startNode(ctx); err != nil {
		return err
	}
	length := time.Duration(b.sizes.rounds) * time.Minute
	b.talk("watch a job for %s", length)
	argv := append([]string{b.path("count"), "-after", "20s", "-for", length.String()}, b.job("--", "sleep", fmt.Sprint(int(length.Seconds())+30))...)
	out, err := b.command(ctx, argv).Output()
	if err != nil {
		return fmt.Errorf("count requests: %w", err)
	}
	var all, idle, cpu int
	if _, err := fmt.Sscan(strings.TrimSpace(string(out)), &all, &idle, &cpu); err != nil {
		return fmt.Errorf("read what was counted (%q): %w", out, err)
	}
	const renewals = 3 // two watches and a log, each asked for 50 to 60 minutes
	r := row{
		title: fmt.Sprintf("an idle hour of watching a Job: requests, by those of %s (%d of %d in all; %d ms of CPU) and the two watches' renewal", length, idle, all, cpu),
		note:  "A poll every 5 seconds asks 720 times an hour.", rounds: 1,
	}
	r.targets = []target{{"requests an hour", float64(idle)*float64(time.Hour)/float64(length) + renewals, 20, "%.0f"}}
	b.rows = append(b.rows, r)
	return nil
}
