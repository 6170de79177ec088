// Command release makes what is published of a commit: for each system a static binary in an archive and a list of the modules in it (a
// CycloneDX SBOM), and one file of checksums. All of it is made twice, in two folders with two build caches, and compared; what is not the
// same bit for bit is not published. `make release` runs it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"
)

// target is a system that a binary is for.
type target struct{ os, arch string }

func (t target) String() string { return t.os + "/" + t.arch }

// targets are all that there are binaries for. plan does not build for Windows, which has neither its process groups nor its file locks.
func targets() []target {
	return []target{{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}}
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
	wanted, err := choose(*only)
	if err != nil {
		return err
	}
	if !regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z.+~-]{0,63}$`).MatchString(*version) {
		return fmt.Errorf("version %q: letters, digits and .+~- are allowed", *version)
	}
	src, err := commit(ctx, ".", *revision)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "plan-release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	tools, err := newTools(ctx, work)
	if err != nil {
		return err
	}
	r := &release{version: *version, source: src, targets: wanted, maker: tools, talk: os.Stderr}
	return r.publish(ctx, work, *out)
}

// choose gives the targets that are named, all for none.
func choose(only string) ([]target, error) {
	all := targets()
	if only == "" {
		return all, nil
	}
	var list []target
	var problems []error
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(all, func(t target) bool { return t.String() == name })
		if i < 0 {
			problems = append(problems, fmt.Errorf("there is no target %q; there are %v", name, all))
			continue
		}
		if !slices.Contains(list, all[i]) {
			list = append(list, all[i])
		}
	}
	return list, errors.Join(problems...)
}
