package registry

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// artifact is something in a registry that is no image.
func artifact(t *testing.T) v1.Image {
	t.Helper()
	return mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), "application/vnd.cncf.helm.config.v1+json")
}

func TestEntriesThatLeaveTheWorkspaceAreRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		entries []entry
		want    string
	}{
		"above":                 {[]entry{{name: "../x"}}, "not a path below"},
		"above in the middle":   {[]entry{{name: "a/../../x"}}, "not a path below"},
		"even if it comes back": {[]entry{{name: "a/../x"}}, "not a path below"},
		"absolute":              {[]entry{{name: "/etc/passwd"}}, "not a path below"},
		"nothing":               {[]entry{{name: "a//b"}}, "not a path below"},
		"link above":            {[]entry{{name: "l", kind: tar.TypeSymlink, link: "../x"}}, "link out"},
		"link far above":        {[]entry{{name: "a/l", kind: tar.TypeSymlink, link: "../../x"}}, "link out"},
		"link to the parent":    {[]entry{{name: "a/l", kind: tar.TypeSymlink, link: "../.."}}, "link out"},
		"absolute link":         {[]entry{{name: "l", kind: tar.TypeSymlink, link: "/etc"}}, "link out"},
		"link to the workspace": {[]entry{{name: "l", kind: tar.TypeSymlink, link: "/workspace/x"}}, "link out"},
		"link to nothing":       {[]entry{{name: "l", kind: tar.TypeSymlink}}, "link out"},
		"below a link":          {[]entry{{name: "a", kind: tar.TypeSymlink, link: "b"}, {name: "a/x"}}, "below a symbolic link"},
		"a link for a folder":   {[]entry{{name: "a", kind: tar.TypeDir}, {name: "a", kind: tar.TypeSymlink, link: "b"}}, "twice"},
		"a file for a folder":   {[]entry{{name: "a/x"}, {name: "a"}}, "twice"},
		"hard link":             {[]entry{{name: "x"}, {name: "y", kind: tar.TypeLink, link: "x"}}, "neither a file"},
		"device":                {[]entry{{name: "x", kind: tar.TypeChar}}, "neither a file"},
		"pipe":                  {[]entry{{name: "x", kind: tar.TypeFifo}}, "neither a file"},
		"deletes a file":        {[]entry{{name: "a/.wh.b"}}, "delete files"},
		"deletes a folder":      {[]entry{{name: "a/.wh..wh..opq"}}, "delete files"},
		"hostile name":          {[]entry{{name: "../\x1b[2J"}}, `../\x1b[2J`},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := newLayer(t.Context(), packed(t, tc.entries...), 1, 1)
			if err == nil {
				l.Close()
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\x1b") {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestBrokenArchivesAreErrors(t *testing.T) {
	good, err := packed(t, entry{name: "a", body: strings.Repeat("x", 5000)}, entry{name: "b", body: "y"})()
	if err != nil {
		t.Fatal(err)
	}
	whole, err := io.ReadAll(good)
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(whole)
	flipped[len(flipped)-6] ^= 1 // in the checksum
	for name, b := range map[string][]byte{"cut": whole[:len(whole)/2], "without its end": whole[:len(whole)-3], "no gzip": []byte("plain"), "nothing": nil, "other sum": flipped} {
		if l, err := newLayer(t.Context(), func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }, 1, 1); err == nil {
			l.Close()
			t.Errorf("%s: no error", name)
		}
	}
	lost := errors.New("disk gone")
	if _, err := newLayer(t.Context(), func() (io.ReadCloser, error) { return nil, lost }, 1, 1); !errors.Is(err, lost) {
		t.Errorf("got %v", err)
	}
}

func TestALayerLeavesNoFileBehindAndDoesNotDependOnTheMachine(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	noise := make([]byte, 5<<20)
	random := rand.NewChaCha8([32]byte{1})
	if _, err := random.Read(noise); err != nil {
		t.Fatal(err)
	}
	files := packed(t, entry{name: "a", body: string(noise)}, entry{name: "b", body: strings.Repeat("text ", 1<<20)})
	digests := map[v1.Hash]int{}
	for _, procs := range []int{1, 2, 4} {
		before := runtime.GOMAXPROCS(procs)
		l, err := newLayer(t.Context(), files, 1, 1)
		runtime.GOMAXPROCS(before)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		digests[l.digest]++
	}
	if len(digests) != 1 {
		t.Errorf("digests %v", digests)
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) != 0 {
		t.Errorf("left %v, %v", left, err)
	}
}
