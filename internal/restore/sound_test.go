package restore

import (
	"testing"

	"plan/internal/backup"
	"plan/internal/objects"
)

func TestOnlyKindsAndVersionsOfTheAPIAreSound(t *testing.T) {
	for name, tt := range map[string]struct {
		id       objects.ID
		artefact backup.Artefact
		want     bool
	}{
		"volume":             {objects.ID{APIVersion: "v1", Kind: volumeKind, Name: "a.b:c"}, backup.PVs, true},
		"claim":              {objects.ID{APIVersion: "v1", Kind: claimKind, Namespace: "n", Name: "a"}, backup.PVs, true},
		"class":              {objects.ID{APIVersion: "storage.k8s.io/v1", Kind: "StorageClass", Name: "a"}, backup.PVs, true},
		"class to come":      {objects.ID{APIVersion: "storage.k8s.io/v2beta10", Kind: "StorageClass", Name: "a"}, backup.PVs, true},
		"node":               {objects.ID{APIVersion: "v1", Kind: nodeKind, Name: "a"}, backup.Nodes, true},
		"node among volumes": {objects.ID{APIVersion: "v1", Kind: nodeKind, Name: "a"}, backup.PVs, false},
		"path as version":    {objects.ID{APIVersion: "storage.k8s.io/v1/../../../api/v1", Kind: "StorageClass", Name: "a"}, backup.PVs, false},
		"query as version":   {objects.ID{APIVersion: "storage.k8s.io/v1?x", Kind: "StorageClass", Name: "a"}, backup.PVs, false},
		"no version":         {objects.ID{APIVersion: "storage.k8s.io/", Kind: "StorageClass", Name: "a"}, backup.PVs, false},
		"odd version":        {objects.ID{APIVersion: "v1#", Kind: volumeKind, Name: "a"}, backup.PVs, false},
		"version of a line":  {objects.ID{APIVersion: "v1\n", Kind: volumeKind, Name: "a"}, backup.PVs, false},
		"another group":      {objects.ID{APIVersion: "../v1", Kind: volumeKind, Name: "a"}, backup.PVs, false},
		"path as name":       {objects.ID{APIVersion: "v1", Kind: volumeKind, Name: "../nodes/a"}, backup.PVs, false},
		"up as name":         {objects.ID{APIVersion: "v1", Kind: volumeKind, Name: ".."}, backup.PVs, false},
		"escaped name":       {objects.ID{APIVersion: "v1", Kind: volumeKind, Name: "..%2fa"}, backup.PVs, false},
		"up as namespace":    {objects.ID{APIVersion: "v1", Kind: claimKind, Namespace: "..", Name: "a"}, backup.PVs, false},
		"no name":            {objects.ID{APIVersion: "v1", Kind: volumeKind}, backup.PVs, false},
		"claim nowhere":      {objects.ID{APIVersion: "v1", Kind: claimKind, Name: "a"}, backup.PVs, false},
		"volume somewhere":   {objects.ID{APIVersion: "v1", Kind: volumeKind, Namespace: "n", Name: "a"}, backup.PVs, false},
	} {
		if got := sound(tt.id, tt.artefact); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
