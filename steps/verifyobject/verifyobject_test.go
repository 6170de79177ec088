package verifyobject_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plan/internal/checks/checktest"
	"plan/internal/kube"
	"plan/internal/kube/kubetest"
	"plan/steps"
	"plan/steps/steptest"
	"plan/steps/verifyobject"
)

var (
	veleroBackups = kube.Resource{Group: "velero.io", Version: "v1", Resource: "backups"}
	sources       = kube.Resource{Group: "volsync.backube", Version: "v1alpha1", Resource: "replicationsources"}
	pods          = kube.Resource{Version: "v1", Resource: "pods"}
)

// object is one of the cluster: fields are given as path=value pairs with dots, values as JSON or plain text.
func object(name string, fields map[string]any) string {
	namespace, base, ok := strings.Cut(name, "/")
	if !ok {
		namespace, base = "", name
	}
	metadata := map[string]any{"name": base, "namespace": namespace}
	o := map[string]any{"metadata": metadata}
	for key, value := range fields {
		switch key {
		case "labels", "creationTimestamp", "deletionTimestamp", "generation":
			metadata[key] = value
		default:
			o[key] = value
		}
	}
	data, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	return string(data)
}

func ago(d time.Duration) string { return steptest.Started.Add(-d).Format(time.RFC3339) }

const hour = time.Hour

// velero is a Backup of that phase and age, made an hour before it was complete.
func velero(name, schedule, phase string, age time.Duration) string {
	status := map[string]any{"phase": phase, "completionTimestamp": ago(age)}
	if phase == "InProgress" {
		delete(status, "completionTimestamp")
	}
	labels := map[string]any{}
	if schedule != "" {
		labels["velero.io/schedule-name"] = schedule
	}
	return object("velero/"+name, map[string]any{"labels": labels, "creationTimestamp": ago(age + hour), "status": status})
}

func veleroWith(more map[string]any) map[string]any {
	with := map[string]any{"resource": "velero.io/v1/backups", "namespace": "velero", "time": "status.completionTimestamp", "maxAge": "26h",
		"condition": "status.phase=Completed", "per": "selection"}
	for key, value := range more {
		with[key] = value
	}
	return with
}

func TestConforms(t *testing.T) {
	steptest.Conforms(t, verifyobject.Kind(), steptest.Fixture{
		With: veleroWith(map[string]any{"selector": "velero.io/schedule-name in (daily)", "per": "metadata.namespace"}),
		World: func(t *testing.T) *steptest.World {
			w := steptest.NewWorld(t)
			w.Kube.Add(veleroBackups, "Backup", velero("a", "daily", "Completed", 50*hour), velero("b", "daily", "Completed", 2*hour))
			return w
		},
	})
}

func run(t *testing.T, w *steptest.World, with map[string]any) (steps.Result, error) {
	t.Helper()
	action := verifyobject.Kind().New()
	if err := steps.Decode(with, action); err != nil {
		t.Fatal(err)
	}
	if err := action.Validate(); err != nil {
		t.Fatal(err)
	}
	result, err := action.Run(t.Context(), w.Env)
	if result.Outputs != nil {
		checktest.Complete(t, result.Outputs["findings"])
	}
	return result, err
}

// names are the findings, each with its verdict and object.
func names(r steps.Result) string {
	var all []string
	for _, f := range r.Outputs["findings"].([]any) {
		m := f.(map[string]any)
		all = append(all, fmt.Sprintf("%s=%s(%s)", m["finding"], m["verdict"], m["object"]))
	}
	return strings.Join(all, " ")
}

func check(t *testing.T, r kube.Resource, objects []string, with map[string]any, found string, verdict steps.Verdict) steps.Result {
	t.Helper()
	w := steptest.NewWorld(t)
	w.Kube.Add(r, "Kind", objects...)
	result, err := run(t, w, with)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(found, names(result)); diff != "" || result.Verdict != verdict {
		t.Errorf("verdict %s: %s\n%s", result.Verdict, result.Reason, diff)
	}
	return result
}

