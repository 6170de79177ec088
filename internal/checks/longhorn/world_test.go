package longhorn

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"plan/internal/checks"
	"plan/internal/checks/checktest"
	"plan/internal/checks/verify"
	"plan/internal/longhorn"
	"plan/steps/steptest"
)

// now is what the clock shows in every test of this package.
var now = steptest.Started

func ago(d time.Duration) string { return now.Add(-d).Format(time.RFC3339) }

const (
	hour = time.Hour
	day  = 24 * time.Hour
)

type object = map[string]any

// merge lays changes over an object: mappings key by key, everything else as a whole.
func merge(o object, changes object) object {
	out := object{}
	for key, value := range o {
		out[key] = value
	}
	for key, value := range changes {
		inner, isObject := value.(object)
		if old, ok := out[key].(object); ok && isObject {
			value = merge(old, inner)
		}
		out[key] = value
	}
	return out
}

// world is a cluster: the objects of each resource.
type world map[string][]object

func (w world) add(resource string, objects ...object) world {
	w[resource] = append(w[resource], objects...)
	return w
}

// in makes an object in Longhorn's namespace.
func in(name string, rest object) object {
	return merge(object{"metadata": object{"name": name, "namespace": "longhorn-system", "creationTimestamp": ago(90 * day)}}, rest)
}

// use is a Longhorn volume with everything that brings it into scope: namespace/claim.
func (w world) use(claim, volume string, changes object) world {
	namespace, name, _ := strings.Cut(claim, "/")
	w.add("persistentvolumes", pv(claim, volume, volume))
	w.add("persistentvolumeclaims", object{"metadata": object{"namespace": namespace, "name": name}, "spec": object{"volumeName": volume}})
	return w.add("volumes", in(volume, merge(object{"spec": object{"backupTargetName": ""}, "status": object{"state": "attached", "robustness": "healthy"}}, changes)))
}

// pv is a bound PersistentVolume of Longhorn.
func pv(claim, name, handle string) object {
	namespace, claimName, _ := strings.Cut(claim, "/")
	return object{
		"metadata": object{"name": name},
		"spec": object{"storageClassName": "longhorn", "csi": object{"driver": "driver.longhorn.io", "volumeHandle": handle},
			"claimRef": object{"namespace": namespace, "name": claimName}},
		"status": object{"phase": "Bound"},
	}
}

// backupVolume is what Longhorn 1.7 and older have: the name is the volume's.
func backupVolume(volume, lastBackupAt string, changes object) object {
	return in(volume, merge(object{"status": object{"lastBackupAt": lastBackupAt, "lastSyncedAt": ago(time.Minute)}}, changes))
}

// backup is one of a volume at a target, begun so long ago.
func backup(name, volume, target, state string, age time.Duration, changes object) object {
	o := in(name, object{"metadata": object{"labels": object{"backup-volume": volume, "backup-target": target}, "creationTimestamp": ago(age)},
		"status": object{"state": state, "volumeName": "", "snapshotCreatedAt": ""}})
	if state == "Completed" {
		o = merge(o, object{"status": object{"volumeName": volume, "snapshotCreatedAt": ago(age)}})
	}
	return merge(o, changes)
}

func target(name string, changes object) object {
	return in(name, merge(object{"spec": object{"backupTargetURL": "s3://backups@eu/", "pollInterval": "5m0s"},
		"status": object{"available": true, "lastSyncedAt": ago(2 * time.Minute), "conditions": nil}}, changes))
}

func job(name, task string, groups ...any) object {
	return in(name, object{"spec": object{"name": name, "task": task, "cron": "0 2 * * *", "groups": groups}})
}

// home is a cluster with a target, a nightly job for the group default, and no volume.
func home() world {
	return world{}.add("backuptargets", target("default", nil)).add("recurringjobs", job("nightly", "backup", "default"))
}

// fresh is home with one volume that is well.
func fresh() world {
	return home().use("media/films", "pvc-1", nil).add("backupvolumes", backupVolume("pvc-1", ago(3*hour), nil))
}

func encode(t testing.TB, o object) []byte {
	data, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// state is what complete lists of the world bring.
func (w world) state(t testing.TB) *longhorn.State {
	t.Helper()
	s := longhorn.New()
	for _, l := range s.Lists("longhorn-system") {
		for _, o := range w[l.Resource.Resource] {
			if err := l.Take(encode(t, o)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return s
}

// judge judges the world without a server.
func (w world) judge(t testing.TB, c Check) *judge {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	j := &judge{check: c, state: w.state(t), limit: checks.Limit{Now: now, MaxAge: c.MaxAge.Duration()}}
	j.all()
	var outputs []any
	for _, f := range j.found {
		outputs = append(outputs, f.Output())
	}
	if outputs != nil {
		checktest.Complete(t, outputs)
	}
	return j
}

// texts are the objects as a server has them, by resource.
func (w world) texts(t testing.TB) map[string][]string {
	all := map[string][]string{}
	for resource, objects := range w {
		for _, o := range objects {
			all[resource] = append(all[resource], string(encode(t, o)))
		}
	}
	return all
}

// serve puts the world behind an API server.
func (w world) serve(t *testing.T) *steptest.World { return serve(t, w.texts(t)) }

func serve(t *testing.T, texts map[string][]string) *steptest.World {
	s := steptest.NewWorld(t)
	for _, l := range longhorn.New().Lists("longhorn-system") {
		s.Kube.Add(l.Resource, "Kind", texts[l.Resource.Resource]...)
	}
	return s
}

// run checks the served world.
func run(t *testing.T, s *steptest.World, c Check) *verify.Outcome {
	t.Helper()
	o, err := c.Check(t.Context(), s.Env)
	if err != nil {
		t.Fatal(err)
	}
	checktest.Complete(t, o.Report.Outputs())
	return o
}

// names are findings, each with its verdict and object.
func names(found []checks.Finding) string {
	var all []string
	for _, f := range found {
		all = append(all, fmt.Sprintf("%s=%s(%s)", f.Name, f.Verdict, f.Object))
	}
	return strings.Join(all, " ")
}

// reported are the same of a report.
func reported(o *verify.Outcome) string {
	var all []string
	for _, entry := range o.Report.Outputs() {
		m := entry.(map[string]any)
		all = append(all, fmt.Sprintf("%s=%s(%s)", m["finding"], m["verdict"], m["object"]))
	}
	return strings.Join(all, " ")
}
