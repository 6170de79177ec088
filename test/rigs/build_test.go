//go:build linux

package rigs

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"plan/internal/objectstore/s3test"
)

// shared is what all tests of this process have in common.
var shared struct {
	build   sync.Once
	dir     string
	program string
	failed  string

	seeds  sync.Once
	seeded map[string]s3test.Object
	newest string // key of the newest of them

	references []*reference
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.dir != "" {
		os.RemoveAll(shared.dir)
	}
	os.Exit(code)
}

// program builds the program, once. It looks at all sources, so that the go command does not take a result of other sources for this one's.
func program(t testing.TB) string {
	t.Helper()
	shared.build.Do(func() {
		base := ""
		if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
			base = "/dev/shm" // where fsync costs nothing: the processes are killed, the machine is not
		}
		dir, err := os.MkdirTemp(base, "plan-rigs-")
		if err != nil {
			shared.failed = err.Error()
			return
		}
		shared.dir, shared.program = dir, filepath.Join(dir, "plan")
		for _, folder := range []string{"cmd", "engine", "internal", "schema", "steps"} {
			_ = filepath.WalkDir(filepath.Join("..", "..", folder), func(path string, _ fs.DirEntry, err error) error {
				_, _ = os.Stat(path)
				return err
			})
		}
		build := exec.Command("go", "build", "-o", shared.program, "plan/cmd/plan")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			shared.failed = fmt.Sprintf("build the program: %v\n%s", err, out)
		}
	})
	if shared.failed != "" {
		t.Fatal(shared.failed)
	}
	return shared.program
}

// amount is how much of something is tried: a number from the environment, all of it, or the default.
func amount(t testing.TB, name string, usual int) int {
	t.Helper()
	text := os.Getenv(name)
	switch n, err := strconv.Atoi(text); {
	case text == "":
		return usual
	case text == "all":
		return 1 << 30
	case err != nil || n < 0:
		t.Fatalf("%s=%q is no number", name, text)
	default:
		return n
	}
	return 0
}

// seed is PLAN_RIG_SEED, or drawn.
func seed(t testing.TB) uint64 {
	t.Helper()
	text := os.Getenv("PLAN_RIG_SEED")
	if text == "" {
		return uint64(time.Now().UnixNano() % 1e9)
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("PLAN_RIG_SEED=%q is no number", text)
	}
	return n
}

func source(seed uint64, stream int) *rand.Rand { return rand.New(rand.NewPCG(seed, uint64(stream))) }

// onlyPlans narrows the plans to those whose name has a word, for looking into one.
func onlyPlans(all []*reference) (list []*reference) {
	for _, r := range all {
		if strings.Contains(r.name, os.Getenv("PLAN_RIG_PLAN")) {
			list = append(list, r)
		}
	}
	return list
}
