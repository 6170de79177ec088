package engine

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func allRecords() []Record {
	at := time.Date(2026, 3, 1, 2, 3, 4, 5e6, time.UTC)
	return []Record{
		RunStartedRecord{Run: "r", Invocation: 1, Plan: "p", File: "f.yaml", PlanHash: "h", Started: at, Cluster: "home", ClusterUID: "u", Host: "n", PID: 7, BootID: "b", PIDStarted: 1 << 60},
		AttemptStartedRecord{Step: "a", Attempt: 1},
		StepNotedRecord{Step: "a", Attempt: 1, Key: "job", Value: "u\n1 <&>"},
		StepNotedRecord{Step: "b", Instance: `{"r":"eu"}`, Attempt: 2, Key: "commit", Value: ""},
		AttemptFinishedRecord{Step: "a", Attempt: 1, Outcome: Failed, Verdict: Unknown, Reason: "no\nluck <&>", RetryIn: time.Second},
		StepFinishedRecord{Step: "a", Final: true, Outcome: Skipped, OwnIf: true, Cause: []string{"x"}, Error: "e"},
		StepFinishedRecord{Step: "b", Instance: `{"r":"eu"}`, Outcome: Succeeded, Attempts: 2, Started: at, Outputs: map[string]any{
			"i": int64(1) << 62, "f": 1.5, "whole": 2.0, "large": 1e300, "minus": -3.0, "s": "é\u2028\xf0", "l": []any{int64(1), nil, true}, "m": map[string]any{"k": int64(-3)},
		}},
		SuspendedRecord{Reason: "moved"},
		RunFinishedRecord{Outcome: RunDegraded, ExitCode: 3},
	}
}

func newTestJournal(t *testing.T, records ...Record) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "runs", "r.journal")
	j, err := CreateJournal(path, records[:1]...)
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i < len(records); i += 2 {
		if err := j.Append(t.Context(), records[i:min(i+2, len(records))]...); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func recordsOf(entries []JournalEntry) []Record {
	var out []Record
	for _, e := range entries {
		out = append(out, e.Record)
	}
	return out
}

func TestAJournalGivesBackWhatWasAppended(t *testing.T) {
	want := allRecords()
	path := newTestJournal(t, want...)
	want[6].(StepFinishedRecord).Outputs["s"] = "é\u2028\ufffd" // JSON holds text only
	j, entries, err := OpenJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, recordsOf(entries)); diff != "" {
		t.Error(diff)
	}
	if err := j.Append(t.Context(), SuspendedRecord{Reason: "again"}); err != nil {
		t.Fatal(err)
	}
	j.Close()
	if _, entries, err = OpenJournal(path); err != nil || len(entries) != len(want)+1 || entries[len(want)].Seq != int64(len(want))+1 {
		t.Errorf("after going on: %d entries, %v", len(entries), err)
	}
}

func TestAJournalIsForItsOwnerAloneAndNeverOverwritten(t *testing.T) {
	path := newTestJournal(t, allRecords()...)
	for p, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700 | os.ModeDir} {
		if info, err := os.Stat(p); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v; want %v", p, info.Mode(), err, want)
		}
	}
	if _, err := CreateJournal(path); err == nil {
		t.Error("a second journal was made in its place")
	}
}

// Wherever a write is torn, what was confirmed before it stays, and the journal can go on.
func TestATornTailIsCutOffWhereverItTears(t *testing.T) {
	want := allRecords()
	path := newTestJournal(t, want...)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	ends := map[int]int{} // where a frame ends: the records until there
	for n, at := 0, 0; at >= 0; {
		entries, _, _ := ReadJournal(bytes.NewReader(whole[:at]))
		n = max(n, len(entries))
		ends[at] = n
		if next := nextFrame(whole[at:]); next >= 0 {
			at += next
		} else {
			at = -1
		}
	}
	torn := filepath.Join(t.TempDir(), "torn")
	kept := 0
	for cut := range whole {
		kept = max(kept, ends[cut])
		zeros := bytes.Repeat([]byte{0}, cut%7) // some file systems leave zeros where data was to be
		if err := os.WriteFile(torn, append(whole[:cut:cut], zeros...), 0o600); err != nil {
			t.Fatal(err)
		}
		if cut < len(journalHeader) && len(zeros) > 0 {
			continue
		}
		j, entries, err := OpenJournal(torn)
		if err != nil || len(entries) != kept {
			t.Fatalf("cut at %d: %d entries, %v; want %d", cut, len(entries), err, kept)
		}
		if cut%50 == 0 { // each is an fsync
			if err := j.Append(t.Context(), SuspendedRecord{}); err != nil {
				t.Fatal(err)
			}
			if _, entries, err = OpenJournal(torn); err != nil || len(entries) != kept+1 {
				t.Fatalf("cut at %d, after going on: %d entries, %v", cut, len(entries), err)
			}
		}
		j.Close()
	}
}

