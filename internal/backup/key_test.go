package backup

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// anyKey draws valid keys.
func anyKey() *rapid.Generator[Key] {
	return rapid.Custom(func(t *rapid.T) Key {
		prefix := rapid.StringMatching(`([A-Za-z0-9_=é .-]{0,8}[a-z0-9]/){0,3}`).Draw(t, "prefix")
		cluster := rapid.StringMatching(`[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?`).Draw(t, "cluster")
		artefact := rapid.SampledFrom([]Artefact{PVs, Nodes}).Draw(t, "artefact")
		started := time.Unix(rapid.Int64Range(0, 253402300799).Draw(t, "started"), rapid.Int64Range(0, 999999999).Draw(t, "nanos"))
		hash := rapid.StringMatching(`[0-9a-f]{8}`).Draw(t, "hash")
		k, err := NewKey(prefix, cluster, artefact, started, hash)
		if err != nil {
			t.Fatal(err)
		}
		return k
	})
}

func TestParseKeyIsTheInverseOfString(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := anyKey().Draw(t, "key")
		got, err := ParseKey(k.String())
		if err != nil || got != k {
			t.Fatalf("ParseKey(%q) = %+v, %v; want %+v", k, got, err, k)
		}
	})
}

func TestParseKeyTakesNothingThatIsNearlyAKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := []byte(anyKey().Draw(t, "key").String())
		i := rapid.IntRange(0, len(s)-1).Draw(t, "at")
		s[i] = rapid.Byte().Draw(t, "byte")
		if k, err := ParseKey(string(s)); err == nil && k.String() != string(s) {
			t.Fatalf("%q is read as %q", s, k)
		}
	})
}

func FuzzParseKey(f *testing.F) {
	for _, s := range []string{
		"pv-backups/home/pvs-20260115-020005-0badc0de.json.gz", "home/nodes-20260115-020005-0badc0de.json.gz",
		"/home/pvs-20260115-020005-0badc0de.json.gz", "a/../pvs-20260115-020005-0badc0de.json.gz", "x/pvs-20261315-020005-0badc0de.json.gz",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		k, err := ParseKey(s)
		if err != nil {
			return
		}
		if k.String() != s {
			t.Fatalf("%q is read as %q", s, k)
		}
		made, err := NewKey(k.Prefix, k.Cluster, k.Artefact, k.Started, k.Hash)
		if err != nil || made != k {
			t.Fatalf("NewKey does not make what ParseKey reads: %q: %v", s, err)
		}
	})
}

func TestParseKeyRefuses(t *testing.T) {
	tests := map[string]string{
		"":                                     "empty",
		"pvs-20260115-020005-0badc0de.json.gz": "no cluster",
		"p/home/sub/x/pvs-20260115-020005-0badc0d.json.gz":     "short hash",
		"p/home/pvs-20260115-020005-0BADC0DE.json.gz":          "upper case",
		"p/home/pvs-20260230-020005-0badc0de.json.gz":          "no such day",
		"p/home/pvs-20260115-020005-0badc0de.json.gz\n":        "a newline behind",
		"p/Home/pvs-20260115-020005-0badc0de.json.gz":          "no cluster's name",
		"p//home/pvs-20260115-020005-0badc0de.json.gz":         "an empty segment",
		"/home/pvs-20260115-020005-0badc0de.json.gz":           "a leading slash",
		"p/home/pv-metadata-20260115-020005.json":              "the older tool's",
		"p/home/pvs-20260115-020005-0badc0de.json.gz/":         "a folder",
		"p/../home/pvs-20260115-020005-0badc0de.json.gz":       "a way out",
		"p/home/etcd-20260115-020005-0badc0de.json.gz":         "unknown artefact",
		"p/home/pvs-20260115-020005-0badc0de.json.gz.sha256":   "a suffix",
		"p/home/old-pvs-20260115-020005-0badc0de.json.gz":      "a prefix",
		"p/home/nodes-20260115020005-0badc0de.json.gz":         "another form of time",
		"p/home/pvs-20260115-020005-0badc0de.json":             "not compressed",
		"p\x00/home/pvs-20260115-020005-0badc0de.json.gz":      "a NUL",
		"p/-home/pvs-20260115-020005-0badc0de.json.gz":         "a cluster that begins with a dash",
		"p/home/pvs-20260115-020005-0badc0de-0badc0de.json.gz": "two hashes",
	}
	for key, reason := range tests {
		if k, err := ParseKey(key); err == nil {
			t.Errorf("%q (%s) is taken as %+v", key, reason, k)
		}
	}
}

func TestCleanPrefix(t *testing.T) {
	tests := map[string]struct{ want, says string }{
		"":                       {"", ""},
		"pv-backups/":            {"pv-backups/", ""},
		"pv-backups":             {"pv-backups/", ""},
		"a/b":                    {"a/b/", ""},
		"/a":                     {"", "segment"},
		"a//":                    {"", "segment"},
		"a/./b":                  {"", "segment"},
		"..":                     {"", "segment"},
		"/":                      {"", "segment"},
		"a\x1b[0m":               {"", "print"},
		`a\b`:                    {"", "backslash"},
		"a\xff":                  {"", "print"},
		strings.Repeat("a", 513): {"", "512"},
	}
	for prefix, tt := range tests {
		got, err := CleanPrefix(prefix)
		if got != tt.want || (err == nil) != (tt.says == "") || (err != nil && !strings.Contains(err.Error(), tt.says)) {
			t.Errorf("CleanPrefix(%q) = %q, %v; want %q, %q", prefix, got, err, tt.want, tt.says)
		}
	}
}

func TestMetadataIsReadAsItWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := anyKey().Draw(t, "key")
		m := Meta{Artefact: k.Artefact, Cluster: k.Cluster, ClusterUID: "uid", Run: "r-1"}
		m.Count = rapid.Int64Range(0, 1<<40).Draw(t, "count")
		m.Objects = m.Count + rapid.Int64Range(0, 1<<40).Draw(t, "others")
		copy(m.SHA256[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "sum"))
		got, err := ParseMetadata(m.Map())
		if err != nil || got != m {
			t.Fatalf("%+v, %v; want %+v", got, err, m)
		}
		for key := range m.Map() {
			broken := m.Map()
			delete(broken, key)
			if _, err := ParseMetadata(broken); err == nil && key != metaRun {
				t.Fatalf("metadata without %s is taken", key)
			}
		}
	})
}