func TestHistories(t *testing.T) {
	bySchedule := map[string]any{"per": `metadata.labels.velero\.io/schedule-name`}
	cases := map[string]struct {
		objects []string
		more    map[string]any
		found   string
		verdict steps.Verdict
	}{
		"the newest is fresh": {[]string{velero("a", "", "Completed", 90*hour), velero("b", "", "Completed", 2*hour)}, nil, "OK=pass(velero/b)", steps.Pass},
		"the newest is stale": {[]string{velero("a", "", "Completed", 90*hour), velero("b", "", "Completed", 27*hour)}, nil, "STALE=fail(velero/b)", steps.Fail},
		"a failed one has a time too": {[]string{velero("a", "", "Completed", 90*hour), velero("b", "", "PartiallyFailed", 2*hour)}, nil,
			"STALE=fail(velero/a)", steps.Fail},
		"failed since, and still young enough": {[]string{velero("a", "", "Completed", 25*hour), velero("b", "", "Failed", 2*hour)}, nil,
			"OK=pass(velero/a) CONDITION_NOT_MET=none(velero/b)", steps.Pass},
		"failed before": {[]string{velero("a", "", "Failed", 25*hour), velero("b", "", "Completed", 2*hour)}, nil, "OK=pass(velero/b)", steps.Pass},
		"one is running": {[]string{velero("a", "", "Completed", 25*hour), velero("b", "", "InProgress", 0)}, nil,
			"OK=pass(velero/a) CONDITION_NOT_MET=none(velero/b)", steps.Pass},
		"only failed ones": {[]string{velero("a", "", "Failed", 2*hour), velero("b", "", "PartiallyFailed", hour)}, nil, "CONDITION_NOT_MET=fail(velero/b)", steps.Fail},
		"none":             {nil, nil, "NO_OBJECT=fail(backups.velero.io in velero)", steps.Fail},
		"of the future":    {[]string{velero("a", "", "Completed", -2*hour), velero("b", "", "Completed", 2*hour)}, nil, "FUTURE_DATED=fail(velero/a) OK=pass(velero/b)", steps.Fail},
		"without condition, one without a time": {[]string{velero("a", "", "InProgress", 0), velero("b", "", "Failed", 2*hour)}, map[string]any{"condition": "status.phase=Failed"},
			"OK=pass(velero/b) CONDITION_NOT_MET=none(velero/a)", steps.Pass},
		"no time anywhere":    {[]string{velero("a", "", "Completed", hour)}, map[string]any{"time": "status.completedAt"}, "NO_TIMESTAMP=fail(velero/a)", steps.Fail},
		"a time that is none": {[]string{velero("a", "", "Completed", hour)}, map[string]any{"time": "status.phase"}, "UNREADABLE=unknown(velero/a)", steps.Unknown},
		"an unreadable one beside a fresh one": {[]string{object("velero/a", map[string]any{"status": map[string]any{"phase": "Completed", "completionTimestamp": "soon"}}), velero("b", "", "Completed", hour)}, nil,
			"OK=pass(velero/b) UNREADABLE=none(velero/a)", steps.Pass},
		"an unreadable one beside a stale one": {[]string{object("velero/a", map[string]any{"status": map[string]any{"phase": "Completed", "completionTimestamp": 7}}), velero("b", "", "Completed", 90*hour)}, nil,
			"STALE=fail(velero/b) UNREADABLE=unknown(velero/a)", steps.Fail},
		"all being deleted": {[]string{object("velero/a", map[string]any{"deletionTimestamp": ago(hour), "status": map[string]any{"phase": "Completed", "completionTimestamp": ago(hour)}})}, nil,
			"NO_OBJECT=fail(backups.velero.io in velero)", steps.Fail},
		"one schedule does not hide another": {[]string{velero("a", "daily", "Completed", hour), velero("b", "weekly", "Completed", 90*hour)}, bySchedule,
			"STALE=fail(velero/b) OK=pass(velero/a)", steps.Fail},
		"made by hand, beside schedules": {[]string{velero("a", "daily", "Completed", hour), velero("b", "", "Completed", 90*hour)}, bySchedule,
			"OK=pass(velero/a) UNGROUPED=none(velero/b)", steps.Pass},
		"only made by hand": {[]string{velero("b", "", "Completed", hour)}, bySchedule, "UNGROUPED=none(velero/b)", steps.Unknown},
		"the selector is the server's": {[]string{velero("a", "daily", "Completed", 90*hour), velero("b", "weekly", "Completed", hour)},
			map[string]any{"selector": "velero.io/schedule-name=daily"}, "STALE=fail(velero/a)", steps.Fail},
		"another namespace's": {[]string{strings.Replace(velero("a", "", "Completed", hour), `"velero"`, `"other"`, 1)}, nil, "NO_OBJECT=fail(backups.velero.io in velero)", steps.Fail},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) { check(t, veleroBackups, tc.objects, veleroWith(tc.more), tc.found, tc.verdict) })
	}
}

