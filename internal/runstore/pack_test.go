package runstore

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"plan/engine"
	"plan/internal/lock/wiretest"
)

// runObject is a ConfigMap of run a with any content.
func runObject(data []byte) string {
	text, _ := json.Marshal(base64.StdEncoding.EncodeToString(data))
	return `{"metadata":{"name":"plan-run-a","namespace":"plan","resourceVersion":"7","uid":"u","labels":{"app.kubernetes.io/managed-by":"plan",` +
		`"app.kubernetes.io/component":"run-journal","plan/run":"a"},"annotations":{"plan/writer":"w","plan/seq":"1"}},"binaryData":{"journal":` + string(text) + `}}`
}

func zipped(t testing.TB, plain []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

type hostile struct {
	object string
	listed bool
	says   string
}

func hostiles(t *testing.T) map[string]hostile {
	t.Helper()
	sound, err := engine.EncodeJournal(nil, 1, t0, begun("a", t0))
	if err != nil {
		t.Fatal(err)
	}
	torn := append(bytes.Clone(sound), sound[15:40]...)
	bomb := zipped(t, make([]byte, maxPlain+1))
	foreign := strings.Replace(runObject(zipped(t, sound)), "run-journal", "source", 1)
	return map[string]hostile{
		"nothing":      {runObject(nil), true, "decompress"},
		"no gzip":      {runObject([]byte("plan journal 1\n")), true, "decompress"},
		"half a gzip":  {runObject(zipped(t, sound)[:40]), true, "decompress"},
		"no journal":   {runObject(zipped(t, []byte("hello"))), true, "not a journal"},
		"torn":         {runObject(zipped(t, torn)), true, "damaged at offset"},
		"a bomb":       {runObject(bomb), true, "more than"},
		"no records":   {runObject(zipped(t, []byte("plan journal 1\n"))), true, ""},
		"no journal's": {foreign, false, "not made for it"},
	}
}

func TestHostileConfigMapsAreProblemsAndStayAsTheyAre(t *testing.T) {
	for name, tc := range hostiles(t) {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T, w *wiretest.Wire) {
				s := on(t, w)
				before := w.Server.Objects()[runPath]
				if _, err := s.Read(t.Context(), "a"); (err != nil) != (tc.says != "") || err != nil && !strings.Contains(err.Error(), tc.says) {
					t.Errorf("read: %v", err)
				}
				list, err := s.List(t.Context())
				if err != nil || (len(list) == 1) != tc.listed || tc.listed && list[0].Problem == "" {
					t.Errorf("list: %+v, %v", list, err)
				}
				if _, err := s.Create(t.Context(), "a", begun("a", t0)); err == nil {
					t.Error("it was created")
				}
				if tc.says == "" {
					return
				}
				if _, _, err := s.Open(t.Context(), "a"); err == nil {
					t.Error("it was opened")
				}
				if w.Server.Objects()[runPath] != before {
					t.Error("it was changed")
				}
				if err := s.Delete(t.Context(), "a"); (err == nil) != tc.listed {
					t.Errorf("delete: %v", err)
				}
			}, tc.object)
		})
	}
}

func FuzzUnpack(f *testing.F) {
	sound, err := engine.EncodeJournal(nil, 1, t0, begun("a", t0), attempt(1))
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][]byte{nil, sound, zipped(f, sound), zipped(f, sound[:50]), append(zipped(f, sound[:30]), zipped(f, sound[30:])...)} {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, data []byte, zip bool) {
		if zip {
			data = zipped(t, data)
		}
		plain, entries, err := unpack(data)
		if err != nil {
			return
		}
		p, err := pack(plain, int64(len(entries)))
		if err != nil {
			t.Fatal(err)
		}
		if err := p.add(t0, []engine.Record{begun("b", t0)}); err != nil && !errors.Is(err, errFull) {
			t.Fatal(err)
		} else if err != nil {
			return
		}
		if _, again, err := unpack(p.bytes()); err != nil || len(again) != len(entries)+1 {
			t.Errorf("with one more: %d entries of %d, %v", len(again), len(entries), err)
		}
	})
}

// What is packed is a gzip at every moment, and not much larger than one made at once.
func TestPackedIsAGzipAfterEachRecord(t *testing.T) {
	p, err := pack(nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 500 {
		if err := p.add(t0.Add(time.Duration(i)*time.Second), []engine.Record{engine.StepFinishedRecord{Step: fmt.Sprint("step-", i), Outcome: engine.Succeeded, Started: t0}}); err != nil {
			t.Fatal(err)
		}
		if _, entries, err := unpack(p.bytes()); err != nil || len(entries) != i+1 {
			t.Fatalf("after %d: %d, %v", i+1, len(entries), err)
		}
		if len(p.bytes()) != p.size() {
			t.Fatal("its size is not what it says")
		}
	}
	if once := len(zipped(t, p.plain)); p.size() > 8*once {
		t.Errorf("%d bytes, at once %d", p.size(), once)
	}
}

// Small pieces take more room than the whole: when they are too many, all is packed anew.
func TestWhatGrewInSmallPiecesIsPackedAnew(t *testing.T) {
	p, err := pack(nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	shrunk := 0
	for i := 0; shrunk == 0; i++ {
		before := p.size()
		if err := p.add(t0, []engine.Record{engine.AttemptStartedRecord{Step: "step", Attempt: i}}); err != nil {
			t.Fatalf("after %d: %v", i, err)
		}
		if p.size() < before {
			shrunk++
		}
	}
	if _, entries, err := unpack(p.bytes()); err != nil || int64(len(entries)) != p.seq {
		t.Errorf("%d entries of %d, %v", len(entries), p.seq, err)
	}
}
