package main

import (
	"bufio"
	"context"
	"fmt"
	"net/url"
	"strings"
)

// row is one piece of work and who did it.
type row struct {
	title   string
	note    string
	rounds  int
	entries []entry
	base    int // the entry that ratios are against
	targets []target
	absent  []string // peers that this machine lacks
}

type entry struct {
	name, command string
	figures
}

// target is a promise: a figure and its bound.
type target struct {
	what       string
	value, max float64
	format     string // of both
}

func (t target) met() bool { return t.value <= t.max }

func (b *bench) measureAll(ctx context.Context) error {
	defer func() {
		if b.nodeUp {
			b.stopLab("node")
		}
	}()
	for _, r := range []struct {
		name    string
		measure func(context.Context) error
	}{{"1", b.start}, {"2", b.validate}, {"3", b.validateMany}, {"4", b.chain}, {"5", b.journal}, {"13", b.render}, {"10", b.pack}, {"11", b.verifyEtcd}, {"12", b.verifyLonghorn}, {"6", b.backup}, {"6", b.moreVolumes}, {"7", b.prune}, {"7", b.many}, {"8", b.oneJob}, {"9", b.manyPods}, {"14", b.idle}} {
		if !b.wants(r.name) {
			continue
		}
		if err := r.measure(ctx); err != nil {
			return err
		}
	}
	return nil
}

// add races the contestants and keeps the row. Entry 0 is plan.
func (b *bench) add(ctx context.Context, r row, contestants []contestant) (*row, error) {
	b.talk("%s", r.title)
	measured, err := b.race(ctx, r.rounds, contestants)
	if err != nil {
		return nil, err
	}
	for i, c := range contestants {
		r.entries = append(r.entries, entry{c.name, b.shown(c.argv), measured[i]})
	}
	b.rows = append(b.rows, r)
	return &b.rows[len(b.rows)-1], nil
}

func (r *row) ratio(i, base int) float64 {
	return float64(r.entries[i].wall) / float64(r.entries[base].wall)
}

func (r *row) mebibytes(i int) float64 { return float64(r.entries[i].rss) / (1 << 20) }

// shown is a command without what differs from run to run.
func (b *bench) shown(argv []string) string {
	quoted := make([]string, len(argv))
	for i, arg := range argv {
		if quoted[i] = arg; strings.Contains(arg, " ") {
			quoted[i] = "'" + arg + "'"
		}
	}
	s := strings.Join(quoted, " ")
	for _, w := range [][2]string{
		{b.plan, "plan"}, {b.get("LAB_KUBECTL"), "kubectl"}, {b.dir + "/", ""}, {url.QueryEscape(b.get("LAB_S3_ENDPOINT")), "$LAB_S3_ENDPOINT"},
	} {
		if w[0] != "" { // the lab's, when no row needs one
			s = strings.ReplaceAll(s, w[0], w[1])
		}
	}
	return s
}

// storeURL is the lab's bucket as plan's --store takes it.
func storeURL(bucket, endpoint string) string {
	return "s3://" + bucket + "?endpoint=" + url.QueryEscape(endpoint) + "&region=us-east-1"
}

func (b *bench) backupCommand() []string {
	return []string{b.plan, "run", "backup-pvs", "--cluster-name", "bench", "--store", storeURL(b.get("LAB_S3_BUCKET"), b.get("LAB_S3_ENDPOINT"))}
}

func (b *bench) backup(ctx context.Context) error {
	if err := b.seed(ctx, b.sizes.pvs); err != nil {
		return err
	}
	r, err := b.add(ctx, row{
		title: fmt.Sprintf("`backup-pvs`, %d Longhorn volumes with claims", b.sizes.pvs), rounds: b.sizes.rounds, base: 1,
		note: "plan lists volumes, claims, classes, attachments and namespaces, compresses, uploads, reads back and compares; kubectl only lists the volumes; the floor lists volumes, claims and classes and throws them away.",
	}, []contestant{
		{name: "plan", argv: b.backupCommand()},
		{name: "kubectl, the volumes alone", argv: []string{b.get("LAB_KUBECTL"), "get", "pv", "-o", "json"}},
		{name: "floor: client-go, raw pages of 500", argv: []string{b.path("floor-list")}},
	})
	if err != nil {
		return err
	}
	r.targets = []target{
		{"of kubectl's time", r.ratio(0, 1), 0.35, "%.2f ×"},
		{"memory", r.mebibytes(0), 64, "%.0f MiB"},
	}
	return nil
}

