package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plan/steps"
)

func TestChangesAsText(t *testing.T) {
	list := []steps.Change{
		{Op: steps.Create, Target: "persistentvolume data-0", Detail: "10Gi, longhorn", After: json.RawMessage(`{"kind":"PersistentVolume"}`)},
		{Op: steps.Update, Target: "node \x1b[2Ja", Before: json.RawMessage(`{"metadata":{"labels":{"a":"1","b":"2"}}}`), After: json.RawMessage(`{"metadata":{"labels":{"a":"1","b":"\u202e3"}}}`)},
		{Op: steps.Delete, Target: "s3://b/k"},
		{Op: steps.Send, Target: "https://h"},
	}
	var b bytes.Buffer
	if err := (Changes{Out: &b}).Print(list); err != nil {
		t.Fatal(err)
	}
	want := `+ create persistentvolume data-0  (10Gi, longhorn)
~ update node \x1b[2Ja
    @@ -1,4 +1,4 @@
     metadata:
       labels:
         a: "1"
    -    b: "2"
    +    b: \u202e3
- delete s3://b/k
→ send https://h
1 to create, 1 to update, 1 to delete, 1 to send
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
	b.Reset()
	if err := (Changes{Out: &b, Full: true, Color: true}).Print(list[:1]); err != nil {
		t.Fatal(err)
	}
	if got := b.String(); !strings.Contains(got, "\x1b[32m+kind: PersistentVolume\x1b[0m") {
		t.Errorf("%q", got)
	}
	b.Reset()
	if err := (Changes{Out: &b}).Print(nil); err != nil || b.String() != "no changes\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
}

func TestHunksAreWhereTheyAreInBothObjects(t *testing.T) {
	var before, after []string
	for i := range 40 {
		line := fmt.Sprintf("line %02d", i)
		before = append(before, line)
		switch i {
		case 3:
			after = append(after, "changed", "added")
		case 8, 30: // the first in one hunk with the change
			after = append(after, "changed")
		case 20:
		default:
			after = append(after, line)
		}
	}
	object := func(lines []string) json.RawMessage { data, _ := json.Marshal(lines); return data }
	text := Changes{}.Text([]steps.Change{{Op: steps.Update, Target: "x", Before: object(before), After: object(after)}})
	for _, head := range []string{"@@ -1,12 +1,13 @@", "@@ -18,7 +19,6 @@", "@@ -28,7 +28,7 @@"} {
		if !strings.Contains(text, head) {
			t.Errorf("no hunk %s in\n%s", head, text)
		}
	}
}

func TestLongDifferencesAreCutAndSaySo(t *testing.T) {
	object := map[string]string{}
	for i := range 1000 {
		object[fmt.Sprintf("key-%04d", i)] = "v"
	}
	before, _ := json.Marshal(object)
	for key := range object {
		object[key] = "w"
	}
	after, _ := json.Marshal(object)
	var b bytes.Buffer
	if err := (Changes{Out: &b}).Print([]steps.Change{{Op: steps.Update, Target: "x", Before: before, After: after}}); err != nil {
		t.Fatal(err)
	}
	if got := b.String(); strings.Count(got, "\n") != maxDiffLines+3 || !strings.Contains(got, "… 1801 more lines") {
		t.Errorf("%d lines: %s", strings.Count(got, "\n"), got[len(got)-200:])
	}
}

func TestChangesAsJSON(t *testing.T) {
	data, err := json.Marshal(NewChangesDocument([]steps.Change{{Op: steps.Delete, Target: "s3://b/k"}}))
	if err != nil || string(data) != `{"schemaVersion":1,"kind":"Changes","changes":[{"op":"delete","target":"s3://b/k"}]}` {
		t.Errorf("%s, %v", data, err)
	}
}
