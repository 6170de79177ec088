package builder

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"
)

// TestLookingBuildsNothing: it asks for the builder, and for the files, and that is all.
func TestLookingBuildsNothing(t *testing.T) {
	m := newMachine(t)
	dockerfile, _ := source(t)
	if _, err := Look(t.Context(), Options{Dockerfile: dockerfile, Push: repo}); !errors.Is(err, ErrNoBuilder) {
		t.Errorf("without a builder: %v", err)
	}
	m.has(Podman, rule{On: "info", Out: "4.3.1\n"})
	if got, err := Look(t.Context(), Options{Dockerfile: dockerfile, Push: repo}); err != nil || got != "podman 4.3.1" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := Look(t.Context(), Options{Dockerfile: filepath.Join(t.TempDir(), "Dockerfile"), Push: repo}); err == nil {
		t.Error("a Dockerfile that is not there will do")
	}
	if got := m.calls(); !slices.Equal(got, []string{"podman info --format {{.Version.Version}}"}) {
		t.Errorf("%q", got)
	}
}
