// Command lab starts, stops and describes a lab: real servers on loopback for the demo and for work by hand.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"plan/test/lab"
)

type cli struct {
	Up      up      `cmd:"" help:"Start the lab, or what of it does not run. Builds its programs the first time, which takes minutes."`
	Down    down    `cmd:"" help:"Stop every process of the lab. Its folder stays."`
	Status  status  `cmd:"" help:"Print the lab's processes."`
	Env     env     `cmd:"" help:"Print export lines for a shell: eval \"$(lab env)\"."`
	Seed    seed    `cmd:"" help:"Fill the cluster with the objects of a small home cluster."`
	Exec    execute `cmd:"" help:"Run a command in the namespaces of the lab's node, such as: lab exec -- ls /run."`
	Install install `cmd:"" help:"Fetch and build what the lab needs, and start nothing."`
	Serve   serve   `cmd:"" hidden:"" help:"Run one server of the lab's own in the foreground."`
}

// where is the lab's folder.
type where struct {
	Dir string `help:"Folder of the lab." default:"${checkout}/.lab" env:"PLAN_LAB_DIR" type:"path"`
}

// checkout is the folder of the project that the working directory is in, or else the working directory.
func checkout() string {
	for dir := "."; ; dir = filepath.Join(dir, "..") {
		b, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(b), "module plan\n") {
			return dir
		}
		if abs, err := filepath.Abs(dir); err != nil || abs == filepath.Dir(abs) {
			return "."
		}
	}
}

type out struct {
	data io.Writer
	talk lab.Log
}

type up struct {
	where
	Seed          bool `help:"Seed it, too."`
	Backups       bool `help:"With --seed: also what other programs back up, a server's token, snapshots of etcd, Longhorn's backups."`
	Node          bool `help:"With a node that runs pods (kube-scheduler, kubelet, containerd) and registries of images. Needs root."`
	Docker        bool `help:"Also start Docker. Needs root."`
	Git           bool `help:"Also start a git server."`
	NoControllers bool `help:"Leave kube-controller-manager out: what is written stays as it is."`
}

func (c *up) Run(ctx context.Context, o *out) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this command's file: %w", err)
	}
	if c.Docker {
		if err := lab.NodeMissing(); err != nil {
			return err
		}
	}
	start := time.Now()
	l, err := lab.Start(ctx, c.Dir, lab.Options{
		Helper: self, Log: o.talk, Node: c.Node, NoControllers: c.NoControllers, Elsewhere: lab.FromEnvironment(),
	})
	if err != nil {
		return err
	}
	if err := c.more(ctx, l); err != nil {
		return err
	}
	o.talk("the lab in %s is up after %s", l.Dir, time.Since(start).Round(10*time.Millisecond))
	if !c.Seed {
		return nil
	}
	if err := l.Seed(ctx); err != nil || !c.Backups {
		return err
	}
	return l.SeedBackups(ctx)
}

// more starts what is not part of every lab.
func (c *up) more(ctx context.Context, l *lab.Lab) error {
	if c.Docker {
		if _, err := l.StartDocker(ctx); err != nil {
			return err
		}
	}
	if c.Git {
		if _, err := l.StartGit(ctx); err != nil {
			return err
		}
	}
	return nil
}

type down struct {
	where
	Delete bool `help:"Delete the lab's folder, too."`
}

func (c *down) Run(ctx context.Context, o *out) error {
	if err := lab.Stop(ctx, c.Dir); err != nil {
		return err
	}
	if c.Delete {
		return lab.Delete(ctx, c.Dir)
	}
	o.talk("the lab in %s is down", c.Dir)
	return nil
}

type status struct{ where }

func (c *status) Run(o *out) error {
	ps := lab.Status(c.Dir)
	if len(ps) == 0 {
		o.talk("no lab runs in %s", c.Dir)
	}
	for _, p := range ps {
		state := "stopped"
		if p.Running {
			state = "running"
		}
		fmt.Fprintf(o.data, "%-24s %-8s %7d  %s\n", p.Name, state, p.PID, p.LogFile)
	}
	return nil
}

type env struct{ where }

func (c *env) Run(o *out) error {
	l, err := lab.Open(c.Dir, lab.Options{Elsewhere: lab.FromEnvironment()})
	if err != nil {
		return err
	}
	_, err = io.WriteString(o.data, l.Exports())
	return err
}

type seed struct {
	where
	PVs int `help:"Also make this many Longhorn volumes with claims in namespaces bench-*." name:"pvs"`
}

func (c *seed) Run(ctx context.Context, o *out) error {
	l, err := lab.Open(c.Dir, lab.Options{Elsewhere: lab.FromEnvironment(), Log: o.talk})
	if err != nil {
		return err
	}
	if err := l.Seed(ctx); err != nil {
		return err
	}
	return l.SeedPVs(ctx, c.PVs)
}

type install struct{}

func (install) Run(ctx context.Context, o *out) error {
	opts := lab.Options{Log: o.talk, Elsewhere: lab.FromEnvironment(), Node: true}
	if err := lab.NodeMissing(); err != nil {
		o.talk("%v", err)
		opts.Node = false
	}
	return lab.Install(ctx, opts)
}

type execute struct {
	where
	Command []string `arg:"" passthrough:""`
}

func (c *execute) Run(ctx context.Context) error {
	if c.Command[0] == "--" {
		c.Command = c.Command[1:]
	}
	return lab.Exec(ctx, c.Dir, c.Command, os.Stdin, os.Stdout, os.Stderr)
}

type serve struct {
	where
	Name       string `arg:""`
	S3Endpoint string `name:"s3-endpoint"`
}

func (c *serve) Run(ctx context.Context) error { return lab.Serve(ctx, c.Dir, c.Name, c.S3Endpoint) }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	talk := func(format string, args ...any) { fmt.Fprintf(os.Stderr, "lab: "+format+"\n", args...) }
	k := kong.Parse(&cli{}, kong.Name("lab"), kong.Vars{"checkout": checkout()},
		kong.Description("Real servers on loopback: a Kubernetes control plane, S3, Bitwarden and a ping sink; and a node that runs pods."))
	k.BindTo(ctx, (*context.Context)(nil))
	if err := k.Run(&out{data: os.Stdout, talk: talk}); err != nil {
		talk("%v", err)
		os.Exit(1)
	}
}
