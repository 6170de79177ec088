package listpvs

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plan/internal/kube"
	"plan/steps"
	"plan/steps/steptest"
)

var pvs = kube.Resource{Version: "v1", Resource: "persistentvolumes"}

// objects are volumes of all sorts, the last with nothing but a name.
var objects = []string{
	`{"metadata":{"name":"pvc-1"},"spec":{"capacity":{"storage":"10Gi"},"storageClassName":"longhorn","claimRef":{"namespace":"media","name":"films"},"csi":{"driver":"driver.longhorn.io","volumeHandle":"pvc-1"}},"status":{"phase":"Bound"}}`,
	`{"metadata":{"name":"nfs-1"},"spec":{"capacity":{"storage":"1Ti"},"nfs":{"server":"10.0.0.2","path":"/export"}},"status":{"phase":"Available"}}`,
	`{"metadata":{"name":"local-1"},"spec":{"storageClassName":"local-path","hostPath":{"path":"/data/x"}},"status":{"phase":"Released"}}`,
	`{"metadata":{"name":"bare"}}`,
}

func world(t *testing.T) *steptest.World {
	w := steptest.NewWorld(t)
	w.Kube.Add(pvs, "PersistentVolume", objects...)
	return w
}

func TestConforms(t *testing.T) {
	steptest.Conforms(t, Kind(), steptest.Fixture{World: world})
}

func TestListHoldsUnboundVolumesAndThoseWithoutClassOrStatus(t *testing.T) {
	w := world(t)
	got, err := new(Action).Run(t.Context(), w.Env)
	if err != nil {
		t.Fatal(err)
	}
	volume := func(name, phase, capacity, class, claim, driver, handle string) any {
		return map[string]any{"name": name, "phase": phase, "capacity": capacity, "class": class, "claim": claim, "driver": driver, "handle": handle}
	}
	want := steps.Result{
		Outputs: map[string]any{"total": int64(4), "bound": int64(1), "pvs": []any{
			volume("pvc-1", "Bound", "10Gi", "longhorn", "media/films", "driver.longhorn.io", "pvc-1"),
			volume("nfs-1", "Available", "1Ti", "", "", "nfs", "10.0.0.2:/export"),
			volume("local-1", "Released", "", "local-path", "", "hostPath", "/data/x"),
			volume("bare", "", "", "", "", "", ""),
		}},
		Reason: "4 PVs (1 bound)",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	table := `
NAME     STATUS     CAPACITY  CLASS       CLAIM        DRIVER
pvc-1    Bound      10Gi      longhorn    media/films  driver.longhorn.io
nfs-1    Available  1Ti       -           -            nfs
local-1  Released   -         local-path  -            hostPath
bare     -          -         -           -            -
`
	if !strings.Contains(w.Said(), strings.TrimSpace(table)) {
		t.Errorf("the table is\n%s", w.Said())
	}
}

func TestEmptyClusterHasNoVolumes(t *testing.T) {
	w := steptest.NewWorld(t)
	got, err := new(Action).Run(t.Context(), w.Env)
	if err != nil || got.Outputs["total"] != int64(0) || got.Reason != "0 PVs (0 bound)" {
		t.Errorf("%+v, %v", got, err)
	}
}