// moreVolumes follows backup.
func (b *bench) moreVolumes(ctx context.Context) error {
	before := b.rows[len(b.rows)-1]
	if err := b.seed(ctx, b.sizes.morePVs); err != nil {
		return err
	}
	r, err := b.add(ctx, row{
		title: fmt.Sprintf("`backup-pvs`, %d volumes: memory", b.sizes.morePVs), rounds: min(3, b.sizes.rounds), base: 1,
	}, []contestant{
		{name: "plan", argv: b.backupCommand()},
		{name: "floor: client-go, raw pages of 500", argv: []string{b.path("floor-list")}},
	})
	if err != nil {
		return err
	}
	r.targets = []target{{fmt.Sprintf("of the memory for %d", b.sizes.pvs), r.mebibytes(0) / before.mebibytes(0), 1.3, "%.2f ×"}}
	return nil
}

const kept = "30"

func (b *bench) pruneCommand(store, prefix string) []string {
	return []string{b.plan, "run", "prune", "--artefact", "pvs", "--keep-last", kept, "--max-delete", "100000",
		"--cluster-name", "bench", "--prefix", prefix, "--store", store}
}

func (b *bench) prune(ctx context.Context) error {
	bucket := b.get("LAB_S3_BUCKET")
	fill := func(prefix string) func(context.Context) error {
		return func(ctx context.Context) error {
			// What an earlier run left would be counted with the new ones.
			cmd := b.command(ctx, []string{b.path("floor-prune"), bucket, prefix, "0"})
			if out, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("empty the bucket: %w\n%s", err, out)
			}
			out, err := b.command(ctx, []string{b.path("fill"), "-uid", b.uid, "-prefix", prefix, "-n", fmt.Sprint(b.sizes.objects)}).CombinedOutput()
			if err != nil {
				return fmt.Errorf("fill the bucket: %w\n%s", err, out)
			}
			return nil
		}
	}
	r, err := b.add(ctx, row{
		title: fmt.Sprintf("`prune` of %d backups but %s", b.sizes.objects, kept), rounds: min(3, b.sizes.rounds), base: 1,
		note: "The bucket is filled anew before each run. Both list, ask for the metadata of each object, 32 at once, and delete 1,000 with a request; plan also asks for the cluster's identity, keeps a journal and reads the newest backup back.",
	}, []contestant{
		{name: "plan", argv: b.pruneCommand(storeURL(bucket, b.get("LAB_S3_ENDPOINT")), "plan/"), prepare: fill("plan/")},
		{name: "floor: list, HEAD, DeleteObjects", argv: []string{b.path("floor-prune"), bucket, "floor/", kept}, prepare: fill("floor/")},
	})
	if err != nil {
		return err
	}
	r.absent = []string{"the older tools (they see 1,000 objects and delete one by one)"}
	r.targets = []target{{"of the floor's time", r.ratio(0, 1), 1.2, "%.2f ×"}}
	return nil
}

// many compares memory, at the end of an in-memory S3 server: to fill a real one would take most of the time.
func (b *bench) many(ctx context.Context) error {
	r := row{
		title: fmt.Sprintf("`prune` of %d backups: memory", b.sizes.many), rounds: 1, base: 1,
		note: "The S3 server is an in-memory one in another process, without TLS, because filling a real one takes longer than all the rest.",
	}
	b.talk("%s", r.title)
	for _, n := range []int{b.sizes.many, b.sizes.many / 10} {
		f, err := b.pruneInMemory(ctx, n)
		if err != nil {
			return err
		}
		r.entries = append(r.entries, entry{fmt.Sprintf("plan, %d backups", n), b.shown(b.pruneCommand("s3://bench?endpoint=$ENDPOINT&region=us-east-1", "many/")), f})
		b.talk("  %d: %s %s", n, seconds(f.wall), mebibytes(f.rss))
	}
	perBackup := (r.mebibytes(0) - r.mebibytes(1)) * 1024 / float64(b.sizes.many-b.sizes.many/10)
	r.targets = []target{
		{"memory", r.mebibytes(0), 256, "%.0f MiB"},
		{"memory for each further backup", perBackup, 2, "%.2f KiB"},
	}
	b.rows = append(b.rows, r)
	return nil
}

func (b *bench) pruneInMemory(ctx context.Context, n int) (f figures, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	server := b.command(ctx, []string{b.path("fill"), "-serve", "-uid", b.uid, "-prefix", "many/", "-n", fmt.Sprint(n)})
	stdout, err := server.StdoutPipe()
	if err != nil {
		return f, err
	}
	if err := server.Start(); err != nil {
		return f, fmt.Errorf("start the in-memory server: %w", err)
	}
	defer server.Wait()
	defer cancel()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return f, fmt.Errorf("wait for the in-memory server: %w", err)
	}
	return b.measure(ctx, contestant{name: "plan", argv: b.pruneCommand(storeURL("bench", strings.TrimSpace(line)), "many/")}, 0)
}
