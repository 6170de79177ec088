package rigs

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// nightly backs up and prunes to two.
func nightly() *reference {
	return &reference{
		name:    "nightly",
		prepare: func(t *trial) error { return t.lay(t.ctx, t.worker.history, t.prefix) },
		steps: func(t *trial) string {
			return fmt.Sprintf(`
    - {id: pvs, uses: backup-pvs, with: {prefix: %[1]s, keep: {last: 2}}}
    - {id: nodes, uses: backup-nodes, needs: [], with: {prefix: %[1]s, keep: {last: 2}}}
    - {id: check, uses: verify-backup, needs: [pvs, nodes], with: {prefix: %[1]s, artefact: pvs, key: "${{ steps.pvs.outputs.key }}"}}
`, t.prefix)
		},
		state:  (*trial).bucketState,
		always: func(t *trial, before, after map[string]string) error { return t.backedUp(after, false) },
		done:   func(t *trial, after map[string]string) error { return t.backedUp(after, true) },
	}
}

// backedUp wants at most one sound backup of the run's own for each artefact, and only the two oldest others gone, if it is there. With all
// that has to be so, and be what the outputs say.
func (t *trial) backedUp(after map[string]string, all bool) error {
	h := t.worker.history
	for _, a := range []struct {
		id    string
		names []string
		least map[string][]string
	}{{"pvs", h.pvs, h.pvsLeast}, {"nodes", h.nodes, h.nodesLeast}} {
		var own []string
		for key := range after {
			if name := strings.TrimPrefix(key, t.prefix); strings.HasPrefix(name, "home/"+a.id+"-") && !slices.Contains(a.names, name) {
				own = append(own, key)
			}
		}
		if len(own) > 1 {
			return fmt.Errorf("%d backups of one run: %q", len(own), own)
		}
		for _, key := range own {
			if err := t.sound(t.ctx, key, a.least); err != nil {
				return err
			}
		}
		var left []string
		for _, name := range a.names {
			if _, there := after[t.prefix+name]; there {
				left = append(left, name)
			}
		}
		if !slices.Contains(left, a.names[2]) || len(left) < 3 && len(own) == 0 {
			return fmt.Errorf("of the earlier backups are left %q, of its own %q", left, own)
		}
		if !all {
			continue
		}
		if len(own) != 1 || len(left) != 1 || t.doc.step(a.id).text("key") != own[0] {
			return fmt.Errorf("it says that %s is stored; of its own are there %q, of the earlier ones %q", t.doc.step(a.id).text("key"), own, left)
		}
		o, err := t.get(t.ctx, own[0])
		if err != nil {
			return err
		}
		if said := t.doc.step(a.id).text("sha256"); said != o.meta["plan-sha256"] {
			return fmt.Errorf("it says that the SHA-256 is %s, and it is %s", said, o.meta["plan-sha256"])
		}
	}
	if _, there := after[t.prefix+foreign]; !there {
		return fmt.Errorf("somebody else's file is gone")
	}
	return nil
}

// pruning leaves the newest backup.
func pruning() *reference {
	left := func(t *trial, after map[string]string) error {
		for _, name := range append(slices.Clone(t.worker.history.nodes), t.worker.history.pvs[2], foreign) {
			if _, there := after[t.prefix+name]; !there {
				return fmt.Errorf("%s is gone", name)
			}
		}
		return nil
	}
	return &reference{
		name:    "prune",
		prepare: func(t *trial) error { return t.lay(t.ctx, t.worker.history, t.prefix) },
		steps: func(t *trial) string {
			return fmt.Sprintf("    - {id: prune, uses: prune, with: {prefix: %s, artefact: pvs, keep: {last: 1}}}\n", t.prefix)
		},
		state:  (*trial).bucketState,
		always: func(t *trial, _, after map[string]string) error { return left(t, after) },
		done: func(t *trial, after map[string]string) error {
			if len(after) != 5 {
				return fmt.Errorf("left are %q", slices.Sorted(maps.Keys(after)))
			}
			return left(t, after)
		},
	}
}

// nothing is the state of a plan that changes nothing.
func nothing(*trial) (map[string]string, error) { return map[string]string{}, nil }

func unchanged(*trial, map[string]string, map[string]string) error { return nil }

// passes wants a verdict of pass, from every step of the list.
func passes(ids ...string) func(*trial, map[string]string) error {
	return func(t *trial, _ map[string]string) error {
		for _, id := range ids {
			if s := t.doc.step(id); s.Outcome != "succeeded" || s.Verdict != "pass" {
				return fmt.Errorf("step %s: %+v", id, s)
			}
		}
		return nil
	}
}

// verifyAll asks the whole question; all is well.
func verifyAll() *reference {
	return &reference{
		name:    "verify-all",
		prepare: func(*trial) error { return nil },
		steps: func(t *trial) string {
			return fmt.Sprintf(`
    - id: ready
      uses: verify-all
      with:
        nodeToken: {path: %s, in: {bitwarden: {project: homelab, key: k3s-node-token-home}}, prefix: k3s-etcd-snapshots/}
        etcd: {maxAge: 13h, depth: checksum}
        longhorn: {maxAge: 2d}
        backups: {maxAge: 36h, rehearse: true}
`, t.NodeTokenFile())
		},
		state: nothing, always: unchanged, done: passes("ready"),
	}
}

// lists reads what is there.
func lists() *reference {
	return &reference{
		name:    "lists",
		prepare: func(*trial) error { return nil },
		steps: func(*trial) string {
			return `
    - {id: list, uses: list-pvs}
    - {id: spaces, uses: verify-object, needs: [], with: {resource: v1/namespaces, condition: status.phase=Active, time: metadata.creationTimestamp, maxAge: 365d}}
    - {id: store, uses: verify-store, needs: [], with: {prefix: pv-backups/, maxAge: 2d}}
    - {id: backup, uses: verify-backup, needs: [list, spaces, store], with: {artefact: nodes}}
`
		},
		state: nothing, always: unchanged,
		done: func(t *trial, after map[string]string) error {
			if n, _ := t.doc.step("list").Outputs["total"].(float64); int(n) < len(t.worker.history.pvsLeast["PersistentVolume"]) {
				return fmt.Errorf("%v volumes are listed", n)
			}
			return passes("store", "backup")(t, after)
		},
	}
}

// faulty verifies a backup that is damaged: never a pass.
func faulty() *reference {
	return &reference{
		name: "damaged", code: 3,
		prepare: func(t *trial) error {
			if err := t.lay(t.ctx, t.worker.history, t.prefix); err != nil {
				return err
			}
			return t.put(t.ctx, t.prefix+t.worker.history.damagedUnder, t.worker.history.damaged)
		},
		steps: func(t *trial) string {
			return fmt.Sprintf(`
    - {id: damaged, uses: verify-backup, continueOnError: true, with: {prefix: %s, artefact: pvs}}
    - {id: other, uses: list-pvs}
`, t.prefix)
		},
		state: (*trial).bucketState, always: unchanged,
		done: func(t *trial, _ map[string]string) error {
			if s := t.doc.step("damaged"); s.Verdict != "fail" {
				return fmt.Errorf("the damaged backup: %+v", s)
			}
			return nil
		},
	}
}
