package errclass

import (
	"errors"
	"fmt"
	"testing"
)

type knowing struct {
	error
	fault Fault
}

func (k knowing) Fault() Fault { return k.fault }

func TestAnErrorThatSaysWhatItMeansIsBelieved(t *testing.T) {
	want := Fault{Class: Final, Kind: Denied, Hint: "give a key"}
	own := knowing{errors.New("connection refused"), want}
	for name, err := range map[string]error{"alone": own, "wrapped": fmt.Errorf("fetch: %w", own), "joined": errors.Join(errors.New("x"), own)} {
		if got := Classify(err); got != want {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := Classify(fmt.Errorf("%w: %w", ErrLost, own)); got.Class != Lost {
		t.Errorf("an outcome that is unknown: %+v", got)
	}
}
