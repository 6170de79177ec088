package source

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestWhatIsPacked(t *testing.T) {
	for name, c := range map[string]struct {
		files   files
		options Options
		want    []string // but for ignore files
		left    []string
		reason  string
	}{
		"nothing to ignore": {
			files{"a": "", "d/b": "", "e/": ""}, Options{}, []string{"a", "d", "d/b", "e"}, nil, "empty folders are kept"},
		"nested .gitignore": {
			files{".gitignore": "*.log\n/out/\n", "d/.gitignore": "!x.log\n", "d/x.log": "", "x.log": "", "out/a": "", "d/out/a": ""}, Options{},
			[]string{"d", "d/out", "d/out/a", "d/x.log"}, []string{"out/", "x.log"}, "what is deeper decides"},
		"git's exclude file": {
			files{".git/info/exclude": "a\n", "a": ""}, Options{}, []string{"a"}, []string{".git/"}, "belongs to one clone, not to the files"},
		".gitignore that is a link": {
			files{".gitignore": "-> rules", "rules": "a\n", "a": ""}, Options{}, []string{"a", "rules"}, nil, "git does not read it either"},
		".dockerignore": {
			files{".dockerignore": "b\n**/*.tmp\nd\n!d/keep\n", "b": "", "c/b": "", "c/x.tmp": "", "d/x": "", "d/keep/x": "", "d/e/x": ""}, Options{},
			[]string{"c", "c/b", "d", "d/keep", "d/keep/x"}, []string{"b", "c/x.tmp", "d/"}, "patterns count from the root, exceptions reach into ignored folders"},
		".dockerignore below": {
			files{"d/.dockerignore": "x\n", "d/x": ""}, Options{}, []string{"d", "d/x"}, nil, "only the root's counts, as for Docker"},
		".dockerignore that is a link": {
			files{".dockerignore": "-> .gitignore", ".gitignore": "a\n", "d/a": "", "a": ""}, Options{}, []string{"d"}, []string{"a", "d/a"}, "Docker follows it"},
		".planignore brings back": {
			files{".gitignore": "a\nb\n", ".dockerignore": "c\n", ".planignore": "!a\n!c\nd\n", "a": "", "b": "", "c": "", "d": ""}, Options{},
			[]string{"a", "c"}, []string{"b", "d"}, "and leaves out"},
		".planignore brings back folders": {
			files{".gitignore": "build\n*.o\n", ".dockerignore": "dist\n", ".planignore": "!build\n!dist/\n", "build/a": "", "build/b.o": "", "dist/a": ""}, Options{},
			[]string{"build", "build/a", "dist", "dist/a"}, []string{"build/b.o"}, "with what is not ignored for itself"},
		".planignore spells a path": {
			files{".gitignore": "build\n", ".planignore": "!build/x\n!*.md\n", "build/x/a": "", "build/b": "", "build/r.md": "", "build/y/z/a": ""}, Options{},
			[]string{"build", "build/x", "build/x/a"}, []string{"build/"}, "only a pattern that spells the folder leads into it"},
		".planignore against itself": {
			files{".planignore": "build\n!build/x\n", "build/x": ""}, Options{}, nil, []string{"build/"}, "as in git"},
		"nested .planignore": {
			files{".planignore": "*.csv\n", "d/.planignore": "!/x.csv\n", "d/.gitignore": "x.csv\n", "d/x.csv": "", "d/e/x.csv": ""}, Options{},
			[]string{"d", "d/e", "d/x.csv"}, []string{"d/e/x.csv"}, "the deeper one decides, and wins over .gitignore"},
		".planignore and the deny list": {
			files{".planignore": "!.env\n!*\n", ".env": ""}, Options{}, nil, []string{".env"}, "a secret goes only where the plan names it"},
		"include": {
			files{".gitignore": "*.bin\nbuild\n", ".planignore": "c\n", "a.bin": "", "b.bin": "", "c": "", "build/x": "", "build/y": ""},
			Options{Include: []string{"a.bin", "c", "build/x"}},
			[]string{"a.bin", "build", "build/x", "c"}, []string{"b.bin", "build/"}, "wins over all ignore files"},
		"include of a folder": {
			files{".gitignore": "build\n*.o\n", ".dockerignore": "build\n", "build/x/a.o": "", "build/.env": ""}, Options{Include: []string{"build/"}},
			[]string{"build", "build/x", "build/x/a.o"}, []string{"build/.env"}, "brings back all below, but what is on the deny list"},
		"include with stars": {
			files{".gitignore": "build\n", "build/x/a.o": "", "build/x/b": ""}, Options{Include: []string{"build/**/*.o"}},
			[]string{"build", "build/x", "build/x/a.o"}, []string{"build/"}, "finds what is deep inside"},
		"include that finds nothing": {
			files{".gitignore": "build\n", "build/x/b": ""}, Options{Include: []string{"build/**/*.o", "build/x/c"}}, nil, []string{"build/"}, "leaves no empty folders"},
		"include does not limit": {
			files{"a": "", "b": ""}, Options{Include: []string{"a"}}, []string{"a", "b"}, nil, "it only adds"},
		"include taken back": {
			files{".gitignore": "build\n*.x\n", "build/a": "", "build/b": "", "a.x": "", "b.x": ""}, Options{Include: []string{"build/*", "!build/b", "*.x", "!b.x"}},
			[]string{"a.x", "build", "build/a"}, []string{"b.x", "build/"}, "the last pattern decides"},
		"include of the deny list": {
			files{".env": "", ".git/config": "", ".ssh/known_hosts": "", ".ssh/id_rsa": "", ".kube/config": ""},
			Options{Include: []string{".env", ".git", ".ssh/*", ".kube"}},
			[]string{".env", ".git", ".git/config", ".kube", ".ssh", ".ssh/known_hosts"}, []string{".kube/config", ".ssh/", ".ssh/id_rsa"}, "only what a pattern names itself"},
		"include of everything": {
			files{".gitignore": "a\n", "a": "", ".env": "", "d/id_rsa": "", ".git/x": "", ".env.local/b": ""}, Options{Include: []string{"**", "*", "?*", "d/**"}},
			[]string{"a", "d"}, []string{".env", ".env.local/", ".git/", "d/id_rsa"}, "wildcards alone do not send secrets"},
		"exclude": {
			files{"a": "", "d/a": "", "d/b": "", "e/b": ""}, Options{Exclude: []string{"/a", "e/", "d/*", "!d/b"}, Include: []string{"a", "e/b"}},
			[]string{"d", "d/b"}, []string{"a", "d/a", "e/"}, "wins over include, and may have exceptions of its own"},
		"a checkout": {
			files{".gitignore": "a\n", ".dockerignore": "a\n", ".planignore": "b\n", "a": "", "b": "", ".env": "", "tls.key": "-----BEGIN PRIVATE KEY-----", ".git/config": "", "c": ""},
			Options{Everything: true, Exclude: []string{"c"}},
			[]string{".env", "a", "tls.key"}, []string{".git/", "b", "c"}, "what is committed goes, git's own data does not"},
		"links": {
			files{".gitignore": "d/\n", "d": "-> e", "e/a": ""}, Options{}, []string{"d", "e", "e/a"}, nil, "a link to a folder is no folder"},
		"bad links that are ignored": {
			files{".gitignore": "venv\n", "venv/python": "-> /usr/bin/python3", "a": ""}, Options{}, []string{"a"}, []string{"venv/"}, "harm nobody"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := c.files.make(t, t.TempDir())
			a := packed(t, dir, c.options)
			var got, left []string
			for _, path := range packedPaths(t, dir, c.options) {
				if base := filepath.Base(path); base != gitIgnore && base != dockerIgnore && base != planIgnore {
					got = append(got, path)
				}
			}
			for _, l := range a.Left {
				left = append(left, l.Path)
			}
			if diff := cmp.Diff(c.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s: packed (-want +got):\n%s", c.reason, diff)
			}
			if diff := cmp.Diff(c.left, left, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s: left out (-want +got):\n%s", c.reason, diff)
			}
		})
	}
}
