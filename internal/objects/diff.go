package objects

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
)

// maxPaths bounds what Diff gives.
const maxPaths = 20

// plainKey can stand in a path without quotes.
var plainKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// Diff gives the paths that differ between two JSON values, sorted: spec.capacity.storage, metadata.labels["app.example/a"],
// spec.accessModes[1]. Of a part that only one of them has, it is the part's own path. At most 20 are given; a last entry counts the
// others. It is nil if and only if the two are equal, where 1 and 1.0 are not: numbers are compared as they are written.
func Diff(a, b json.RawMessage) []string {
	left, errLeft := value(a)
	right, errRight := value(b)
	if errLeft != nil || errRight != nil {
		if bytes.Equal(a, b) {
			return nil
		}
		return []string{"(not JSON)"}
	}
	var d differ
	d.compare("", left, right)
	if d.more > 0 {
		d.paths = append(d.paths, fmt.Sprintf("… and %d more", d.more))
	}
	return d.paths
}

func value(raw []byte) (v any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	return v, decoder.Decode(&v)
}

type differ struct {
	paths []string
	more  int
}

func (d *differ) add(path string) {
	if path == "" {
		path = "(all)"
	}
	if len(d.paths) == maxPaths {
		d.more++
		return
	}
	d.paths = append(d.paths, path)
}

func (d *differ) compare(path string, a, b any) {
	switch x := a.(type) {
	case map[string]any:
		if y, ok := b.(map[string]any); ok {
			d.objects(path, x, y)
			return
		}
	case []any:
		if y, ok := b.([]any); ok {
			d.lists(path, x, y)
			return
		}
	default:
		if scalar(b) && a == b {
			return
		}
	}
	d.add(path)
}

// scalar tells whether a value can be compared with ==.
func scalar(v any) bool {
	switch v.(type) {
	case map[string]any, []any:
		return false
	}
	return true
}

func (d *differ) objects(path string, a, b map[string]any) {
	all := maps.Clone(a)
	maps.Copy(all, b)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		x, inA := a[key]
		y, inB := b[key]
		if inA && inB {
			d.compare(member(path, key), x, y)
		} else {
			d.add(member(path, key))
		}
	}
}

func (d *differ) lists(path string, a, b []any) {
	for i := range max(len(a), len(b)) {
		if at := path + "[" + strconv.Itoa(i) + "]"; i < len(a) && i < len(b) {
			d.compare(at, a[i], b[i])
		} else {
			d.add(at)
		}
	}
}

func member(path, key string) string {
	switch {
	case !plainKey.MatchString(key):
		return path + "[" + strconv.Quote(key) + "]"
	case path == "":
		return key
	}
	return path + "." + key
}
