package gobuild

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var date = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func TestAnArchiveIsAFunctionOfNamesAndContents(t *testing.T) {
	folder := t.TempDir()
	var archives [][]byte
	for i, order := range [][]int{{0, 1}, {1, 0}} {
		files := []File{{}, {}, {Name: "plan/", Mode: 0o1777}}
		for at, n := range order {
			path := filepath.Join(folder, fmt.Sprint(i, n))
			if err := os.WriteFile(path, fmt.Appendf(nil, "content %d", n), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(path, time.Time{}, date.AddDate(i+1, 0, 0)); err != nil {
				t.Fatal(err)
			}
			files[at] = File{Name: fmt.Sprintf("plan/%d", n), Path: path, Mode: 0o755}
		}
		path := filepath.Join(folder, fmt.Sprintf("%d.tar.gz", i))
		if err := WriteArchive(path, date, files); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		archives = append(archives, data)
	}
	if !bytes.Equal(archives[0], archives[1]) {
		t.Error("the archives differ")
	}
	z, err := gzip.NewReader(bytes.NewReader(archives[0]))
	if err != nil {
		t.Fatal(err)
	}
	if z.Name != "" || !z.ModTime.IsZero() {
		t.Errorf("gzip tells name %q and time %s", z.Name, z.ModTime)
	}
	tr := tar.NewReader(z)
	for n, want := range []File{{Name: "plan/", Mode: 0o1777}, {Name: "plan/0", Mode: 0o755}, {Name: "plan/1", Mode: 0o755}} {
		h, err := tr.Next()
		if err != nil {
			t.Fatal(err)
		}
		if isFolder := h.Typeflag == tar.TypeDir; isFolder != (n == 0) {
			t.Errorf("%s is of type %q", h.Name, h.Typeflag)
		}
		got := []any{h.Name, h.Mode, h.Uid, h.Gid, h.Uname, h.Gname, h.ModTime.UTC()}
		if diff := cmp.Diff([]any{want.Name, want.Mode, 0, 0, "", "", date}, got); diff != "" {
			t.Errorf("header (-want +got):\n%s", diff)
		}
	}
}