// source is a ReplicationSource as VolSync keeps it.
func source(name, result string, age time.Duration) string {
	return object(name, map[string]any{"status": map[string]any{"lastSyncTime": ago(age), "latestMoverStatus": map[string]any{"result": result}}})
}

func TestStandingObjects(t *testing.T) {
	with := map[string]any{"resource": "volsync.backube/v1alpha1/replicationsources", "time": ".status.lastSyncTime", "maxAge": "26h", "condition": "{.status.latestMoverStatus.result}=Successful"}
	cases := map[string]struct {
		objects []string
		found   string
		verdict steps.Verdict
	}{
		"all are fresh":        {[]string{source("a/x", "Successful", hour), source("b/x", "Successful", 26*hour)}, "OK=pass(a/x) OK=pass(b/x)", steps.Pass},
		"one is stale":         {[]string{source("a/x", "Successful", hour), source("b/x", "Successful", 90*hour)}, "STALE=fail(b/x) OK=pass(a/x)", steps.Fail},
		"the last try failed":  {[]string{source("a/x", "Failed", hour)}, "CONDITION_NOT_MET=fail(a/x)", steps.Fail},
		"stale since it fails": {[]string{source("a/x", "Failed", 90*hour)}, "STALE=fail(a/x)", steps.Fail},
		"never synchronised":   {[]string{object("a/x", nil), source("b/x", "Successful", hour)}, "NO_TIMESTAMP=fail(a/x) OK=pass(b/x)", steps.Fail},
		"status is null":       {[]string{object("a/x", map[string]any{"status": nil})}, "NO_TIMESTAMP=fail(a/x)", steps.Fail},
		"status is a list":     {[]string{object("a/x", map[string]any{"status": []any{1}})}, "NO_TIMESTAMP=fail(a/x)", steps.Fail},
		"of the future":        {[]string{source("a/x", "Successful", -hour)}, "FUTURE_DATED=fail(a/x)", steps.Fail},
		"being deleted":        {[]string{object("a/x", map[string]any{"deletionTimestamp": ago(hour)}), source("b/x", "Successful", hour)}, "OK=pass(b/x) TERMINATING=none(a/x)", steps.Pass},
		"all being deleted":    {[]string{object("a/x", map[string]any{"deletionTimestamp": ago(hour)})}, "NO_OBJECT=fail(replicationsources.volsync.backube) TERMINATING=none(a/x)", steps.Fail},
		"none":                 {nil, "NO_OBJECT=fail(replicationsources.volsync.backube)", steps.Fail},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) { check(t, sources, tc.objects, with, tc.found, tc.verdict) })
	}
}

