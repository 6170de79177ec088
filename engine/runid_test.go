package engine

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestANewRunIDIsItsStartInUTCAndSixHexDigits(t *testing.T) {
	at := time.Date(2026, 3, 1, 0, 30, 5, 0, time.FixedZone("", 3600))
	id, err := NewRunID(at, bytes.NewReader([]byte{0x0a, 0xff, 0x01}))
	if err != nil || id != "20260228-233005-0aff01" || CheckRunID(id) != nil {
		t.Errorf("got %q, %v", id, err)
	}
	if _, err := NewRunID(at, strings.NewReader("ab")); err == nil {
		t.Error("made an id without enough random bytes")
	}
}

func TestARunIDIsALabelAndAFileNameAndNothingElse(t *testing.T) {
	for _, id := range []string{"a", "0", "render", "a-b", "20260228-233005-0aff01", strings.Repeat("a", 63)} {
		if err := CheckRunID(id); err != nil {
			t.Error(err)
		}
	}
	for _, id := range []string{"", "-", "-a", "a-", "A", "a_b", "a.b", "../a", "a/b", "é", "a\n", strings.Repeat("a", 64)} {
		if CheckRunID(id) == nil {
			t.Errorf("%q was accepted", id)
		}
	}
}
