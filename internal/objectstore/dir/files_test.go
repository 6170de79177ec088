package dir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"plan/internal/objectstore"
)

func put(t *testing.T, s *Store, key, body string) error {
	t.Helper()
	o := objectstore.PutOptions{Metadata: map[string]string{"is": body}, IfAbsent: false}
	return s.Put(t.Context(), key, strings.NewReader(body), int64(len(body)), o)
}

func list(t *testing.T, s *Store) (keys []string, err error) {
	t.Helper()
	for o, err := range s.List(t.Context(), "", objectstore.ListOptions{}) {
		if err != nil {
			return keys, err
		}
		keys = append(keys, o.Key)
	}
	return keys, nil
}

func TestADirectoryThatIsNotThereIsEmpty(t *testing.T) {
	s := open(t)
	keys, err := list(t, s)
	if err != nil || len(keys) != 0 {
		t.Errorf("list: %q, error %v", keys, err)
	}
	if _, err := s.Head(t.Context(), "k"); !errors.Is(err, objectstore.ErrNotFound) {
		t.Errorf("head: %v", err)
	}
	if err := s.Delete(t.Context(), []string{"k"}); err != nil {
		t.Errorf("delete: %v", err)
	}
	if _, err := os.Lstat(s.path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory was made: %v", err)
	}
}

func TestAFileIsNoStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	_, listErr := list(t, s)
	_, headErr := s.Head(t.Context(), "k")
	for what, err := range map[string]error{"list": listErr, "head": headErr, "put": put(t, s, "k", "x"), "delete": s.Delete(t.Context(), []string{"k"})} {
		if !errors.Is(err, objectstore.ErrNoBucket) {
			t.Errorf("%s: %v, want ErrNoBucket", what, err)
		}
	}
}

func TestKeysStayInside(t *testing.T) {
	s := open(t)
	if err := put(t, s, "a/b", "x"); err != nil {
		t.Fatal(err)
	}
	outside := t.TempDir()
	if err := os.WriteFile(outside+"/victim", []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Symlink(outside, s.path+"/out"), os.Symlink(outside+"/victim", s.path+"/link")); err != nil {
		t.Fatal(err)
	}
	bad := []string{"../x", "a/../../x", "/etc/passwd", "a//b", "a/", "./a", ".plan-meta/lock", ".plan-meta", strings.Repeat("x", 256), "a/b/c", "a"}
	for _, key := range bad {
		if err := put(t, s, key, "y"); !errors.Is(err, objectstore.ErrInvalid) {
			t.Errorf("put %.20q: %v, want ErrInvalid", key, err)
		}
	}
	for _, key := range []string{"out/victim", "out/new", "link"} {
		_, headErr := s.Head(t.Context(), key)
		_, _, getErr := s.Get(t.Context(), key, 0, -1)
		if headErr == nil || getErr == nil {
			t.Errorf("%s: head %v, get %v; want errors", key, headErr, getErr)
		}
		_ = s.Delete(t.Context(), []string{key})
	}
	if err := put(t, s, "out/new", "y"); err == nil {
		t.Error("put through a link")
	}
	if data, err := os.ReadFile(outside + "/victim"); err != nil || string(data) != "precious" {
		t.Errorf("victim: %q, error %v", data, err)
	}
	if keys, err := list(t, s); err != nil || len(keys) != 1 || keys[0] != "a/b" {
		t.Errorf("list: %q, error %v", keys, err)
	}
}

func TestFilesAreTheOwnersAlone(t *testing.T) {
	s := open(t)
	if err := put(t, s, "a/b/c", "x"); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(s.path, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err == nil && fi.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: mode %v", path, fi.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(filepath.Join(s.path, tmpDir)); err != nil || len(left) != 0 {
		t.Errorf("temporary files: %v, error %v", left, err)
	}
}

// TestCrashBetweenMetadataAndName: what a crash at each point of a Put leaves.
func TestCrashBetweenMetadataAndName(t *testing.T) {
	s := open(t)
	if err := put(t, s, "k", "old"); err != nil {
		t.Fatal(err)
	}
	root, err := s.create()
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	old, err := readVersions(root, "k")
	if err != nil || len(old) != 1 {
		t.Fatalf("%+v, error %v", old, err)
	}
	next := version{SHA256: "of something else", Metadata: map[string]string{"is": "new"}}
	if err := writeVersions(root, "k", append(old, next)); err != nil {
		t.Fatal(err)
	}
	if info, err := s.Head(t.Context(), "k"); err != nil || info.Metadata["is"] != "old" {
		t.Errorf("before the name: %+v, error %v; want the old metadata", info, err)
	}
	if err := writeVersions(root, "orphan", []version{next}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Head(t.Context(), "orphan"); !errors.Is(err, objectstore.ErrNotFound) {
		t.Errorf("metadata without object: %v, want ErrNotFound", err)
	}
	for _, key := range []string{"k", "orphan"} {
		if err := put(t, s, key, "third"); err != nil {
			t.Fatal(err)
		}
		versions, err := readVersions(root, key)
		if err != nil || len(versions) != 1 || versions[0].Metadata["is"] != "third" {
			t.Errorf("%s after the next put: %+v, error %v", key, versions, err)
		}
	}
}

func TestLeftoversOfADayAreSwept(t *testing.T) {
	s := open(t)
	if err := put(t, s, "k", "x"); err != nil {
		t.Fatal(err)
	}
	tmp := filepath.Join(s.path, tmpDir)
	for name, age := range map[string]time.Duration{"old": 25 * time.Hour, "young": time.Hour} {
		then := time.Now().Add(-age)
		if err := errors.Join(os.WriteFile(tmp+"/"+name, nil, 0o600), os.Chtimes(tmp+"/"+name, then, then)); err != nil {
			t.Fatal(err)
		}
	}
	if err := put(t, s, "k", "y"); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) != 1 || left[0].Name() != "young" {
		t.Errorf("left %v, error %v", left, err)
	}
}

func TestForeignFilesAreObjectsWithoutMetadata(t *testing.T) {
	s := open(t)
	if err := errors.Join(os.MkdirAll(s.path+"/a", 0o700), os.WriteFile(s.path+"/a/b", []byte("xyz"), 0o600)); err != nil {
		t.Fatal(err)
	}
	info, err := s.Head(t.Context(), "a/b")
	if err != nil || info.Size != 3 || info.Metadata == nil || len(info.Metadata) != 0 {
		t.Errorf("%+v, error %v", info, err)
	}
}
