package source

import (
	"archive/tar"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// files says what is in a directory: text of a file, "-> target" of a link, and nothing of a folder, whose name ends with a slash.
type files map[string]string

// make creates the files below dir, with the folders they need.
func (f files) make(t rapid.TB, dir string) string {
	t.Helper()
	for name, text := range f {
		at := filepath.Join(dir, name)
		if strings.HasSuffix(name, "/") {
			must(t, os.MkdirAll(at, 0o755))
			continue
		}
		must(t, os.MkdirAll(filepath.Dir(at), 0o755))
		if target, ok := strings.CutPrefix(text, "-> "); ok {
			must(t, os.Symlink(target, at))
			continue
		}
		must(t, os.WriteFile(at, []byte(text), 0o644))
	}
	return dir
}

func packed(t testing.TB, dir string, o Options) *Archive {
	t.Helper()
	a, err := Pack(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

// contents are the entries of an archive, as files has them, each with its mode before it.
func contents(t testing.TB, a *Archive) map[string]string {
	t.Helper()
	r, err := a.Open()
	must(t, err)
	defer r.Close()
	zip, err := gzip.NewReader(r)
	must(t, err)
	in := tar.NewReader(zip)
	out := map[string]string{}
	for {
		h, err := in.Next()
		if err == io.EOF {
			return out
		}
		must(t, err)
		data, err := io.ReadAll(in)
		must(t, err)
		if h.Uid != 0 || h.Gid != 0 || h.Uname+h.Gname != "" || !h.ModTime.Equal(stamp()) || h.Format != tar.FormatGNU {
			t.Errorf("%q: header %+v", h.Name, h)
		}
		if _, twice := out[h.Name]; twice || !filepath.IsLocal(h.Name) {
			t.Errorf("%q is there twice, or leads out", h.Name)
		}
		text := string(data)
		if h.Typeflag == tar.TypeSymlink {
			text = "-> " + h.Linkname
		}
		out[h.Name] = fmt.Sprintf("%o %s", h.Mode, text)
	}
}

// unpacked is what GNU tar makes of an archive, in the form of contents.
func unpacked(t testing.TB, a *Archive) map[string]string {
	t.Helper()
	r, err := a.Open()
	must(t, err)
	defer r.Close()
	dir := t.TempDir()
	cmd := exec.Command("tar", "-xzf", "-", "-C", dir)
	cmd.Stdin = r
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("tar: %v\n%s", err, out)
	}
	return onDisk(t, dir)
}

// onDisk is a directory in the form of contents.
func onDisk(t testing.TB, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		info, err := d.Info()
		must(t, err)
		name := path[len(dir)+1:]
		switch {
		case d.IsDir():
			out[name+"/"] = fmt.Sprintf("%o ", info.Mode().Perm())
		case d.Type() == fs.ModeSymlink:
			target, err := os.Readlink(path)
			must(t, err)
			out[name] = "777 -> " + target
		default:
			data, err := os.ReadFile(path)
			must(t, err)
			out[name] = fmt.Sprintf("%o %s", info.Mode().Perm(), data)
		}
		return nil
	}))
	return out
}