func TestTheReasonTellsWhy(t *testing.T) {
	result := check(t, veleroBackups, []string{velero("a", "", "Completed", 90*hour), velero("b", "", "PartiallyFailed", 2*hour)}, veleroWith(nil), "STALE=fail(velero/a)", steps.Fail)
	want := `STALE: velero/a: 3d18h old, over the limit of 1d2h, the newest of 2: what was made since does not meet status.phase=Completed, the last being velero/b: status.phase is "PartiallyFailed", not "Completed"`
	if diff := cmp.Diff(want, result.Reason); diff != "" {
		t.Error(diff)
	}
	if result.Outputs["objects"] != int64(2) {
		t.Error(result.Outputs["objects"])
	}
}

// TestNoErrorReadsAsNoBackupsOrAsAPass breaks the list in every way, on the first page and on the second.
func TestNoErrorReadsAsNoBackupsOrAsAPass(t *testing.T) {
	faults := map[string]struct {
		fault kubetest.Fault
		want  string
		again bool
	}{
		"forbidden":      {kubetest.Fault{Status: http.StatusForbidden}, "NOT_ALLOWED", false},
		"unauthorized":   {kubetest.Fault{Status: http.StatusUnauthorized}, "NOT_ALLOWED", false},
		"not found":      {kubetest.Fault{Status: http.StatusNotFound}, "NOT_INSTALLED", false},
		"throttled":      {kubetest.Fault{Status: http.StatusTooManyRequests}, "UNREACHABLE", true},
		"broken":         {kubetest.Fault{Status: http.StatusInternalServerError}, "UNREACHABLE", true},
		"by a proxy":     {kubetest.Fault{Status: http.StatusBadGateway, Plain: true}, "UNREACHABLE", true},
		"expired":        {kubetest.Fault{Status: http.StatusGone}, "UNREACHABLE", true},
		"cut":            {kubetest.Fault{Cut: 40}, "UNREACHABLE", true},
		"cut by a proxy": {kubetest.Fault{Cut: 40, Honest: true}, "UNREACHABLE", true},
		"bad request":    {kubetest.Fault{Status: http.StatusBadRequest}, "UNREADABLE", false},
	}
	many := make([]string, 600) // two pages
	for i := range many {
		many[i] = velero(fmt.Sprintf("b-%03d", i), "", "Completed", hour)
	}
	for name, tc := range faults {
		for page := 1; page <= 2; page++ {
			t.Run(fmt.Sprintf("%s on page %d", name, page), func(t *testing.T) {
				w := steptest.NewWorld(t)
				w.Kube.Add(veleroBackups, "Backup", many...)
				tc.fault.Path, tc.fault.Kth = "velero.io", page
				w.Kube.Fail(tc.fault)
				result, err := run(t, w, veleroWith(nil))
				if want := tc.want + "=unknown(backups.velero.io in velero)"; result.Verdict != steps.Unknown || names(result) != want {
					t.Errorf("verdict %s: %s", result.Verdict, names(result))
				}
				if _, told := result.Outputs["objects"]; told || (err != nil) != tc.again {
					t.Errorf("outputs %v, error %v", result.Outputs, err)
				}
			})
		}
	}
}

func TestNotInstalledIsNotNone(t *testing.T) {
	result, err := run(t, steptest.NewWorld(t), veleroWith(nil))
	if err != nil || result.Verdict != steps.Unknown || !strings.Contains(result.Reason, "not installed") {
		t.Errorf("%s %q, %v", result.Verdict, result.Reason, err)
	}
}

func TestAskedOfTheServer(t *testing.T) {
	w := steptest.NewWorld(t)
	w.Kube.Add(pods, "Pod")
	if _, err := run(t, w, map[string]any{"resource": "v1/pods", "namespace": "media", "selector": "app in (b, a)", "condition": "Ready"}); err != nil {
		t.Fatal(err)
	}
	want := kubetest.Request{Method: "GET", Path: "/api/v1/namespaces/media/pods", Query: "labelSelector=app+in+%28a%2Cb%29&limit=500"}
	if diff := cmp.Diff([]kubetest.Request{want}, w.Kube.Requests()); diff != "" {
		t.Error(diff)
	}
}
