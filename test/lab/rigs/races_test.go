package rigs

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
)

// race is a kind of meeting of several processes.
type race struct {
	name     string
	cluster  bool   // the plan needs the cluster, so that the lock is a Lease
	conflict string // of concurrency; "" is none
	args     []string
	env      []string // ID stands for the race's
	held     bool     // the first one is kept inside until the others have ended
	code     int      // of the others
	again    bool     // resume a run that was begun before
}

func races() []race {
	id, state := []string{"--run-id", "ID"}, []string{"--state", "cluster"}
	return []race{
		{name: "file, fail", conflict: "fail", held: true, code: 75},
		{name: "file, skip", conflict: "skip", held: true, code: 0},
		{name: "file, wait too short", conflict: "wait, waitTimeout: 1s", held: true, code: 75},
		{name: "file, wait", conflict: "wait, waitTimeout: 3m", code: 0},
		{name: "run id", args: id, held: true, code: 2},
		{name: "run id in the cluster", args: slices.Concat(id, state), held: true, code: 2},
		{name: "resume", held: true, again: true, code: 75},
		{name: "job", args: state, env: []string{"PLAN_JOB_UID=ID"}, code: 5},
		{name: "job with a group", args: state, conflict: "fail", cluster: true, env: []string{"PLAN_JOB_UID=ID"}, code: 5},
		{name: "lease, fail", cluster: true, conflict: "fail", held: true, code: 75},
		{name: "lease, skip", cluster: true, conflict: "skip", held: true, code: 0},
		{name: "lease, wait", cluster: true, conflict: "wait, waitTimeout: 3m", code: 0},
	}
}

