package backup

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"

	"plan/internal/kube"
	"plan/internal/kube/kubetest"
	"plan/internal/spool"
)

var pvs = kube.Resource{Version: "v1", Resource: "persistentvolumes"}

var started = time.Date(2026, 1, 15, 2, 0, 5, 0, time.UTC)

func index() Index {
	return Index{Artefact: PVs, Cluster: Cluster{"home", kubetest.UID}, KubernetesVersion: kubetest.Version, Run: "run-1", CreatedAt: started}
}

// content makes a document of the PersistentVolumes of a server.
func content(t *testing.T, s *kubetest.Server) Content {
	t.Helper()
	buffer := spool.New(t.TempDir())
	t.Cleanup(func() { buffer.Close() })
	w, err := NewWriter(buffer, index())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.List(t.Context(), s.Client(t), pvs, nil, nil); err != nil {
		t.Fatal(err)
	}
	i, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return Content{buffer, i}
}

// text is a document, decompressed.
func text(t *testing.T, c Content) string {
	t.Helper()
	gz, err := gzip.NewReader(c.Spool.Reader())
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(gz)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func pack(t *testing.T, s string) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	gz := gzip.NewWriter(&b)
	if _, err := io.WriteString(gz, s); err != nil {
		t.Fatal(err)
	}
	if err := gz.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

func TestDocumentIsAListWithOneObjectPerLine(t *testing.T) {
	s := kubetest.New(t)
	s.Add(pvs, "PersistentVolume",
		`{"metadata":{"name":"a","managedFields":[{"manager":"x","fieldsV1":{"f:spec":{}}}],"labels":{"k":"v"}},"spec":{"future":[1.50,{"x":null}]},"status":{"phase":"Bound"}}`,
		`{"metadata":{"name":"b"},"status":{"phase":"Available"}}`,
		`{"metadata":{"name":"c"}}`)
	got := text(t, content(t, s))
	want := `{"apiVersion":"v1","kind":"List","metadata":{},"items":[
{"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"a","labels":{"k":"v"}},"spec":{"future":[1.50,{"x":null}]},"status":{"phase":"Bound"}},
{"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"b"},"status":{"phase":"Available"}},
{"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"c"}}
],"backup":{"formatVersion":1,"artefact":"pvs","cluster":{"name":"home","uid":"5f0c1c9e-3b0a-4b0e-9a53-0d8f6f2d7c11"},"kubernetesVersion":"v1.35.4+k3s1","run":"run-1","createdAt":"2026-01-15T02:00:05Z","objects":3,"resources":[{"resource":"persistentvolumes","apiVersion":"v1","kind":"PersistentVolume","count":3,"resourceVersion":"1004"}],"phases":{"Available":1,"Bound":1,"Unknown":1}}}
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if !json.Valid([]byte(got)) {
		t.Error("not JSON")
	}
}

func TestManagedFieldsAreCutOutAndNothingElse(t *testing.T) {
	const typed = `"apiVersion":"v1","kind":"K",`
	tests := map[string]struct{ item, want string }{
		"none":           {`{"metadata":{"name":"a"}}`, `{` + typed + `"metadata":{"name":"a"}}`},
		"first":          {`{"metadata":{"managedFields":[{"a":"]}"}],"name":"a"}}`, `{` + typed + `"metadata":{"name":"a"}}`},
		"last":           {`{"metadata":{"name":"a","managedFields":[]},"spec":1}`, `{` + typed + `"metadata":{"name":"a"},"spec":1}`},
		"middle":         {`{"metadata":{"name":"a","managedFields":[1],"uid":"u"}}`, `{` + typed + `"metadata":{"name":"a","uid":"u"}}`},
		"alone":          {`{"metadata":{"managedFields":[1]}}`, `{` + typed + `"metadata":{}}`},
		"null":           {`{"metadata":{"managedFields":null,"name":"a"}}`, `{` + typed + `"metadata":{"name":"a"}}`},
		"elsewhere":      {`{"metadata":{"name":"a"},"spec":{"managedFields":[1]}}`, `{` + typed + `"metadata":{"name":"a"},"spec":{"managedFields":[1]}}`},
		"escaped name":   {`{"metadata":{"name":"a","managed\u0046ields":[1]}}`, `{` + typed + `"metadata":{"name":"a"}}`},
		"with blanks":    {`{ "metadata" : { "name" : "a" , "managedFields" : [ 1 ] } }`, `{` + typed + ` "metadata" : { "name" : "a"  } }`},
		"on lines":       {"{\"metadata\":\n{\"name\":\"a\\n\"}}", `{` + typed + `"metadata": {"name":"a\n"}}`},
		"typed already":  {`{"apiVersion":"x/v1","kind":"X","metadata":{"managedFields":[1],"name":"a"}}`, `{"apiVersion":"x/v1","kind":"X","metadata":{"name":"a"}}`},
		"kind at end":    {`{"metadata":{"name":"a"},"kind":"X"}`, `{"apiVersion":"v1","metadata":{"name":"a"},"kind":"X"}`},
		"name in values": {`{"metadata":{"name":"managedFields","labels":{"managedFields":"[1]"}}}`, `{` + typed + `"metadata":{"name":"managedFields","labels":{"managedFields":"[1]"}}}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			w, err := NewWriter(&b, index())
			if err != nil {
				t.Fatal(err)
			}
			w.group, w.kind = field("apiVersion", "v1"), field("kind", "K")
			if err := w.add([]byte(tt.item), "K"); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Close(); err != nil {
				t.Fatal(err)
			}
			gz, _ := gzip.NewReader(&b)
			data, _ := io.ReadAll(gz)
			got := strings.Split(string(data), "\n")[1]
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if !json.Valid([]byte(got)) {
				t.Error("not JSON")
			}
		})
	}
}

