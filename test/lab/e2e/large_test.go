package e2e

import (
	"context"
	"fmt"
	"testing"

	"plan/test/lab"
)

// TestThousandsOfVolumes: a backup of many pages is whole. The volumes are in a cluster of their own, without controllers.
func TestThousandsOfVolumes(t *testing.T) {
	t.Parallel()
	r := theLab(t)
	r.ownServers(t)
	const volumes = 2000
	dir := t.TempDir()
	l, err := lab.Start(t.Context(), dir, lab.Options{NoControllers: true})
	if err != nil {
		t.Fatal(err, lab.Stop(context.Background(), dir))
	}
	t.Cleanup(func() {
		if err := l.Stop(theEnd()); err != nil {
			t.Error(err)
		}
	})
	t.Run("none at first", func(t *testing.T) { emptyCluster(t, r.binary, l) })
	if err := l.SeedPVs(t.Context(), volumes); err != nil {
		t.Fatal(err)
	}
	large := &rig{Lab: l, binary: r.binary}
	if large.s3, err = l.S3Client(); err != nil {
		t.Fatal(err)
	}
	p := large.program(t, keysOf(l.S3.AccessKey, l.S3.SecretKey)...)
	step := p.must(t, 0, "apply", p.write(t, "plan.yaml", large.planText("{name: large}", fmt.Sprintf(pvsStep, "large"))), "-o", "json").json(t).step(t, "pvs")
	if pvs, bound := step.number(t, "pvs"), step.number(t, "bound"); pvs != volumes || bound != volumes {
		t.Errorf("outputs: %d volumes, %d bound", pvs, bound)
	}
	stored, _ := large.backup(t, step.text(t, "key"))
	names := map[string]bool{}
	for _, item := range stored.Items {
		names[name(item)] = true
	}
	if got := stored.kinds()["PersistentVolume"]; got != volumes || len(names) != len(stored.Items) {
		t.Errorf("%d volumes are stored; %d objects, %d of them different", got, len(stored.Items), len(names))
	}
	if doc := p.must(t, 0, "run", "list-pvs", "-o", "json").json(t); doc.step(t, "list-pvs").number(t, "total") != volumes {
		t.Error("list-pvs has another number")
	}
}

// emptyCluster: a backup of no volumes is a backup. But where the one before had some, something is wrong, and nothing is pruned.
func emptyCluster(t *testing.T, binary string, l *lab.Lab) {
	r := &rig{Lab: l, binary: binary}
	var err error
	if r.s3, err = l.S3Client(); err != nil {
		t.Fatal(err)
	}
	p := r.program(t, keysOf(l.S3.AccessKey, l.S3.SecretKey)...)
	file := p.write(t, "plan.yaml", r.planText("{name: empty}", `
    - id: pvs
      uses: backup-pvs
      with: {prefix: empty, keep: {last: 1}}
`))
	step := p.must(t, 0, "apply", file, "-o", "json").json(t).step(t, "pvs")
	if n := step.number(t, "pvs"); n != 0 {
		t.Errorf("%d volumes in an empty cluster", n)
	}
	body, meta := r.object(t, step.text(t, "key"))
	meta["plan-count"] = "5"
	if err := r.put(t.Context(), "empty/empty/pvs-20240101-020000-00000000.json.gz", body, meta); err != nil {
		t.Fatal(err)
	}
	r.remove(t, step.text(t, "key"))
	step = p.must(t, 0, "apply", file, "-o", "json").json(t).step(t, "pvs")
	if pruned := step.list(t, "pruned"); len(pruned) > 0 || len(r.names(t, "empty/")) != 2 {
		t.Errorf("pruned %q, left %q", pruned, r.names(t, "empty/"))
	}
}
