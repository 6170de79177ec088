package nodetoken

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"plan/internal/bitwarden"
	"plan/internal/errclass"
)

// What a run may come to under a fault.
const (
	works = "works"
	fails = "fails" // and nothing was written that is not known
	lost_ = "lost"
)

// eachPlace runs a test for each place, or for those that are named. That of Bitwarden has a clock of its own, since its client waits.
func eachPlace(t *testing.T, f func(t *testing.T, r *rig), places ...string) {
	t.Helper()
	all := rigs(t)
	if len(places) == 0 {
		places = slices.Collect(maps.Keys(all))
	}
	for _, place := range places {
		open := all[place]
		t.Run(place, func(t *testing.T) {
			if place == "bitwarden" {
				synctest.Test(t, func(t *testing.T) { f(t, open(t)) })
				return
			}
			f(t, open(t))
		})
	}
}

// placesWith names the places that know a fault; there is one at least.
func placesWith(t *testing.T, fault string) (places []string) {
	t.Helper()
	for place, open := range rigs(t) {
		if open(t).faults[fault] != nil {
			places = append(places, place)
		}
	}
	if len(places) == 0 {
		t.Fatalf("no place knows the fault %q", fault)
	}
	return places
}

// wants has what must be kept in the end.
func (r *rig) wants(current, earlier Token) map[string]any {
	want := map[string]any{r.name(""): current.Reveal()}
	if earlier != (Token{}) {
		want[r.name(earlier.Hash())] = earlier.Reveal()
	}
	return want
}

// outcome is how a fault ends, where nothing is kept before and where another token is. A fault that is not here for a place is none there.
type outcome struct{ first, changed string }

func outcomes() map[string]outcome {
	return map[string]outcome{
		"denied":                      {fails, fails},
		"may not write":               {fails, fails},
		"unreachable":                 {fails, fails},
		"login refused":               {fails, fails},
		"tampered":                    {fails, fails},
		"foreign key":                 {fails, fails},
		"429 for a while":             {works, works},
		"429 on the create":           {works, works},
		"conflict":                    {works, works},
		"create lost":                 {works, works},
		"create half answered":        {works, works},
		"create answered by a page":   {fails, fails},
		"create fails":                {fails, fails},
		"create hangs":                {lost_, lost_},
		"update lost":                 {works, works},
		"update fails":                {works, fails},
		"all lost":                    {works, works},
		"create lost, then no answer": {lost_, lost_},
		"update lost, then no answer": {works, lost_},
	}
}

// TestWhatIsKeptIsRightUnderEveryFault is the truth table of place and fault, where nothing is kept and where another token is: a run works, or
// fails and says so; no token is lost and nothing is kept twice; when the fault is over the next run brings it to its end.
func TestWhatIsKeptIsRightUnderEveryFault(t *testing.T) {
	for fault, want := range outcomes() {
		t.Run(fault, func(t *testing.T) {
			places := placesWith(t, fault)
			eachPlace(t, func(t *testing.T, r *rig) {
				underFault(t, r, fault, Token{}, want.first)
			}, places...)
			eachPlace(t, func(t *testing.T, r *rig) {
				older, _ := tokens(t)
				r.set(r.name(""), older.Reveal())
				underFault(t, r, fault, older, want.changed)
			}, places...)
		})
	}
}

func underFault(t *testing.T, r *rig, fault string, older Token, want string) {
	t.Helper()
	_, newer := tokens(t)
	r.faults[fault]()
	_, err := keep(t.Context(), r.open(t), newer, -1)
	got := works
	switch {
	case errors.Is(err, errclass.ErrLost):
		got = lost_
	case err != nil:
		got = fails
	}
	if got != want {
		t.Errorf("it %s, want %s: %v", got, want, err)
	}
	if err != nil && strings.Contains(err.Error(), "canary") {
		t.Errorf("the error has the token: %v", err)
	}
	r.heal()
	kept := r.kept(t)
	if older != (Token{}) && kept[r.name("")] != older.Reveal() && kept[r.name(older.Hash())] != older.Reveal() {
		t.Fatalf("the earlier token is gone: %v", err)
	}
	if got == works {
		if diff := cmp.Diff(r.wants(newer, older), kept); diff != "" {
			t.Errorf("after a run that worked:\n%s", diff)
		}
	}
	if _, err := keep(t.Context(), r.open(t), newer, -1); err != nil {
		t.Fatalf("the next run: %v", err)
	}
	if diff := cmp.Diff(r.wants(newer, older), r.kept(t)); diff != "" {
		t.Errorf("after the next run:\n%s", diff)
	}
	if action, err := keep(t.Context(), r.open(t), newer, -1); action != Unchanged || err != nil {
		t.Errorf("once more: %s, %v", action, err)
	}
}

