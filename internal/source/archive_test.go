package source

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// odd are names that an archive has to survive.
func odd() files {
	return files{
		"-rf": "a", "--checkpoint-action=exec=true": "b", "..a": "c", "a..": "d", "...": "e", "line\nbreak": "f", "\x1b[31mred\x1b[0m": "g", "caf\u00e9/\u65e5\u672c": "h",
		"not utf-8 \xff\xfe": "i", " ": "j", "a b ": "k", `back\slash`: "l", "*": "m", "C:": "n", "$(reboot)": "o", "quote'\"": "p", "\u202eltr": "q", "~": "r",
		strings.Repeat("n", 255):                                       "255 bytes",
		strings.Repeat("d", 99) + "/" + strings.Repeat("f", 200):       "more than a header holds",
		strings.Repeat("\u00e9", 120) + "/" + strings.Repeat("x", 101): "the same in UTF-8",
		"empty": "", "folder/": "", "folder/in/folder/": "", "link": "-> folder/in", "a/link": "-> ../a..", "long": "-> " + strings.Repeat("l", 255), "a/self": "-> .", "a/up": "-> ..",
		"loop": "-> loop", "dangling": "-> not/there/yet", "hop": "-> a/up/folder/in/folder",
	}
}

func TestOddNamesLinksAndEmptyFoldersSurvive(t *testing.T) {
	dir := odd().make(t, t.TempDir())
	must(t, os.Chmod(filepath.Join(dir, "-rf"), 0o4710)) // executable by anybody: 0755, and setuid goes
	must(t, os.Chmod(filepath.Join(dir, "empty"), 0o600))
	must(t, os.Chmod(filepath.Join(dir, "folder"), 0o1770))
	must(t, os.Link(filepath.Join(dir, "-rf"), filepath.Join(dir, "hard link")))
	a := packed(t, dir, Options{})
	want := onDisk(t, dir)
	want["-rf"], want["hard link"], want["empty"], want["folder/"] = "755 a", "755 a", "644 ", "755 "
	if diff := cmp.Diff(want, contents(t, a)); diff != "" {
		t.Errorf("archive (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, unpacked(t, a)); diff != "" {
		t.Errorf("GNU tar (-want +got):\n%s", diff)
	}
	folders := 0
	for name := range want {
		if strings.HasSuffix(name, "/") {
			folders++
		}
	}
	if a.Files != len(want)-folders || a.Startup {
		t.Errorf("%d files of %d, startup %v", a.Files, len(want)-folders, a.Startup)
	}
}

func TestAbsoluteLinksIntoTheDirectoryBecomeRelative(t *testing.T) {
	real := t.TempDir()
	alias := filepath.Join(t.TempDir(), "alias")
	must(t, os.Symlink(real, alias))
	files{"d/e/f": "", "d/a": "-> " + real + "/d/e/f", "b": "-> " + alias + "/d", "d/e/c": "-> " + real, "x": "-> " + real + "/", "chain": "-> d/a"}.make(t, real)
	want := map[string]string{"d/": "755 ", "d/e/": "755 ", "d/e/f": "644 ", "d/a": "777 -> ./../d/e/f", "b": "777 -> ./d", "d/e/c": "777 -> ./../../", "x": "777 -> ./", "chain": "777 -> d/a"}
	if diff := cmp.Diff(want, contents(t, packed(t, alias, Options{}))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDotSlashPacksTheGivenDirectory(t *testing.T) {
	dir := files{"mine": "", "sub/x": ""}.make(t, t.TempDir())
	whole := packed(t, dir, Options{})
	t.Chdir(dir)
	for _, name := range []string{"./", ".", "sub/..", "sub/../"} {
		if a := packed(t, name, Options{}); a.Digest != whole.Digest || len(contents(t, a)) != 3 {
			t.Errorf("%s: %v", name, contents(t, a))
		}
	}
	t.Chdir("sub")
	if got := contents(t, packed(t, "./", Options{})); len(got) != 1 || got["x"] == "" {
		t.Errorf("./ in sub: %v", got)
	}
}

func TestStartupScriptIsNoticedAtTheRootOnly(t *testing.T) {
	if dir := (files{Startup: ""}).make(t, t.TempDir()); !packed(t, dir, Options{}).Startup {
		t.Error("not noticed")
	}
	if dir := (files{"d/" + Startup: "", "e/x": ""}).make(t, t.TempDir()); packed(t, dir, Options{}).Startup {
		t.Error("noticed below the root")
	}
	if dir := (files{Startup + "/x": ""}).make(t, t.TempDir()); packed(t, dir, Options{}).Startup {
		t.Error("a folder is no script")
	}
}

func TestDigestIsTheOneOfEarlierVersions(t *testing.T) {
	const want = "sha256:4c6678793c9a0a0d96f76d95165763f5653a31b2919cf8fac622677e8c42c8ab" // of another, all that compares digests takes every directory for changed
	dir := files{"a": "text", "d/b": "more", "d/e/": "", "l": "-> d/b", "d-e": "", strings.Repeat("n", 150): ""}.make(t, t.TempDir())
	must(t, os.Chmod(filepath.Join(dir, "a"), 0o700))
	if a := packed(t, dir, Options{}); a.Digest != want || a.Unpacked != 8 || a.Files != 5 {
		t.Errorf("%s, %d bytes, %d files", a.Digest, a.Unpacked, a.Files)
	}
}

// The second directory lies elsewhere, was made in another order, by another umask, at another time.
func TestTheSameFilesGiveTheSameBytes(t *testing.T) {
	parents := [2]string{t.TempDir(), t.TempDir()}
	defer syscall.Umask(syscall.Umask(0))
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	rapid.Check(t, func(r *rapid.T) {
		name := rapid.StringMatching(`[ab\-/.]{0,4}[a-c]`).Filter(filepath.IsLocal)
		text := rapid.OneOf(rapid.StringN(0, 50, -1), rapid.Just(strings.Repeat("0123456789", 70_000)), rapid.Just("-> a"))
		content := rapid.MapOfN(name, text, 0, 6).Draw(r, "files")
		want := map[string]string{}
		for name, text := range content { // one cannot be the other's folder
			if clean := filepath.Clean(name); !strings.HasPrefix(clean, "..") {
				want[clean] = text
			}
		}
		for name := range want {
			for folder := filepath.Dir(name); folder != "."; folder = filepath.Dir(folder) {
				delete(want, folder)
			}
		}
		var archives [2]*Archive
		for i, parent := range parents {
			syscall.Umask([]int{0o022, 0o077}[i])
			runtime.GOMAXPROCS(1 + 3*i)
			dir, err := os.MkdirTemp(parent, "")
			must(r, err)
			defer os.RemoveAll(dir)
			files(want).make(r, dir)
			if i == 1 {
				for name := range want {
					must(r, os.Chtimes(filepath.Dir(filepath.Join(dir, name)), time.Time{}, time.Unix(int64(i), 0)))
				}
			}
			archives[i], err = Pack(t.Context(), dir, Options{})
			must(r, err)
			defer archives[i].Close()
		}
		if a, b := archives[0], archives[1]; a.Digest != b.Digest || a.Compressed != b.Compressed || a.Size != b.Size {
			r.Fatalf("digests %s and %s, compressed %s and %s", a.Digest, b.Digest, a.Compressed, b.Compressed)
		}
	})
}

// random makes a file that cannot be compressed.
func random(t testing.TB, name string, size int64) {
	t.Helper()
	f, err := os.Create(name)
	must(t, err)
	defer f.Close()
	_, err = io.CopyN(f, rand.NewChaCha8([32]byte{}), size)
	must(t, err)
}

func TestPartsMakeTheWholeHoweverLarge(t *testing.T) {
	for name, size := range map[string]int64{"in memory": 100_000, "in a file": 12 << 20} {
		t.Run(name, func(t *testing.T) {
			dir, temp := t.TempDir(), t.TempDir()
			random(t, filepath.Join(dir, "data"), size)
			a := packed(t, dir, Options{Temp: temp})
			if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
				t.Errorf("a killed process would leave %v, %v", left, err)
			}
			for range 2 {
				if got := contents(t, a)["data"]; int64(len(got)) != size+int64(len("644 ")) {
					t.Errorf("read back %d bytes", len(got))
				}
			}
			r, err := a.Open()
			must(t, err)
			whole, err := io.ReadAll(r)
			must(t, err)
			if int64(len(whole)) != a.Size {
				t.Errorf("%d bytes, said %d", len(whole), a.Size)
			}
			for _, size := range []int{900 << 10, 160<<10 + 1, int(a.Size), int(a.Size) - 1, 1 << 30} {
				var joined []byte
				for part, err := range a.Parts(size) {
					must(t, err)
					if len(part) > size || len(part) == 0 || len(joined)%size != 0 {
						t.Fatalf("a part of %d bytes at %d, size %d", len(part), len(joined), size)
					}
					joined = append(joined, part...)
				}
				if !bytes.Equal(joined, whole) {
					t.Errorf("parts of %d are not the whole", size)
				}
			}
		})
	}
}

func TestPartsNeedASizeAndMayBeLeft(t *testing.T) {
	a := packed(t, files{"a": ""}.make(t, t.TempDir()), Options{})
	for _, err := range a.Parts(0) {
		if err == nil {
			t.Error("no error")
		}
	}
	for range a.Parts(1) {
		break
	}
	must(t, a.Close())
	must(t, a.Close())
}

func TestCancelledPackingEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Pack(ctx, files{"a": ""}.make(t, t.TempDir()), Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
