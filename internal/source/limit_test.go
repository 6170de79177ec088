package source

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

func tooLarge(t *testing.T, err error) *LimitError {
	t.Helper()
	var l *LimitError
	if !errors.As(err, &l) {
		t.Fatalf("error %v", err)
	}
	return l
}

func TestSizeIsCheckedWhilePacking(t *testing.T) {
	dir, temp := files{"small": "x", "d/e/f/": ""}.make(t, t.TempDir()), t.TempDir()
	random(t, filepath.Join(dir, "d/e/f/data"), 20<<20)
	random(t, filepath.Join(dir, "d/e/f/more"), 1<<20)
	var err error
	synctest.Test(t, func(t *testing.T) { // ends only when nothing goes on in the background
		_, err = Pack(t.Context(), dir, Options{MaxSize: 1 << 20, Temp: temp})
	})
	l := tooLarge(t, err)
	if l.Unit != Compressed || l.Size <= l.Limit || l.Limit != 1<<20 || l.Packed >= l.Total || l.Total != 21<<20+1 {
		t.Errorf("%+v", l)
	}
	if diff := cmp.Diff([]Room{{"d/e/f/data", 20 << 20}, {"d/e/f/more", 1 << 20}}, l.Most); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, want := range []string{dir, "of 21 MiB", "the limit is 1 MiB", "d/e/f/data (20 MiB)", "exclude", planIgnore} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	a := packed(t, dir, Options{Exclude: []string{"d"}})
	if b, err := Pack(t.Context(), dir, Options{Exclude: []string{"d"}, MaxSize: a.Size}); err != nil || b.Close() != nil {
		t.Errorf("exactly as large as allowed: %v", err)
	}
	_, err = Pack(t.Context(), dir, Options{Exclude: []string{"d"}, MaxSize: a.Size - 1})
	if l := tooLarge(t, err); l.Size != a.Size {
		t.Errorf("%d bytes, want %d: %v", l.Size, a.Size, err)
	}
}

func TestTooManyEntriesAndBytesAreNamedBeforeAnythingIsRead(t *testing.T) {
	dir := files{"a": "12345", "node_modules/x/1": "1", "node_modules/x/2": "", "node_modules/y/3": "", "node_modules/y/4/": ""}.make(t, t.TempDir())
	must(t, os.Chmod(filepath.Join(dir, "a"), 0))
	pack := func(l limits, o Options) error {
		a, err := pack(t.Context(), dir, o, l)
		if err == nil {
			must(t, a.Close())
		}
		return err
	}
	l := tooLarge(t, pack(limits{entries: 7, unpacked: 100}, Options{}))
	if l.Unit != Entries || l.Size != 8 || l.Limit != 7 || !strings.Contains(l.Error(), "at least 8 files and folders; the limit is 7. Most room is taken by node_modules (7), a (1)") {
		t.Errorf("%v", l)
	}
	l = tooLarge(t, pack(limits{entries: 8, unpacked: 5}, Options{}))
	if l.Unit != Unpacked || l.Size != 6 || l.Limit != 5 || l.Most[0].Path != "a" {
		t.Errorf("%v", l)
	}
	must(t, os.Chmod(filepath.Join(dir, "a"), 0o644))
	if err := pack(limits{entries: 8, unpacked: 6}, Options{}); err != nil {
		t.Errorf("exactly as large as allowed: %v", err)
	}
	if err := pack(limits{entries: 1, unpacked: 5}, Options{Exclude: []string{"node_modules"}}); err != nil {
		t.Errorf("what is left out does not count: %v", err)
	}
}

func TestOnlyTheFirstOfManyIgnoredFilesAreListed(t *testing.T) {
	dir := files{gitIgnore: "*.o\n", ".env": ""}.make(t, t.TempDir())
	const n = maxLeft + 50
	for i := range n {
		must(t, os.WriteFile(filepath.Join(dir, strings.Repeat("x", i%50)+string(rune('a'+i/50))+".o"), nil, 0o644))
	}
	a := packed(t, dir, Options{})
	if len(a.Left)+a.LeftMore != n+1 || a.Left[0].Path != ".env" || len(a.Left) > maxLeft+1 {
		t.Errorf("%d left out, %d more, the first is %v", len(a.Left), a.LeftMore, a.Left[0])
	}
}

func TestPatternsThatMatchNothingAreRefused(t *testing.T) {
	for pattern, want := range map[string]string{
		"": "empty", "# x": "comment", "   ": "empty", "./data": "write data", "../x": "out of the directory", "..": "out of", "[a": "match nothing",
		`a\`: "match nothing", "/": "match nothing", ".": "match nothing", "!": "match nothing", "a\nb": "one pattern", strings.Repeat("a", 5000): "4096",
	} {
		for field, o := range map[string]Options{"include": {Include: []string{"ok", pattern}}, "exclude": {Exclude: []string{pattern}}} {
			err := o.Validate()
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), field) {
				t.Errorf("%s %q: error %v, want %q", field, pattern, err, want)
			}
			if _, err := Pack(t.Context(), t.TempDir(), o); err == nil {
				t.Errorf("%s %q: packed", field, pattern)
			}
		}
	}
	if err := (Options{Include: []string{"a", "/b/", "c/**/d", "!e", `\#f`, "*", "**"}, Exclude: []string{"[a-z]*"}}).Validate(); err != nil {
		t.Error(err)
	}
}

func TestIgnoreFilesThatCannotBeReadAreErrors(t *testing.T) {
	for name, c := range map[string]struct {
		files files
		want  string
	}{
		"too large":         {files{"d/.gitignore": strings.Repeat("a\n", maxIgnoreFile)}, "read d/.gitignore: it is larger than 256 KiB"},
		"a line too long":   {files{planIgnore: "a\n" + strings.Repeat("b", 5000)}, ".planignore:2: the pattern is longer"},
		"not Docker's":      {files{dockerIgnore: "[a"}, "read .dockerignore: syntax error"},
		"a link out of it":  {files{planIgnore: "-> /etc/passwd"}, "read .planignore: path escapes"},
		"a docker link out": {files{dockerIgnore: "-> ../x"}, "read .dockerignore: path escapes"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Pack(t.Context(), c.files.make(t, t.TempDir()), Options{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}
