package lock

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var ctxNone = context.Background()

func TestOneHasAFileAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "locks", "home")
	first, err := File(t.Context(), path, Holder{Run: "one", Host: "pi", PID: 7}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = File(t.Context(), path, Holder{Run: "two"}, Options{})
	held, ok := errors.AsType[*HeldError](err)
	if !ok || !errors.Is(err, ErrHeld) || held.Holder != (Holder{Run: "one", Host: "pi", PID: 7}) || held.Since.IsZero() {
		t.Fatalf("the second: %v", err)
	}
	if !strings.Contains(err.Error(), path+": run one on host pi, process 7 has it since ") {
		t.Errorf("it says %v", err)
	}
	for _, step := range []error{first.Release(t.Context()), first.Release(t.Context())} {
		if step != nil {
			t.Error(step)
		}
	}
	second, err := File(t.Context(), path, Holder{Run: "two"}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Release(t.Context()); err != nil {
		t.Error(err)
	}
	for p, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700 | os.ModeDir} {
		if info, err := os.Stat(p); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v", p, info.Mode(), err)
		}
	}
}

func TestAWaitingOneGetsTheFileWhenItIsReleased(t *testing.T) {
	path := filepath.Join(t.TempDir(), "home")
	first, err := File(t.Context(), path, Holder{Run: "one"}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(50*time.Millisecond, func() { _ = first.Release(ctxNone) })
	second, err := File(t.Context(), path, Holder{Run: "two"}, Options{Wait: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := File(ctx, path, Holder{Run: "three"}, Options{Wait: time.Minute}); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrHeld) {
		t.Errorf("cancelled while waiting: %v", err)
	}
	if err := second.Release(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestProbesAreInNobodysWay(t *testing.T) {
	path := filepath.Join(t.TempDir(), "home")
	if held, err := Probe(path); held || err != nil {
		t.Fatalf("a file that is missing: %t, %v", held, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for ; ctx.Err() == nil; time.Sleep(time.Millisecond) {
				if _, err := Probe(path); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range 50 {
		h, err := File(t.Context(), path, Holder{Run: "one"}, Options{})
		if err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
		if held, err := Probe(path); !held || err != nil {
			t.Fatalf("round %d: probe %t, %v", i, held, err)
		}
		if err := h.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	wg.Wait()
}

// A lock's file goes away with its folder while another waits for it: who then has the old file has nothing.
func TestAFileThatWasRemovedLocksNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "run", "lock")
	var inside, had atomic.Int32
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 25 {
				h, err := File(t.Context(), path, Holder{}, Options{Wait: time.Minute})
				if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrExist) {
					continue // the folder went away while it was made
				}
				if err != nil {
					t.Error(err)
					return
				}
				if inside.Add(1) != 1 {
					t.Error("two have it")
				}
				had.Add(1)
				inside.Add(-1)
				if err := os.RemoveAll(filepath.Dir(path)); err != nil {
					t.Error(err)
				}
				if err := h.Release(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if had.Load() == 0 {
		t.Error("nobody had it")
	}
}

func TestDamagedHoldersAreNobodyInParticular(t *testing.T) {
	path := filepath.Join(t.TempDir(), "home")
	h, err := File(t.Context(), path, Holder{Run: "one"}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release(ctxNone) //nolint:errcheck // the test is over
	for _, text := range []string{"", "{", "[]", strings.Repeat("x", 1<<20)} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := File(t.Context(), path, Holder{Run: "two"}, Options{})
		if held, ok := errors.AsType[*HeldError](err); !ok || held.Holder != (Holder{}) || !strings.Contains(err.Error(), "somebody has it") {
			t.Errorf("%.10q: %v", text, err)
		}
	}
}