func TestDamageBeforeTheEndIsAnErrorThatNamesItsOffset(t *testing.T) {
	path := newTestJournal(t, allRecords()...)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	last := 0
	for next := nextFrame(whole); next >= 0; next = nextFrame(whole[last:]) {
		last += next
	}
	for at := len(journalHeader); at < last; at++ {
		bad := bytes.Clone(whole)
		bad[at] ^= 0x20
		entries, intact, err := ReadJournal(bytes.NewReader(bad))
		if err == nil || !strings.Contains(err.Error(), "damaged at offset ") || intact > int64(at) {
			t.Fatalf("byte %d: %d entries, intact to %d, %v", at, len(entries), intact, err)
		}
	}
	if err := os.WriteFile(path, append(whole[:last-1:last-1], whole[last:]...), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := OpenJournal(path); err == nil {
		t.Error("a damaged journal was opened")
	}
	if after, err := os.ReadFile(path); err != nil || len(after) != len(whole)-1 {
		t.Errorf("a damaged journal was changed: %d bytes, %v", len(after), err)
	}
}

func TestWhatIsNoJournalOfThisVersionIsRefused(t *testing.T) {
	later, err := appendFrame([]byte(journalHeader), 1, time.Now(), []Record{SuspendedRecord{}})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"plan journal 2\n", "apiVersion: plan/v1\n", "\x00\x00"} {
		if _, _, err := ReadJournal(strings.NewReader(text)); err == nil {
			t.Errorf("%q was read", text)
		}
	}
	for old, text := range map[string]string{`"v":1`: `"v":2`, `suspended`: `suspanded`, `"seq":1`: `"seq":2`} {
		body := bytes.Replace(later[len(journalHeader)+frameHead:], []byte(old), []byte(text), 1)
		if _, err := decodeBody(nil, body); err == nil {
			t.Errorf("%s was read", body)
		}
	}
}

func TestAfterAFailureAJournalTakesNothingMore(t *testing.T) {
	j, err := CreateJournal(filepath.Join(t.TempDir(), "j"), SuspendedRecord{})
	if err != nil {
		t.Fatal(err)
	}
	j.file.Close()
	first := j.Append(t.Context(), SuspendedRecord{})
	if first == nil || j.Append(t.Context(), SuspendedRecord{}) != first {
		t.Errorf("first %v", first)
	}
}

func FuzzReadJournal(f *testing.F) {
	b := []byte(journalHeader)
	for i, r := range allRecords() {
		b, _ = appendFrame(b, int64(i)+1, time.Unix(0, 0), []Record{r})
	}
	f.Add(b)
	f.Add(b[:len(b)-3])
	f.Add([]byte(journalHeader + frameMark))
	f.Add(b[len(journalHeader)+frameHead:]) // one body, with more behind it
	f.Add([]byte(`{"v":1,"seq":1,"time":"2026-03-01T02:03:04Z","type":"suspended","data":{"reason":"x"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, intact, err := ReadJournal(bytes.NewReader(data))
		if intact < 0 || intact > int64(len(data)) {
			t.Fatalf("%d of %d bytes are intact", intact, len(data))
		}
		again, same, err2 := ReadJournal(bytes.NewReader(data[:intact]))
		if err2 != nil || same != intact || len(again) != len(entries) {
			t.Fatalf("the intact part reads as %d entries, %v; with the rest %d, %v", len(again), err2, len(entries), err)
		}
		for i, e := range entries {
			if e.Record == nil || e.Seq != int64(i)+1 {
				t.Fatalf("entry %d is %+v", i, e)
			}
		}
		if entries, err := decodeBody(nil, data); err != nil && entries != nil { // behind the checksum
			t.Fatalf("%d entries beside %v", len(entries), err)
		}
	})
}

// Bytes that look like the beginnings of many frames are damage, and found to be that in a time that grows with their number only.
func TestBytesThatLookLikeManyFramesAreDamage(t *testing.T) {
	whole, err := EncodeJournal(nil, 1, time.Now(), allRecords()...)
	if err != nil {
		t.Fatal(err)
	}
	const size = 8 << 20
	for len(whole) < size {
		whole = append(whole, frameMark...)
		whole = append(whole, 0, 0, size/4>>16, 0, 0, 0, 0, 0)
	}
	entries, _, err := ReadJournal(bytes.NewReader(whole))
	if err == nil || !strings.Contains(err.Error(), "what follows is no journal") || len(entries) != len(allRecords()) {
		t.Errorf("%d entries, %v", len(entries), err)
	}
}
