package lock

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"plan/internal/kube/kubetest"
	"plan/internal/lock/wiretest"
)

// grace is how long a run that lost its lock may still work.
const grace = 10 * time.Second

// witness knows who works, by the one clock that there is in virtual time.
type witness struct {
	mu      sync.Mutex
	working map[int]func() bool
	taken   int
}

// begins checks that nobody else works, and remembers who does until works says no.
func (w *witness) begins(t *testing.T, who int, works func() bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for other, works := range w.working {
		if works() {
			t.Errorf("%s: %d begins while %d works", time.Now().Format(time.TimeOnly), who, other)
		}
	}
	clear(w.working)
	w.working[who] = works
	w.taken++
}

func (w *witness) ends(who int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.working, who)
}

// TestTwoNeverWorkAtOnce, whatever the network does: from when one has the Lease until it released it, or 10 s after it was told that it
// is lost. And when the network is well again, somebody gets it.
func TestTwoNeverWorkAtOnce(t *testing.T) {
	rounds := 60
	if n, err := strconv.Atoi(os.Getenv("PLAN_LOCK_ROUNDS")); err == nil {
		rounds = n
	}
	seed := rand.Uint64()
	if v := os.Getenv("PLAN_LOCK_SEED"); v != "" {
		var err error
		if seed, err = strconv.ParseUint(v, 10, 64); err != nil {
			t.Fatalf("PLAN_LOCK_SEED: %v", err)
		}
	}
	t.Logf("PLAN_LOCK_SEED=%d", seed)
	taken := 0
	for i := range rounds {
		virtual(t, func(t *testing.T, s *kubetest.Server) { taken += interleave(t, s, seed+uint64(i)) })
		if t.Failed() {
			t.Fatalf("round %d", i)
		}
	}
	if taken < rounds*3 {
		t.Errorf("it was taken %d times in %d rounds: the test does not test", taken, rounds)
	}
}

// interleave lets 2 to 8 contend for a quarter of an hour and counts how often one got it.
func interleave(t *testing.T, s *kubetest.Server, seed uint64) int {
	r := rand.New(rand.NewPCG(seed, 1))
	w := &witness{working: map[int]func() bool{}}
	end := time.Now().Add(15 * time.Minute)
	bad := r.IntN(60)
	var all sync.WaitGroup
	for i := range 2 + r.IntN(7) {
		own := rand.New(rand.NewPCG(seed, uint64(i+2)))
		line := &wiretest.Wire{Server: s, Fate: wiretest.Weather(rand.New(rand.NewPCG(seed, uint64(i+100))), bad)}
		all.Go(func() {
			for time.Now().Before(end) {
				contendOnce(t, w, line, own, i)
				time.Sleep(time.Duration(own.IntN(20000)) * time.Millisecond)
			}
		})
	}
	all.Wait()
	time.Sleep(time.Minute) // what is still on the way arrives
	last := mustTake(t, &wiretest.Wire{Server: s}, "last", Options{Wait: time.Minute})
	w.begins(t, -1, func() bool { return true })
	release(t, last)
	return w.taken
}

// contendOnce takes, works and ends in one of the ways in which runs end.
func contendOnce(t *testing.T, w *witness, line *wiretest.Wire, r *rand.Rand, who int) {
	o := Options{Wait: time.Duration(r.IntN(90)) * time.Second}
	h, err := Lease(t.Context(), line.Client(t), "plan", "home", Holder{Run: fmt.Sprint("r", who)}, o)
	if err != nil {
		return
	}
	var lostAt time.Time
	lost := func() bool {
		select {
		case <-h.Lost():
			return true
		default:
			return false
		}
	}
	w.begins(t, who, func() bool { return lostAt.IsZero() || time.Since(lostAt) < grace })
	if r.IntN(3) == 0 {
		line.Cut(true) // the network goes, for good or for a while
		time.AfterFunc(time.Duration(r.IntN(90))*time.Second, func() { line.Cut(false) })
	}
	select {
	case <-time.After(time.Duration(r.IntN(120)) * time.Second):
	case <-h.Lost():
	}
	if lost() {
		w.mu.Lock()
		lostAt = time.Now()
		w.mu.Unlock()
		time.Sleep(time.Duration(r.Int64N(int64(grace))))
	}
	w.ends(who)
	_ = h.Release(t.Context()) // may not get through
	synctest.Wait()
}