func TestScanReadsWhatWasWritten(t *testing.T) {
	for _, n := range []int{0, 1, 2, 300} {
		s := kubetest.New(t)
		for i := range n {
			s.Add(pvs, "PersistentVolume", fmt.Sprintf(`{"metadata":{"name":"pv-%d"},"spec":{"long":%q}}`, i, strings.Repeat("x", i*300)))
		}
		c := content(t, s)
		var names []string
		got, err := scan(c.Spool.Reader(), func(o Object) error {
			names = append(names, o.Kind)
			return nil
		})
		if err != nil || len(names) != n {
			t.Fatalf("%d objects of %d, %v", len(names), n, err)
		}
		if diff := cmp.Diff(c.Index, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestScanFindsWhatIsNotADocument(t *testing.T) {
	s := kubetest.New(t)
	s.Add(pvs, "PersistentVolume", `{"metadata":{"name":"a"}}`, `{"metadata":{"name":"b"}}`)
	good := text(t, content(t, s))
	lines := strings.SplitAfter(good, "\n")
	tests := map[string]string{
		"nothing":                "",
		"another document":       `{"apiVersion":"v1","kind":"List"}` + "\n",
		"no objects, no index":   lines[0],
		"no index":               lines[0] + lines[1] + lines[2],
		"an object is missing":   lines[0] + lines[2] + lines[3],
		"an object twice":        lines[0] + lines[1] + lines[1] + lines[2] + lines[3],
		"an object is not JSON":  strings.Replace(good, `"name":"a"`, `"name":a`, 1),
		"no comma":               strings.Replace(good, "},\n", "}\n", 1),
		"comma behind the last":  strings.Replace(good, "}}\n]", "}},\n]", 1),
		"no final newline":       strings.TrimSuffix(good, "\n"),
		"more behind":            good + "x\n",
		"bytes behind":           good + "x",
		"another kind":           strings.Replace(good, `"kind":"PersistentVolume","metadata":{"name":"b"`, `"kind":"Secret","metadata":{"name":"b"`, 1),
		"no kind":                strings.Replace(good, `"kind":"PersistentVolume",`, ``, 1),
		"other sum":              strings.Replace(good, `"objects":2`, `"objects":3`, 1),
		"other count":            strings.Replace(good, `"count":2`, `"count":1`, 1),
		"a later format":         strings.Replace(good, `"formatVersion":1`, `"formatVersion":2`, 1),
		"index is not JSON":      strings.Replace(good, `"objects":2`, `"objects":`, 1),
		"a line without an end":  lines[0] + strings.Repeat(" ", maxLine+100),
		"document is not closed": strings.TrimSuffix(good, "}\n") + "\n",
	}
	if _, err := scan(pack(t, good), nil); err != nil {
		t.Fatal(err)
	}
	for name, doc := range tests {
		if doc == good {
			t.Errorf("%s: the test changes nothing", name)
		}
		if _, err := scan(pack(t, doc), nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestScanFindsEveryTruncationAndAByteMore(t *testing.T) {
	s := kubetest.New(t)
	s.Add(pvs, "PersistentVolume", `{"metadata":{"name":"a"}}`)
	data, err := io.ReadAll(content(t, s).Spool.Reader())
	if err != nil {
		t.Fatal(err)
	}
	for i := range data {
		if _, err := scan(bytes.NewReader(data[:i]), nil); err == nil {
			t.Errorf("%d of %d bytes pass", i, len(data))
		}
	}
	if _, err := scan(bytes.NewReader(append(bytes.Clone(data), 0)), nil); err == nil {
		t.Error("a byte more passes")
	}
}

func FuzzScan(f *testing.F) {
	f.Add([]byte(head+"\n"+`],"backup":{"formatVersion":1}}`+"\n"), true)
	f.Add([]byte{0x1f, 0x8b, 8}, false)
	f.Fuzz(func(t *testing.T, data []byte, compress bool) {
		var in io.Reader = bytes.NewReader(data)
		if compress {
			in = pack(t, string(data))
		}
		n := int64(0)
		index, err := scan(in, func(Object) error { n++; return nil })
		if err == nil && index.Objects != n {
			t.Errorf("the index says %d objects, there were %d", index.Objects, n)
		}
	})
}
