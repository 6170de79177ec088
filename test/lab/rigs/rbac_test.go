package rigs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"plan/steps"
	"plan/test/lab/labtest"
)

// rightsCase is a step, run by who may do exactly what it says it needs.
type rightsCase struct {
	kind      string
	with      map[string]any
	prepare   func(context.Context) error // before every run
	inCluster bool                        // the run is recorded there, and looked at with runs, cancelled and deleted
	spared    steps.Permission            // used, but what is done is done without it
	lossy     bool                        // the answer to the first write of each object is lost
}

type fields = map[string]any

func (r *rig) rightsCases(w *worker, nodesKey string) []rightsCase {
	off := fields{"off": true}
	vault := fields{"kubernetes": fields{"namespace": "default", "name": "rig-rights"}}
	only := []any{"pv/" + w.restore.name + "-*", "pvc/" + w.restore.name + "/*"}
	more := append([]any{"ns/" + w.restore.name, "sc/rig", "vsclass/rig"}, only...)
	unkept := func(ctx context.Context) error {
		err := r.kube.CoreV1().Secrets("default").Delete(ctx, "rig-rights", metav1.DeleteOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return err
	}
	wiped := func(ctx context.Context) error { return r.wipe(ctx, w.restore) }
	laid := func(ctx context.Context) error { return r.lay(ctx, w.history, "rights/") }
	return []rightsCase{
		{kind: "list-pvs"},
		// Without the right to update it the Lease cannot be given back, which is told: others wait until it has run out.
		{kind: "list-pvs", inCluster: true, prepare: r.unlocked, spared: steps.Permission{Verb: "update", Group: "coordination.k8s.io", Resource: "leases", Namespace: "default", Name: "plan-rights"}},
		{kind: "backup-pvs", with: fields{"prefix": "rights"}},
		{kind: "backup-pvs", with: fields{"prefix": "rights", "include": []any{"longhorn", "snapshots"}}},
		{kind: "backup-nodes", with: fields{"prefix": "rights"}},
		{kind: "prune", with: fields{"prefix": "rights", "artefact": "nodes", "keep": fields{"last": int64(1)}}, prepare: laid},
		{kind: "backup-node-token", with: fields{"path": "token", "to": vault}, prepare: unkept},
		{kind: "backup-node-token", with: fields{"path": "token", "to": vault}, prepare: r.otherToken},
		{kind: "verify-node-token", with: fields{"path": "token", "in": vault}, prepare: r.sameToken},
		{kind: "verify-object", with: fields{"resource": "v1/namespaces", "time": "metadata.creationTimestamp", "maxAge": "1h"}},
		{kind: "verify-etcd", with: fields{"depth": "structure"}},
		{kind: "verify-longhorn"},
		{kind: "verify-store", with: fields{"prefix": "pv-backups/", "maxAge": "1h"}},
		{kind: "verify-backup", with: fields{"artefact": "pvs", "prefix": "slots", "rehearse": true}},
		{kind: "verify-backup", with: fields{"artefact": "nodes", "rehearse": true}},
		{kind: "verify-all", with: fields{"etcd": fields{"depth": "age"}, "backups": fields{"rehearse": true}}},
		{kind: "verify-all", with: fields{"etcd": off, "longhorn": off, "backups": fields{"artefact": "pvs", "prefix": "slots", "rehearse": true}}},
		{kind: "restore-pvs", with: fields{"key": w.restore.key, "only": only}, prepare: wiped},
		{kind: "restore-pvs", with: fields{"key": w.restore.key, "only": more}, prepare: r.withoutClasses(w.restore), lossy: true},
		{kind: "restore-nodes", with: fields{"key": nodesKey, "overwrite": true}, prepare: r.otherLabels, lossy: true},
	}
}

// TestKindsNeedTheRightsThatTheyName: P14. Every kind runs with exactly its permissions, and uses each of them somewhere; with any one of
// them missing no run passes: PLAN_RIG_RIGHTS=all takes away each of them, else it is every fourth.
func TestKindsNeedTheRightsThatTheyName(t *testing.T) {
	r := theWorld(t)
	w, log := r.workers[len(r.workers)-1], r.audit
	nodesKeys, err := r.keys(t.Context(), "nodes-backups/")
	if err != nil {
		t.Fatal(err)
	}
	begin, ledger := time.Now(), &ledger{granted: map[string]map[steps.Permission]bool{}, used: map[string]map[steps.Permission]bool{}}
	for i, c := range r.rightsCases(w, nodesKeys[0]) {
		rights, err := permissions(c.kind, c.with, c.inCluster)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.rights(t, ledger, log, c, rights); err != nil {
			t.Errorf("case %d, %s: %v", i, c.kind, err)
		}
	}
	unused := ledger.unused()
	for _, line := range unused {
		t.Errorf("%s, and nothing here uses it", line)
	}
	fmt.Printf("rig rights: %d kinds, %d runs, %d rights unused, %.0f s\n", len(ledger.granted), ledger.runs, len(unused), time.Since(begin).Seconds())
}

// ledger has what each kind was granted, and what it used of that.
type ledger struct {
	granted, used map[string]map[steps.Permission]bool
	runs          int
}

// enter notes the calls of a kind. The error has those that it was not granted.
func (l *ledger) enter(kind string, rights []steps.Permission, calls []labtest.Call) (err error) {
	if l.granted[kind] == nil {
		l.granted[kind], l.used[kind] = map[steps.Permission]bool{}, map[steps.Permission]bool{}
	}
	for _, p := range rights {
		l.granted[kind][p] = true
	}
	for _, call := range calls {
		if covering(rights, call) == 0 || call.Response.Code == http.StatusForbidden {
			err = errors.Join(err, fmt.Errorf("it asks for what it does not name: %s", call))
		}
		for _, p := range rights {
			if covers(p, call) {
				l.used[kind][p] = true
			}
		}
	}
	return err
}

func (l *ledger) unused() (list []string) {
	for kind, all := range l.granted {
		for p := range all {
			if !l.used[kind][p] {
				list = append(list, kind+" names the right to "+spell(p))
			}
		}
	}
	return list
}

// covering is how many rights let a call be made.
func covering(rights []steps.Permission, c labtest.Call) (n int) {
	for _, p := range rights {
		if covers(p, c) {
			n++
		}
	}
	return n
}

// rights runs a step with all its rights, and then without one of them, as long as there is one that it needs.
func (r *rig) rights(t *testing.T, l *ledger, log *labtest.Audit, c rightsCase, rights []steps.Permission) error {
	dir, every := t.TempDir(), 4
	if os.Getenv("PLAN_RIG_RIGHTS") == "all" {
		every = 1
	}
	got, err := r.withRights(t.Context(), c, filepath.Join(dir, "all"), rights)
	if err != nil {
		return err
	}
	calls, err := log.Calls("")
	if err != nil {
		return err
	}
	if l.runs++; got.code != 0 {
		return fmt.Errorf("with all its rights: %w\ncalls: %v", got.fault("want exit 0"), calls)
	}
	problems := []error{l.enter(c.kind, rights, calls)}
	for n, missing := range rights {
		needed := slices.ContainsFunc(calls, func(call labtest.Call) bool { return covers(missing, call) && covering(rights, call) == 1 })
		if !needed || missing == c.spared || n%every != 0 {
			continue
		}
		got, err := r.withRights(t.Context(), c, filepath.Join(dir, fmt.Sprint(n)), slices.Delete(slices.Clone(rights), n, n+1))
		if err == nil {
			_, err = log.Calls("") // those are not the next one's
		}
		if err != nil {
			return err
		}
		if l.runs++; !slices.Contains([]int{77, 4, 1}, got.code) {
			problems = append(problems, fmt.Errorf("without the right to %s: %w", spell(missing), got.fault("want exit 77, 4 or 1")))
		}
	}
	return errors.Join(problems...)
}

// withRights runs a step as the limited user.
func (r *rig) withRights(ctx context.Context, c rightsCase, dir string, rights []steps.Permission) (got result, err error) {
	if c.prepare != nil {
		if err := c.prepare(ctx); err != nil {
			return got, fmt.Errorf("prepare: %w", err)
		}
	}
	if err := r.grant(ctx, rights); err != nil {
		return got, err
	}
	cmd, err := r.command(dir, "KUBECONFIG="+r.Limited)
	if err != nil {
		return got, err
	}
	if c.lossy {
		config, err := r.RESTConfig()
		if err != nil {
			return got, err
		}
		p, err := labtest.NewProxy(r.Lab, dir, config.Host, labtest.Lossy())
		if err != nil {
			return got, err
		}
		defer p.End()
		kubeconfig, err := p.Kubeconfig(r.Limited, dir)
		if err != nil {
			return got, err
		}
		cmd = cmd.with("KUBECONFIG="+kubeconfig, "SSL_CERT_FILE="+p.CAFile)
	}
	if _, err := cmd.write("token", rightsToken); err != nil {
		return got, err
	}
	plan, err := r.rightsPlan(cmd, c)
	if err != nil {
		return got, err
	}
	if !c.inCluster {
		return cmd.run("apply", plan, "-o", "json")
	}
	run := "rights-" + uuid.NewString() // the latest may be another test's
	for _, args := range [][]string{{"apply", plan, "-o", "json", "--run-id", run}, {"runs"}, {"delete", run}} {
		if got, err = cmd.run(append(args, "--state", "cluster")...); err != nil || got.code != 0 {
			return got, err
		}
	}
	return got, nil
}

// rightsPlan writes the plan of a case.
func (r *rig) rightsPlan(cmd *command, c rightsCase) (string, error) {
	with := []byte("{}")
	if c.with != nil {
		var err error
		if with, err = json.Marshal(c.with); err != nil { // JSON is YAML
			return "", err
		}
	}
	text := r.planText(r.S3.Endpoint, "rights", fmt.Sprintf("    - {id: it, uses: %s, retry: {attempts: 1}, with: %s}\n", c.kind, with))
	if !c.inCluster {
		text = strings.Replace(text, "  concurrency: {group: rights, waitTimeout: 70s}\n", "", 1)
	}
	return cmd.write("plan.yaml", text)
}