// TestAStopAnywhereLosesNoToken stops a run before each of its writes; the next one ends where an uninterrupted one would have.
func TestAStopAnywhereLosesNoToken(t *testing.T) {
	for stop := range 3 {
		eachPlace(t, func(t *testing.T, r *rig) {
			older, newer := tokens(t)
			r.set(r.name(""), older.Reveal())
			if _, err := keep(t.Context(), r.open(t), newer, stop); err != nil {
				t.Fatal(err)
			}
			kept := r.kept(t)
			if kept[r.name("")] != older.Reveal() && kept[r.name(older.Hash())] != older.Reveal() {
				t.Fatalf("stopped before write %d the earlier token is gone", stop)
			}
			action, err := keep(t.Context(), r.open(t), newer, -1)
			if want := map[int]string{0: Updated, 1: Updated, 2: Unchanged}[stop]; err != nil || action != want {
				t.Errorf("the next run: %s, %v; want %s", action, err, want)
			}
			if diff := cmp.Diff(r.wants(newer, older), r.kept(t)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestEveryEarlierTokenIsKept rotates there and back.
func TestEveryEarlierTokenIsKept(t *testing.T) {
	eachPlace(t, func(t *testing.T, r *rig) {
		older, newer := tokens(t)
		third, err := Parse("third-canary")
		if err != nil {
			t.Fatal(err)
		}
		for _, token := range []Token{older, newer, third, older, third} {
			if _, err := keep(t.Context(), r.open(t), token, -1); err != nil {
				t.Fatal(err)
			}
		}
		want := r.wants(third, older)
		want[r.name(newer.Hash())], want[r.name(third.Hash())] = newer.Reveal(), third.Reveal()
		if diff := cmp.Diff(want, r.kept(t)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestWhatIsNoTokenIsNeverWrittenOver(t *testing.T) {
	eachPlace(t, func(t *testing.T, r *rig) {
		_, newer := tokens(t)
		r.set(r.name(""), "a: key\nthat: is something else")
		before := r.kept(t)
		_, err := keep(t.Context(), r.open(t), newer, -1)
		if !errors.Is(err, ErrToken) || !strings.Contains(err.Error(), "move that away") {
			t.Errorf("%v", err)
		}
		if diff := cmp.Diff(before, r.kept(t)); diff != "" {
			t.Error(diff)
		}
	})
	eachPlace(t, func(t *testing.T, r *rig) {
		older, newer := tokens(t)
		r.set(r.name(""), older.Reveal())
		r.set(r.name(older.Hash()), newer.Reveal()) // of another hash than its name says
		if _, err := keep(t.Context(), r.open(t), newer, -1); err == nil || r.kept(t)[r.name("")] != older.Reveal() {
			t.Errorf("a copy's place was taken: %v", err)
		}
	})
}

func TestEmptyIsNoToken(t *testing.T) {
	eachPlace(t, func(t *testing.T, r *rig) {
		_, newer := tokens(t)
		r.set(r.name(""), "")
		action, err := keep(t.Context(), r.open(t), newer, -1)
		if diff := cmp.Diff(r.wants(newer, Token{}), r.kept(t)); action != Created || err != nil || diff != "" {
			t.Errorf("%s, %v\n%s", action, err, diff)
		}
	}, "kubernetes", "file") // Bitwarden takes no empty value
}

// TestAnotherFormOfOneTokenIsNoEarlierToken: k3s reads a bare password and the whole form alike.
func TestAnotherFormOfOneTokenIsNoEarlierToken(t *testing.T) {
	eachPlace(t, func(t *testing.T, r *rig) {
		_, newer := tokens(t)
		r.set(r.name(""), password)
		action, err := keep(t.Context(), r.open(t), newer, -1)
		if diff := cmp.Diff(r.wants(newer, Token{}), r.kept(t)); action != Updated || err != nil || diff != "" {
			t.Errorf("%s, %v\n%s", action, err, diff)
		}
	})
}

func TestTwoSecretsOfOneKeyAreAnErrorThatListsThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := bitwardenRig(t)
		older, newer := tokens(t)
		r.set(r.name(""), older.Reveal())
		r.set(r.name(""), newer.Reveal())
		_, err := keep(t.Context(), r.open(t), newer, -1)
		e := (*bitwarden.AmbiguousError)(nil)
		if !errors.As(err, &e) || len(e.IDs) != 2 || !strings.Contains(err.Error(), e.IDs[0]) || !strings.Contains(err.Error(), e.IDs[1]) {
			t.Errorf("%v", err)
		}
	})
}

func TestARunThatIsCancelledChangesNothing(t *testing.T) {
	eachPlace(t, func(t *testing.T, r *rig) {
		older, newer := tokens(t)
		r.set(r.name(""), older.Reveal())
		before := r.kept(t)
		place := r.open(t)
		_, writes, err := Plan(t.Context(), place, newer)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for _, w := range writes {
			if err := Do(ctx, place, w); !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
		}
		if diff := cmp.Diff(before, r.kept(t)); diff != "" {
			t.Error(diff)
		}
	})
}

// TestAChangeInBetweenIsNotWrittenOver: the token that Plan saw is the one that is copied and replaced, no other.
func TestAChangeInBetweenIsNotWrittenOver(t *testing.T) {
	eachPlace(t, func(t *testing.T, r *rig) {
		older, newer := tokens(t)
		r.set(r.name(""), older.Reveal())
		place := r.open(t)
		_, writes, err := Plan(t.Context(), place, newer)
		if err != nil {
			t.Fatal(err)
		}
		r.set(r.name(""), "somebody-elses")
		for _, w := range writes {
			err = Do(t.Context(), place, w)
		}
		if err == nil || !strings.Contains(err.Error(), "in the meantime") || r.kept(t)[r.name("")] != "somebody-elses" {
			t.Errorf("%v; kept %v", err, r.kept(t))
		}
	}, "kubernetes", "file") // Bitwarden's test server would set a secret anew, as a second one
}
