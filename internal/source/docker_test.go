package source

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
	"pgregory.net/rapid"
)

// dockerIgnores goes down to a path as Docker does when it packs a context. (The library's other function differs in rare cases.)
func dockerIgnores(rules []string, path string) (out bool, err error) {
	m, err := patternmatcher.New(rules)
	if err != nil {
		return false, err
	}
	var above patternmatcher.MatchInfo
	for i, c := range path + "/" {
		if c == '/' && err == nil {
			out, above, err = m.MatchesUsingParentResults(path[:i], above)
		}
	}
	return out, err
}

func TestDockerignoreIsReadAsDockerReadsIt(t *testing.T) {
	parent := t.TempDir()
	rapid.Check(t, func(r *rapid.T) {
		dir, err := os.MkdirTemp(parent, "")
		must(r, err)
		defer os.RemoveAll(dir)
		plant(r, dir, dockerIgnore, 3)
		text, err := os.ReadFile(filepath.Join(dir, dockerIgnore))
		must(r, err)
		rules, err := ignorefile.ReadAll(strings.NewReader(string(text)))
		must(r, err)
		all := paths(r, dir)
		slices.Reverse(all) // what is inside before its folder
		var want []string
		for _, path := range all {
			out, err := dockerIgnores(rules, path)
			if err != nil {
				if _, packs := Pack(t.Context(), dir, Options{}); packs == nil || !strings.Contains(packs.Error(), dockerIgnore) {
					r.Fatalf("%q: error %v, want %v", rules, packs, err)
				}
				return
			}
			kept := slices.ContainsFunc(want, func(inside string) bool { return strings.HasPrefix(inside, path+"/") })
			if !out || kept {
				want = append(want, path)
			}
		}
		slices.Sort(want)
		if diff := cmp.Diff(want, packedPaths(r, dir, Options{}), cmpopts.EquateEmpty()); diff != "" {
			r.Fatalf("%q: what is packed is not what Docker does not ignore (-docker +packed):\n%s", rules, diff)
		}
	})
}
