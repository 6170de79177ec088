package etcdsnapshot_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plan/internal/etcdsnapshot"
)

func TestParseName(t *testing.T) {
	at := time.Unix(1768478400, 0).UTC()
	cases := map[string]struct {
		name string
		want etcdsnapshot.Name
		ok   bool
	}{
		"scheduled":          {"etcd-snapshot-k3s-server-1-1768478400", etcdsnapshot.Name{Base: "etcd-snapshot-k3s-server-1", Time: at}, true},
		"zipped":             {"on-demand-a.example.org-1768478400.zip", etcdsnapshot.Name{Base: "on-demand-a.example.org", Time: at, Zip: true}, true},
		"a number in a node": {"etcd-snapshot-1768478399-1768478400", etcdsnapshot.Name{Base: "etcd-snapshot-1768478399", Time: at}, true},
		"one letter":         {"x-1768478400", etcdsnapshot.Name{Base: "x", Time: at}, true},
		"eleven digits":      {"x-10000000000", etcdsnapshot.Name{Base: "x", Time: time.Unix(10000000000, 0).UTC()}, true},
		"milliseconds":       {"x-1768478400000", etcdsnapshot.Name{}, false},
		"nine digits":        {"x-999999999", etcdsnapshot.Name{}, false},
		"no base":            {"-1768478400", etcdsnapshot.Name{}, false},
		"no time":            {"etcd-snapshot-k3s-server-1", etcdsnapshot.Name{}, false},
		"another suffix":     {"x-1768478400.gz", etcdsnapshot.Name{}, false},
		"upper case":         {"x-1768478400.ZIP", etcdsnapshot.Name{}, false},
		"zipped twice":       {"x-1768478400.zip.zip", etcdsnapshot.Name{}, false},
		"other digits":       {"x-١٧٦٨٤٧٨٤٠٠", etcdsnapshot.Name{}, false},
		"a blank behind":     {"x-1768478400 ", etcdsnapshot.Name{}, false},
		"a line behind":      {"x-1768478400\n", etcdsnapshot.Name{}, false},
		"with a folder":      {"a/x-1768478400", etcdsnapshot.Name{}, false},
		"README":             {"README.md", etcdsnapshot.Name{}, false},
		"nothing":            {"", etcdsnapshot.Name{}, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, ok := etcdsnapshot.ParseName(tc.name)
			if diff := cmp.Diff(tc.want, got); diff != "" || ok != tc.ok {
				t.Error(diff, ok)
			}
		})
	}
}

func TestNodesAreSuffixesOfWholeWords(t *testing.T) {
	n, _ := etcdsnapshot.ParseName("etcd-snapshot-a.example-1-1768478400")
	cases := map[string]bool{
		"a.example-1": true, "1": true, "example-1": false, "snapshot-a.example-1": true, "etcd-snapshot-a.example-1": false, "": false, "a.example": false, "b": false,
	}
	for node, want := range cases {
		if n.Of(node) != want {
			t.Errorf("Of(%q) is %v", node, !want)
		}
	}
	for base, want := range map[string]bool{"etcd-snapshot": true, "etcd": true, "etcd-snap": false, "on-demand": false, "etcd-snapshot-a.example-1": true} {
		if n.Begins(base) != want {
			t.Errorf("Begins(%q) is %v", base, !want)
		}
	}
}

// FuzzParseName: what is taken is put together again to the very name.
func FuzzParseName(f *testing.F) {
	for _, s := range []string{"etcd-snapshot-k3s-server-1-1768478400", "on-demand-a.b-1768478400.zip", "x-00000000001", "x-1768478400000", "--1768478400", "a\n-1768478400", "\xff-1768478400", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, ok := etcdsnapshot.ParseName(s)
		if !ok {
			if n != (etcdsnapshot.Name{}) {
				t.Fatalf("%q is refused and gives %+v", s, n)
			}
			return
		}
		suffix := ""
		if n.Zip {
			suffix = ".zip"
		}
		short, long := fmt.Sprintf("%s-%010d%s", n.Base, n.Time.Unix(), suffix), fmt.Sprintf("%s-%011d%s", n.Base, n.Time.Unix(), suffix)
		if n.Base == "" || strings.Contains(s, "/") || s != short && s != long || n.Time.Year() < 1970 || n.Time.Year() > 9999 {
			t.Fatalf("%q gives %+v", s, n)
		}
	})
}