// TestOneOfManyWorks: P3. Two to eight processes start at once, of a group or of one run.
func TestOneOfManyWorks(t *testing.T) {
	r := theWorld(t)
	n, begin := number(t, "PLAN_RIG_RACES", 12), time.Now()
	s, dir := newTurnstile(t), t.TempDir()
	var next, ended, wrong atomic.Int32
	kinds := tally{}
	var group errgroup.Group
	for range 2 * workers() {
		group.Go(func() error {
			for i := int(next.Add(1)); i <= n && wrong.Load() < 20 && inTime(begin); i = int(next.Add(1)) {
				kind := races()[i%len(races())]
				ctx, cancel := context.WithTimeout(t.Context(), hangs)
				if err := r.meet(ctx, s, dir, kind, i, 2+chance(uint64(i)).IntN(7)); err != nil {
					wrong.Add(1)
					t.Errorf("race %d, %s, seed %d: %v", i, kind.name, seed(), err)
				}
				cancel()
				kinds.add(kind.name)
				ended.Add(1)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	fmt.Printf("rig races: %d races of 2 to 8, %d wrong, seed %d, %.0f s; %s\n", ended.Load(), wrong.Load(), seed(), time.Since(begin).Seconds(), kinds.String())
}

// meet starts so many at once, and looks how they end and what they did.
func (r *rig) meet(ctx context.Context, s *turnstile, dir string, kind race, i, starters int) error {
	name, id := fmt.Sprintf("race-%d", i), uuid.NewString()
	c, err := r.command(filepath.Join(dir, name), "PING="+s.URL+"/"+name)
	if err != nil {
		return err
	}
	room := s.room(name)
	plan, err := r.racePlan(c, kind, name)
	if err != nil {
		return err
	}
	args := []string{"apply", plan}
	if kind.again {
		if err := begun(ctx, c, room, plan, id); err != nil {
			return err
		}
		args = []string{"resume", id}
	}
	for _, arg := range kind.args {
		args = append(args, strings.ReplaceAll(arg, "ID", id))
	}
	for _, v := range kind.env {
		c = c.with(strings.Replace(v, "=ID", "="+id, 1))
	}
	if !kind.held {
		close(room.open)
	}
	before := room.visits
	var all []*process
	for range starters {
		p, err := c.start(args...)
		if err != nil {
			return err
		}
		all = append(all, p)
	}
	codes := map[int]int{}
	said, err := kind.ends(ctx, room, all, codes)
	if err != nil {
		return err
	}
	if err := kind.judge(room, codes, starters, before); err != nil {
		return fmt.Errorf("%d starters, exit codes %v: %w\n%s", starters, codes, err, said)
	}
	return r.traces(ctx, kind, c, name, id, said)
}

// racePlan writes the plan of a race.
func (r *rig) racePlan(c *command, kind race, name string) (string, error) {
	steps := "    - {id: work, uses: notify, timeout: 3m, with: {url: {from: {env: PING}}}}\n"
	if kind.cluster {
		steps = "    - {id: pvs, uses: backup-pvs, with: {prefix: " + name + "}}\n" + steps
	}
	group := ""
	if kind.conflict != "" {
		group = "  concurrency: {group: " + name + ", onConflict: " + kind.conflict + "}\n"
	}
	text := strings.Replace(r.planText(r.S3.Endpoint, "x", steps), "  concurrency: {group: x, waitTimeout: 70s}\n", group, 1)
	return c.write("plan.yaml", strings.Replace(text, "  timeout: 100s\n", "", 1))
}

// begun makes a run that was killed in its step.
func begun(ctx context.Context, c *command, room *room, plan, id string) error {
	p, err := c.start("apply", plan, "--run-id", id)
	if err != nil {
		return err
	}
	select {
	case <-room.entered:
	case <-p.ended:
		return p.end().fault("it ended early")
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := p.Process.Kill(); err != nil {
		return err
	}
	p.end()
	return nil
}

// ends waits for all, and lets the one that is kept go when the others have ended.
func (kind race) ends(ctx context.Context, room *room, all []*process, codes map[int]int) (said string, err error) {
	results := make(chan result, len(all))
	for _, p := range all {
		go func() { results <- p.end() }()
	}
	for n := 1; n <= len(all); n++ {
		if kind.held && n == len(all) {
			select {
			case <-room.entered:
				close(room.open)
			case got := <-results:
				return "", got.fault("nobody of %d worked; this was the last", len(all))
			case <-ctx.Done():
				return "", ctx.Err()
			}
		}
		select {
		case got := <-results:
			if got.late {
				return "", got.fault("it did not end")
			}
			codes[got.code]++
			said += got.fault("end %d", n).Error() + "\n"
		case <-ctx.Done():
			for _, p := range all {
				_ = p.Process.Kill() // those that are left
			}
			return "", fmt.Errorf("%d of %d ended, then: %w\n%s", n-1, len(all), ctx.Err(), said)
		}
	}
	return said, nil
}

// judge looks at how they ended.
func (kind race) judge(room *room, codes map[int]int, starters, before int) error {
	want := map[int]int{kind.code: starters - 1}
	want[0]++
	switch {
	case kind.env != nil: // whoever comes later takes over, and who is overtaken stops; who comes at the same time as the first has not begun
		if codes[0]+codes[1]+codes[2]+codes[5]+codes[75] != starters {
			return fmt.Errorf("want 0, 5, 1, 2 or 75")
		}
		return nil
	case kind.cluster && !kind.held && codes[5] > 0: // whoever could not renew the Lease for 20 s has stopped, on a machine that has too much to do
		if codes[0]+codes[5] != starters || room.most > 1 {
			return fmt.Errorf("%d worked at one time", room.most)
		}
		return nil
	case !maps.Equal(codes, want):
		return fmt.Errorf("want %v", want)
	case room.most > 1 && !kind.again:
		return fmt.Errorf("%d worked at one time", room.most)
	case kind.held && room.visits-before != 1:
		return fmt.Errorf("%d worked", room.visits-before)
	case !kind.held && room.visits-before != starters:
		return fmt.Errorf("%d worked", room.visits-before)
	}
	return nil
}

// traces looks at what is recorded, and stored.
func (r *rig) traces(ctx context.Context, kind race, c *command, name, id, said string) error {
	if kind.env != nil {
		// The next pod ends it, whatever became of those.
		if _, err := c.must(0, "apply", filepath.Join(c.dir, "plan.yaml"), "--state", "cluster"); err != nil {
			return fmt.Errorf("%w\n%s", err, said)
		}
		if got, err := c.must(0, "status", id, "--state", "cluster"); err != nil {
			return err
		} else if !strings.Contains(got.stdout, "succeeded, exit 0") {
			return fmt.Errorf("%w\n%s", got.fault("the run has not succeeded"), said)
		}
	}
	stored, err := r.keys(ctx, name+"/")
	if err != nil {
		return err
	}
	runs, err := filepath.Glob(filepath.Join(c.dir, "state", "plan", "runs", "*", "journal"))
	if err != nil {
		return err
	}
	if kind.held && !slices.Contains(kind.args, "cluster") && len(runs) != 1 {
		return fmt.Errorf("%d runs are recorded\n%s", len(runs), said)
	}
	if kind.cluster && (kind.held || kind.env != nil) && len(stored) != 1 {
		return fmt.Errorf("stored are %q\n%s", stored, said)
	}
	return nil
}
