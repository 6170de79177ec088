package etcdsnapshot_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"plan/internal/etcdsnapshot"
	"plan/internal/etcdsnapshot/snapshottest"
)

// TestMutationsAreFoundByTheDepthThatShould damages a snapshot in PLAN_ETCD_MUTATIONS ways (500) under a seed that is printed;
// PLAN_ETCD_SEED repeats it.
func TestMutationsAreFoundByTheDepthThatShould(t *testing.T) {
	mutations(t, snapshot(t, snapshottest.Options{Passwords: []string{password}, Keys: 200}))
}

func mutations(t *testing.T, original []byte) {
	t.Helper()
	count, seed := number(t, "PLAN_ETCD_MUTATIONS", 500), number(t, "PLAN_ETCD_SEED", int(time.Now().UnixNano()))
	t.Logf("PLAN_ETCD_SEED=%d, %d mutations", seed, count)
	random := rand.New(rand.NewPCG(uint64(seed), 0))
	structure := 0
	for i := range count {
		m := snapshottest.Mutate(random, original)
		store, s := in(m.Data, false)
		if len(m.Data) == 0 {
			continue // a listing leaves it out
		}
		if err := etcdsnapshot.Checksum(t.Context(), store, s, nil); !errors.Is(err, etcdsnapshot.ErrDamaged) {
			t.Fatalf("mutation %d, %s: checksum says %v", i, m.What, err)
		}
		err := etcdsnapshot.Structure(t.Context(), store, s)
		if err != nil && !errors.Is(err, etcdsnapshot.ErrDamaged) {
			t.Fatalf("mutation %d, %s: structure says %v", i, m.What, err)
		}
		if claimed := m.Size || m.At < 80 || m.At >= 4096 && m.At < 4096+80; claimed && err == nil {
			t.Fatalf("mutation %d, %s: not found by structure", i, m.What)
		}
		if err != nil {
			structure++
		}
		if i%10 != 0 {
			continue // it writes a file
		}
		if _, err := etcdsnapshot.Open(t.Context(), store, s, "", nil); !errors.Is(err, etcdsnapshot.ErrDamaged) {
			t.Fatalf("mutation %d, %s: open says %v", i, m.What, err)
		}
	}
	t.Logf("structure alone found %d of them", structure)
}

// TestMutationsUnderARightTrailerNeverEndTheProgram: only what walks the database can find them, and not all of them are damage to it.
func TestMutationsUnderARightTrailerNeverEndTheProgram(t *testing.T) {
	seed := number(t, "PLAN_ETCD_SEED", int(time.Now().UnixNano()))
	t.Logf("PLAN_ETCD_SEED=%d", seed)
	random := rand.New(rand.NewPCG(uint64(seed), 1))
	for _, freelist := range []bool{false, true} {
		original := snapshot(t, snapshottest.Options{Passwords: []string{password}, Keys: 200, Freelist: freelist})
		found := 0
		for range number(t, "PLAN_ETCD_MUTATIONS", 500) {
			m := snapshottest.Mutate(random, original[:len(original)-32])
			store, s := in(snapshottest.Seal(m.Data), false)
			_, err := etcdsnapshot.Open(t.Context(), store, s, "", nil)
			if err != nil && !errors.Is(err, etcdsnapshot.ErrDamaged) {
				t.Fatalf("%s: %v", m.What, err)
			}
			if err != nil {
				found++
			}
		}
		t.Logf("free list %v: %d found", freelist, found)
	}
}

func number(t *testing.T, variable string, otherwise int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}
