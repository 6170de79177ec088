package main

import (
	"context"
	"fmt"
)

// verifyLonghorn comes before the rows that seed more volumes.
func (b *bench) verifyLonghorn(ctx context.Context) error {
	if err := b.seed(ctx, b.sizes.volumes); err != nil {
		return err
	}
	b.talk("make Longhorn's objects of them")
	if out, err := b.command(ctx, []string{b.path("fill-longhorn")}).CombinedOutput(); err != nil {
		return fmt.Errorf("make Longhorn's objects: %w\n%s", err, out)
	}
	lists := []string{b.path("floor-list"), "/api/v1/persistentvolumes", "/api/v1/persistentvolumeclaims"}
	for _, resource := range []string{"volumes", "backupvolumes", "backups", "backuptargets", "recurringjobs", "settings"} {
		lists = append(lists, "/apis/longhorn.io/v1beta2/namespaces/longhorn-system/"+resource)
	}
	r, err := b.add(ctx, row{
		title: fmt.Sprintf("`verify-longhorn`, %d volumes with 7 backups each", b.sizes.volumes), rounds: 2 * b.sizes.rounds, base: 1,
		note: "The floor reads the same lists one after the other and throws them away; plan reads four at a time, decodes and judges.",
	}, []contestant{
		{name: "plan", argv: []string{b.plan, "run", "verify-longhorn", "--cluster-name", "bench"}},
		{name: "floor: client-go, raw pages of 500", argv: lists},
	})
	if err != nil {
		return err
	}
	r.targets = []target{{"of the floor's time", r.ratio(0, 1), 1.3, "%.2f ×"}}
	return nil
}
