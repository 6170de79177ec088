// Command image makes the image of a commit for Linux on amd64 and arm64, without a container engine: the static binaries are cross-compiled,
// and each is put on nothing. The folder that it writes has an OCI layout with both and, for each, a tarball that `docker load` reads. `make
// image` runs it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"plan/internal/gobuild"
	"plan/internal/source/registry"
)

func targets() []gobuild.Target {
	return []gobuild.Target{{OS: "linux", Arch: "amd64"}, {OS: "linux", Arch: "arm64"}}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	version := flags.String("version", "dev", "the version that is stamped")
	revision := flags.String("commit", "HEAD", "the commit that is built; what is not committed is not in it")
	out := flags.String("out", "dist/image", "the folder for what is made; an earlier image there is replaced")
	only := flags.String("only", "", "targets to build, such as linux/amd64, instead of all")
	push := flags.String("push", "", "push what is made there, REGISTRY/REPOSITORY:TAG; logins are those of docker and podman")
	if err := flags.Parse(args); err != nil {
		return err
	}
	wanted, err := gobuild.Choose(targets(), *only)
	if err == nil {
		err = gobuild.CheckVersion(*version)
	}
	if err == nil && *push != "" {
		err = registry.CheckTag(*push)
	}
	if err != nil {
		return err
	}
	src, err := gobuild.Commit(ctx, ".", *revision)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "plan-image-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	tools, err := gobuild.New(ctx)
	if err != nil {
		return err
	}
	p := &product{version: *version, source: src, targets: wanted, tools: tools, talk: os.Stderr}
	return p.publish(ctx, work, *out, *push)
}
