package dir

import (
	"testing"

	"plan/internal/objectstore"
	"plan/internal/objectstore/storetest"
)

func open(t *testing.T) *Store {
	t.Helper()
	s, err := New(Config{Path: t.TempDir() + "/backups"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) {
	storetest.Run(t, 20, func(t *testing.T) objectstore.Store { return open(t) })
}
