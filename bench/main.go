// Command bench measures plan beside other programs and beside floors: small programs that do only what cannot be left out. It
// starts a lab of its own, prints the figures and writes them to docs/performance.md. It runs on Linux.
//
//	go run ./bench          # about seven minutes
//	go run ./bench -quick   # a tenth of the size, writes no document
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// bench is one measurement of everything.
type bench struct {
	sizes   sizes
	plan    string // the program measured
	lab     string
	out     string // the document; empty for none
	only    string // rows
	dir     string // temporary; has the floors, the lab and plan's state
	env     []string
	uid     string // of the lab's cluster
	started time.Time
	load    string // when it started
	rows    []row
	nodeUp  bool // a lab with a node was started
}

// sizes say how much work is done.
type sizes struct {
	steps, chain, rendered, volumes, pvs, morePVs, objects, many, snapshot, files, packed, rounds int
}

func main() {
	b := bench{started: time.Now(), load: load()}
	quick := flag.Bool("quick", false, "a tenth of the size, and no document unless -out names one")
	flag.IntVar(&b.sizes.steps, "steps", 10_000, "steps of the plan to validate")
	flag.IntVar(&b.sizes.chain, "chain", 1_000, "steps of the chain to run")
	flag.IntVar(&b.sizes.rendered, "rendered", 1_000, "steps of the plan to render")
	flag.IntVar(&b.sizes.volumes, "volumes", 1_000, "Longhorn volumes to verify; not more than -pvs")
	flag.IntVar(&b.sizes.pvs, "pvs", 10_000, "PersistentVolumes to back up")
	flag.IntVar(&b.sizes.morePVs, "more-pvs", 25_000, "PersistentVolumes of the larger cluster")
	flag.IntVar(&b.sizes.objects, "objects", 10_000, "backups to prune")
	flag.IntVar(&b.sizes.many, "many", 100_000, "backups to prune where memory is compared")
	flag.IntVar(&b.sizes.snapshot, "snapshot", 200, "MiB of the etcd snapshot to verify")
	flag.IntVar(&b.sizes.files, "files", 5_000, "files to pack")
	flag.IntVar(&b.sizes.packed, "packed", 100, "MiB of the files to pack")
	flag.IntVar(&b.sizes.rounds, "rounds", 5, "runs of each program; rows that need minutes take fewer")
	flag.StringVar(&b.plan, "plan", "bin/plan", "the program to measure")
	flag.StringVar(&b.lab, "lab", "bin/lab", "the lab's program")
	flag.StringVar(&b.out, "out", "docs/performance.md", "the document to write")
	flag.StringVar(&b.only, "rows", "1,2,3,4,5,6,7,8,9,10,11,12,13,14", "rows to measure; with less than all, no document is written unless -out names one")
	flag.Parse()
	given := map[string]bool{}
	flag.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if *quick {
		b.sizes = sizes{steps: b.sizes.steps / 10, chain: b.sizes.chain, rendered: b.sizes.rendered, volumes: b.sizes.volumes / 10, pvs: b.sizes.pvs / 10, morePVs: b.sizes.morePVs / 10, objects: b.sizes.objects / 10, many: b.sizes.many / 10, snapshot: b.sizes.snapshot / 10, files: b.sizes.files / 10, packed: b.sizes.packed / 10, rounds: min(3, b.sizes.rounds)}
	}
	if (*quick || given["rows"]) && !given["out"] {
		b.out = ""
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := b.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (b *bench) talk(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

func (b *bench) run(ctx context.Context) (err error) {
	if b.dir, err = os.MkdirTemp("", "plan-bench-"); err != nil {
		return fmt.Errorf("make a temporary folder: %w", err)
	}
	defer os.RemoveAll(b.dir)
	if err := b.absolute(); err != nil {
		return err
	}
	b.talk("build the floors")
	if out, err := b.command(ctx, []string{"go", "build", "-trimpath", "-ldflags", "-s -w", "-o", b.dir + "/", "./bench/..."}).CombinedOutput(); err != nil {
		return fmt.Errorf("build the floors: %w\n%s", err, out)
	}
	if err := b.findKubectl(); err != nil {
		return err
	}
	if b.wants("6", "7", "11", "12") {
		defer b.stopLab("lab")
		if err := b.startLab(ctx, "lab", "--no-controllers"); err != nil { // so that what is seeded stays as it is
			return err
		}
	}
	if err := b.measureAll(ctx); err != nil {
		return err
	}
	text := b.document(ctx)
	fmt.Print(text)
	if b.out == "" {
		return nil
	}
	if err := os.WriteFile(b.out, []byte(text), 0o644); err != nil {
		return fmt.Errorf("write the document: %w", err)
	}
	b.talk("written to %s after %s", b.out, time.Since(b.started).Round(time.Second))
	return nil
}

// wants tells whether one of these rows is to be measured.
func (b *bench) wants(rows ...string) bool {
	only := strings.Split(b.only, ",")
	return slices.ContainsFunc(rows, func(row string) bool { return slices.Contains(only, row) })
}

// absolute makes programs independent of the folder, and finds out early that they are not built.
func (b *bench) absolute() (err error) {
	for _, p := range []*string{&b.plan, &b.lab} {
		if *p, err = filepath.Abs(*p); err != nil {
			return err
		}
		if _, err := os.Stat(*p); err != nil {
			return fmt.Errorf("%w; `make build lab` builds it", err)
		}
	}
	b.env = []string{"CGO_ENABLED=0"}
	return nil
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

// startLab starts real servers in a folder of the bench's. Their variables come after those of a lab that runs already, and so count.
func (b *bench) startLab(ctx context.Context, dir, flag string) error {
	b.talk("start a lab")
	// Off by default in this S3 server, on in others: with a TLS handshake for each request all would measure only handshakes.
	b.env = append(b.env, "VGW_KEEP_ALIVE=true")
	if out, err := b.command(ctx, []string{b.lab, "up", flag, "--dir", b.path(dir)}).CombinedOutput(); err != nil {
		return fmt.Errorf("start the lab: %w\n%s", err, out)
	}
	out, err := b.command(ctx, []string{b.lab, "env", "--dir", b.path(dir)}).Output()
	if err != nil {
		return fmt.Errorf("ask the lab for its environment: %w", err)
	}
	for line := range strings.Lines(string(out)) {
		name, value, ok := strings.Cut(strings.TrimSpace(strings.TrimPrefix(line, "export ")), "=")
		if ok {
			b.env = append(b.env, name+"="+strings.Trim(value, "'"))
		}
	}
	b.env = append(b.env, "XDG_STATE_HOME="+b.path("state"),
		"AWS_ACCESS_KEY_ID="+b.get("LAB_S3_ACCESS_KEY"), "AWS_SECRET_ACCESS_KEY="+b.get("LAB_S3_SECRET_KEY"))
	uid, err := b.command(ctx, []string{b.get("LAB_KUBECTL"), "get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}"}).Output()
	if err != nil {
		return fmt.Errorf("ask for the cluster's UID: %w", err)
	}
	b.uid = string(uid)
	return nil
}

// findKubectl takes the one that the lab has installed, for rows that need no lab.
func (b *bench) findKubectl() error {
	cache, err := os.UserCacheDir()
	if err != nil {
		return fmt.Errorf("find the lab's kubectl: %w", err)
	}
	found, err := filepath.Glob(filepath.Join(cache, "plan-lab", "kubernetes-*", "kubectl"))
	if err != nil || len(found) == 0 {
		return fmt.Errorf("the lab's kubectl is not below %s; `bin/lab install` puts it there", cache)
	}
	b.env = append(b.env, "LAB_KUBECTL="+found[len(found)-1])
	return nil
}

// get is a variable of the lab.
func (b *bench) get(name string) string {
	for _, kv := range slices.Backward(b.env) {
		if value, ok := strings.CutPrefix(kv, name+"="); ok {
			return value
		}
	}
	return ""
}

// stopLab works also when ctx was cancelled.
func (b *bench) stopLab(dir string) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if out, err := b.command(ctx, []string{b.lab, "down", "--delete", "--dir", b.path(dir)}).CombinedOutput(); err != nil {
		b.talk("stop the lab: %v\n%s", err, out)
	}
}

// seed brings the cluster to n volumes with claims.
func (b *bench) seed(ctx context.Context, n int) error {
	b.talk("seed %d volumes", n)
	if out, err := b.command(ctx, []string{b.lab, "seed", "--pvs", fmt.Sprint(n), "--dir", b.path("lab")}).CombinedOutput(); err != nil {
		return fmt.Errorf("seed the lab: %w\n%s", err, out)
	}
	return nil
}
