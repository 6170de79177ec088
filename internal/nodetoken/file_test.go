package nodetoken

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func filePlace(t *testing.T, dir, source string) Place {
	t.Helper()
	return mustOpen(t, To{File: &File{Path: fileName}}, Options{Dir: dir, Source: source})
}

func TestAFileIsNeverWrittenThroughALink(t *testing.T) {
	older, token := tokens(t)
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "precious")
	for _, slot := range []string{"", older.Hash()} {
		if err := os.WriteFile(outside, []byte("precious"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(outside, filepath.Join(dir, slotName(fileName, slot))); err != nil {
			t.Fatal(err)
		}
		if _, err := keep(t.Context(), filePlace(t, dir, ""), token, -1); err == nil || !strings.Contains(err.Error(), "symbolic link") {
			t.Errorf("slot %q: %v", slot, err)
		}
		if text, err := os.ReadFile(outside); string(text) != "precious" || err != nil {
			t.Errorf("slot %q: %q, %v", slot, text, err)
		}
		if err := os.Remove(filepath.Join(dir, fileName)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, fileName), []byte(older.Reveal()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTheServersOwnFileIsNoCopy, whether it has the token that is to be kept or another, and under whatever name.
func TestTheServersOwnFileIsNoCopy(t *testing.T) {
	older, token := tokens(t)
	for name, has := range map[string]Token{"the same token": token, "another token": older} {
		dir, own := t.TempDir(), filepath.Join(t.TempDir(), "token")
		if err := errors.Join(os.WriteFile(own, []byte(has.Reveal()), 0o600), os.Link(own, filepath.Join(dir, fileName))); err != nil {
			t.Fatal(err)
		}
		for _, p := range []Place{filePlace(t, dir, own), mustOpen(t, To{File: &File{Path: own}}, Options{Source: own})} {
			if _, err := keep(t.Context(), p, token, -1); !errors.Is(err, ErrSource) {
				t.Errorf("%s, %s: %v", name, p.Target(""), err)
			}
		}
		if text, err := os.ReadFile(own); string(text) != has.Reveal() || err != nil {
			t.Errorf("%s: the server's file was written over, %v", name, err)
		}
	}
}

func TestAFolderThatIsNotMountedIsNotMade(t *testing.T) {
	_, token := tokens(t)
	dir := filepath.Join(t.TempDir(), "disk")
	if _, err := keep(t.Context(), filePlace(t, dir, ""), token, -1); !errors.Is(err, ErrNoFolder) {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("the folder was made")
	}
}

// TestWhatAKilledRunLeftGoesAway, but not what another run may be writing now.
func TestWhatAKilledRunLeftGoesAway(t *testing.T) {
	_, token := tokens(t)
	dir := t.TempDir()
	left, now, other := filepath.Join(dir, "."+fileName+".plan-A"), filepath.Join(dir, "."+fileName+".plan-B"), filepath.Join(dir, ".other.plan-A")
	for _, name := range []string{left, now, other} {
		if err := os.WriteFile(name, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	old := time.Now().Add(-2 * time.Hour)
	for _, name := range []string{left, other} {
		if err := os.Chtimes(name, old, old); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := keep(t.Context(), filePlace(t, dir, ""), token, -1); err != nil {
		t.Fatal(err)
	}
	var names []string
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if diff := cmp.Diff([]string{filepath.Base(now), filepath.Base(other), fileName}, names); diff != "" {
		t.Error(diff)
	}
}

func TestAFileIsForItsOwnerOnly(t *testing.T) {
	older, token := tokens(t)
	dir := t.TempDir()
	own := filepath.Join(dir, fileName)
	if err := os.WriteFile(own, []byte(older.Reveal()), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := keep(t.Context(), filePlace(t, dir, ""), token, -1); err != nil {
		t.Fatal(err)
	}
	for _, slot := range []string{"", older.Hash()} {
		if info, err := os.Stat(filepath.Join(dir, slotName(fileName, slot))); err != nil || info.Mode() != 0o600 {
			t.Errorf("slot %q: %v, %v", slot, info.Mode(), err)
		}
	}
}
