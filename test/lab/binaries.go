package lab

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed" // the pins
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"time"
)

var (
	//go:embed pins/kubernetes.mod
	kubernetesMod []byte
	//go:embed pins/kubernetes.sum
	kubernetesSum []byte
	//go:embed pins/versitygw.mod
	versitygwMod []byte
	//go:embed pins/versitygw.sum
	versitygwSum []byte
)

// KubernetesVersion is what every Kubernetes program of the lab was built from and says it is.
const KubernetesVersion = "v1.35.4"

const versitygwVersion = "v1.8.0"

// pinned is a module whose programs are built from the Go module proxy.
type pinned struct {
	name, version string
	mod, sum      []byte
	pkg           string // import path of the folder that holds the programs
	ldflags       string
}

func kubernetesPin() pinned {
	return pinned{
		name: "kubernetes", version: KubernetesVersion, mod: kubernetesMod, sum: kubernetesSum,
		pkg:     "k8s.io/kubernetes/cmd",
		ldflags: "-s -w -X k8s.io/component-base/version.gitVersion=" + KubernetesVersion,
	}
}

func versitygwPin() pinned {
	return pinned{
		name: "versitygw", version: versitygwVersion, mod: versitygwMod, sum: versitygwSum,
		pkg:     "github.com/versity/versitygw/cmd",
		ldflags: "-s -w",
	}
}

// folder is where the programs of these pins are kept. Its name changes with the pins and the platform,
// so a program is built again exactly when one of them changes.
func (p pinned) folder(cache string) string {
	h := sha256.New()
	for _, b := range [][]byte{p.mod, p.sum, []byte(p.ldflags), []byte(runtime.GOOS), []byte(runtime.GOARCH)} {
		fmt.Fprintf(h, "%d\n", len(b))
		h.Write(b)
	}
	return filepath.Join(cache, fmt.Sprintf("%s-%s-%s", p.name, p.version, hex.EncodeToString(h.Sum(nil))[:12]))
}

// CacheDir is where programs are kept between labs: PLAN_LAB_CACHE, or plan-lab in the user's cache folder.
func CacheDir() (string, error) {
	if d := os.Getenv("PLAN_LAB_CACHE"); d != "" {
		return filepath.Abs(d)
	}
	d, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache folder (set PLAN_LAB_CACHE): %w", err)
	}
	return filepath.Join(d, "plan-lab"), nil
}

// build returns the folder that holds the named programs, building those that are not there yet.
// Two builds of the same pins wait for each other; a program appears whole or not at all.
func (p pinned) build(ctx context.Context, log Log, cache string, names ...string) (string, error) {
	dir := p.folder(cache)
	if len(missing(dir, names)) == 0 {
		return dir, nil
	}
	if err := os.MkdirAll(filepath.Join(dir, "src"), 0o755); err != nil {
		return "", fmt.Errorf("make the folder for %s: %w", p.name, err)
	}
	unlock, err := lockFile(ctx, filepath.Join(dir, "lock"), func() { log("waiting for another build of %s to end", p.name) })
	if err != nil {
		return "", err
	}
	defer unlock()
	todo := missing(dir, names)
	if len(todo) == 0 {
		return dir, nil
	}
	if _, err := exec.LookPath("go"); err != nil {
		return "", fmt.Errorf("build %s %s: the go command is not on the PATH: %w", p.name, p.version, err)
	}
	src := filepath.Join(dir, "src")
	if err := errors.Join(os.WriteFile(filepath.Join(src, "go.mod"), p.mod, 0o644),
		os.WriteFile(filepath.Join(src, "go.sum"), p.sum, 0o644)); err != nil {
		return "", fmt.Errorf("write the pins of %s: %w", p.name, err)
	}
	for i, name := range todo {
		log("building %s %s (%d of %d); the first time takes minutes, later it is kept in %s", name, p.version, i+1, len(todo), dir)
		if err := p.buildOne(ctx, log, dir, name); err != nil {
			return "", err
		}
	}
	return dir, nil
}

func missing(dir string, names []string) []string {
	var out []string
	for _, n := range names {
		if _, err := os.Stat(filepath.Join(dir, n)); err != nil {
			out = append(out, n)
		}
	}
	return out
}

func (p pinned) buildOne(ctx context.Context, log Log, dir, name string) error {
	tmp := filepath.Join(dir, fmt.Sprintf(".%s.%d", name, os.Getpid()))
	defer os.Remove(tmp)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", p.ldflags, "-o", tmp, path.Join(p.pkg, name))
	cmd.Dir = filepath.Join(dir, "src")
	// The caller's flags and workspace are for the caller's module, not for these pins.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false", "GOWORK=off")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	stop := heartbeat(30*time.Second, func(d time.Duration) { log("still building %s (%s)", name, d.Round(time.Second)) })
	err := cmd.Run()
	stop()
	if err != nil {
		return fmt.Errorf("build %s %s: %w\n%s", name, p.version, err, tail(out.Bytes(), 20))
	}
	if err := os.Rename(tmp, filepath.Join(dir, name)); err != nil {
		return fmt.Errorf("keep %s: %w", name, err)
	}
	return nil
}

// heartbeat calls beat every interval until the returned func is called.
func heartbeat(every time.Duration, beat func(since time.Duration)) (stop func()) {
	done, start := make(chan struct{}), time.Now()
	go func() {
		t := time.NewTicker(every)
		defer t.Stop()
		for {
			select {
			case <-done:
				return
			case <-t.C:
				beat(time.Since(start))
			}
		}
	}()
	return func() { close(done) }
}

// tail returns the last n lines of b.
func tail(b []byte, n int) []byte {
	lines := bytes.Split(bytes.TrimRight(b, "\n"), []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-n):], []byte("\n"))
}
