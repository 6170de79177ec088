// Command release makes what is published of a commit: for each system a static binary in an archive and a list of the modules in it (a
// CycloneDX SBOM), and one file of checksums. All of it is made twice, in two folders with two build caches, and compared; what is not the
// same bit for bit is not published. `make release` runs it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"plan/internal/gobuild"
)

// targets are all that there are binaries for. plan does not build for Windows, which has neither its process groups nor its file locks.
func targets() []gobuild.Target {
	return []gobuild.Target{{OS: "linux", Arch: "amd64"}, {OS: "linux", Arch: "arm64"}, {OS: "darwin", Arch: "amd64"}, {OS: "darwin", Arch: "arm64"}}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	version := flags.String("version", "dev", "the version that is stamped")
	revision := flags.String("commit", "HEAD", "the commit that is released; what is not committed is not in it")
	out := flags.String("out", "dist", "the folder for what is made; what an earlier release left there is removed")
	only := flags.String("only", "", "targets to build, such as linux/amd64,darwin/arm64, instead of all")
	if err := flags.Parse(args); err != nil {
		return err
	}
	wanted, err := gobuild.Choose(targets(), *only)
	if err != nil {
		return err
	}
	if err := gobuild.CheckVersion(*version); err != nil {
		return err
	}
	src, err := gobuild.Commit(ctx, ".", *revision)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "plan-release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	made, err := gobuild.New(ctx)
	if err != nil {
		return err
	}
	r := &release{version: *version, source: src, targets: wanted, maker: tools{made, work}, talk: os.Stderr}
	return r.publish(ctx, work, *out)
}
