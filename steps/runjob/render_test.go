package runjob_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"plan/steps"
)

// kubectlHolds is what all annotations of an object may have together; `kubectl apply` puts the whole object into one.
const kubectlHolds = 256 << 10

// TestASourceIsCutSoThatKubectlTakesIt, and comes to the pod whole, however many parts it has. What a run sends is cut as it was.
func TestASourceIsCutSoThatKubectlTakesIt(t *testing.T) {
	for _, tc := range []struct{ size, runnable, sent int }{{1 << 10, 1, 1}, {1 << 20, 7, 2}, {2 << 20, 13, 3}} {
		t.Run(fmt.Sprint(tc.size), func(t *testing.T) {
			w := world(t)
			noise := make([]byte, tc.size)
			rand.NewChaCha8([32]byte{byte(tc.runnable)}).Read(noise)
			if err := os.WriteFile(filepath.Join(w.Env.Dir, "report/noise"), noise, 0o644); err != nil {
				t.Fatal(err)
			}
			scope := w.Env.Scope
			sent := ofSource(t, scope, tc.sent)
			scope.Runnable = true
			cut := ofSource(t, scope, tc.runnable)
			for _, m := range cut.maps {
				if data, err := json.Marshal(m); err != nil || len(data) > kubectlHolds {
					t.Errorf("%s has %d bytes, %v", m.Name, len(data), err)
				}
			}
			if !bytes.Equal(cut.archive, sent.archive) || !bytes.Equal(unpacked(t, cut.archive)["noise"], noise) {
				t.Error("the archive is another one")
			}
		})
	}
}

// carriedSource is a source as the init container gets it.
type carriedSource struct {
	maps    []*corev1.ConfigMap
	archive []byte
}

// ofSource renders and does as the kubelet and the shell do: the files of all projected ConfigMaps in one folder, part-* in the order of their names.
func ofSource(t *testing.T, scope steps.Scope, want int) (c carriedSource) {
	t.Helper()
	objects, err := action(t, with(nil)).Render(scope)
	if err != nil {
		t.Fatal(err)
	}
	var pod corev1.PodSpec
	byName := map[string]*corev1.ConfigMap{}
	for _, o := range objects {
		switch o := o.(type) {
		case *corev1.ConfigMap:
			c.maps, byName[o.Name] = append(c.maps, o), o
		case *batchv1.Job:
			pod = o.Spec.Template.Spec
		}
	}
	at := slices.IndexFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == "plan-source" })
	files := map[string][]byte{}
	for _, source := range pod.Volumes[at].Projected.Sources {
		maps.Copy(files, byName[source.ConfigMap.Name].BinaryData)
	}
	if len(c.maps) != want || len(byName) != want || len(files) != want {
		t.Fatalf("%d ConfigMaps of %d names give %d parts, want %d", len(c.maps), len(byName), len(files), want)
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if !strings.HasPrefix(name, "part-") {
			t.Errorf("the shell does not find %s", name)
		}
		c.archive = append(c.archive, files[name]...)
	}
	return c
}

// unpacked are the files of an archive.
func unpacked(t *testing.T, archive []byte) map[string][]byte {
	t.Helper()
	plain, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for r := tar.NewReader(plain); ; {
		header, err := r.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[header.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}
