package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"
	"gopkg.in/yaml.v3"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"pgregory.net/rapid"

	"plan/steps"
	"plan/steps/all"
)

// doorbell is a server that counts who comes.
func doorbell(t *testing.T) (address string, rung *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	rung = &atomic.Int32{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			rung.Add(1)
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String(), rung
}

// everywhere is a plan that a run of would ask everybody for.
const everywhere = `apiVersion: plan/v1
kind: Plan
metadata: {name: everywhere}
spec:
  cluster: {expectUID: 5f0c1c9e-3b0a-4b0e-9a53-0d8f6f2d7c11}
  secrets: {bitwarden: {serverURL: "https://@DOOR@", accessToken: {from: {kubernetes: {namespace: a, name: b, key: c}}}}}
  stores: {main: {s3: {endpoint: "https://@DOOR@", bucket: b, region: r}}}
  concurrency: {group: g}
  steps:
    - {id: pvs, uses: backup-pvs}
    - id: directory
      uses: run-job
      with:
        source: {directory: {path: report, transport: image, push: "@DOOR@/team/report"}}
        command: [sh, report.py]
        env: {TOKEN: {from: {bitwarden: {id: 11111111-1111-4111-8111-111111111111}}}, KEY: "${{ steps.pvs.outputs.key }}"}
        secrets: [{name: db, from: {password: {kubernetes: {namespace: a, name: b, key: c}}}}]
        secretsOf: another
    - {id: git, uses: run-job, with: {source: {git: {url: "https://@DOOR@/team/tool.git", ref: main}}}}
    - {id: clone, uses: run-job, with: {source: {git: {url: "https://@DOOR@/team/tool.git", fetch: pod}}}}
    - {id: build, uses: run-job, with: {source: {dockerfile: {path: app/Dockerfile, push: "@DOOR@/team/app"}}}}
    - {id: image, uses: run-job, with: {source: {image: "@DOOR@/team/app:1"}, workload: deployment}}
  finally:
    - {id: ping, uses: notify, with: {url: {from: {env: NOT_SET}}}}
`

// TestDryRunNeverCallsTheCluster: nor any other server, whatever the plan names.
func TestDryRunNeverCallsTheCluster(t *testing.T) {
	jobFolder(t)
	door, rung := doorbell(t)
	files := map[string]string{
		"plan.yaml": strings.ReplaceAll(everywhere, "@DOOR@", door),
		"kubeconfig": `{apiVersion: v1, kind: Config, current-context: a, clusters: [{name: a, cluster: {server: "https://` + door + `"}}],
  contexts: [{name: a, context: {cluster: a, user: a, namespace: work}}], users: [{name: a, user: {}}]}`,
	}
	for name, text := range files {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("KUBECONFIG", "kubeconfig")
	for _, proxy := range []string{"HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"} {
		t.Setenv(proxy, "http://"+door)
	}
	for _, args := range [][]string{
		{"apply", "plan.yaml", "--dry-run=client", "-o", "yaml"},
		{"apply", "plan.yaml", "--dry-run=client", "-o", "json"},
		{"apply", "plan.yaml", "--dry-run=client"},
		{"run", "job", "https://" + door + "/team/tool.git", "--show-yaml", "--", "./run"},
		{"run", "job", "app/Dockerfile", "--push", door + "/team/app", "--show-yaml"},
		{"secret", "set", "db", "--from-file", "report/report.py", "--dry-run=client", "-o", "yaml"},
	} {
		code, out, talk := call(t, args...)
		if code != 0 || !strings.Contains(out, "work") {
			t.Errorf("plan %s: exit code %d: %s\n%s", strings.Join(args, " "), code, talk, out)
		}
	}
	if n := rung.Load(); n != 0 {
		t.Errorf("%d connections were opened", n)
	}
}

// documentsOf reads manifests as kubectl does.
func documentsOf(t *testing.T, text string) (list []map[string]any) {
	t.Helper()
	decoder := utilyaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096)
	for {
		var object map[string]any
		err := decoder.Decode(&object)
		if err == io.EOF {
			return list
		}
		if err != nil {
			t.Fatalf("kubectl could not read it: %v\n%s", err, text)
		}
		if object != nil {
			list = append(list, object)
		}
	}
}

// TestARunSendsWhatTheDryRunShows: but for owners, the values of Secrets, and what the server adds.
func TestARunSendsWhatTheDryRunShows(t *testing.T) {
	w := atHome(t, map[string]string{"run.sh": "true\n"})
	t.Setenv("TOKEN", "tokenvalue")
	args := []string{"run", "job", ".", "--run-id", "one", "--detach", "--env-from", "TOKEN=env:TOKEN", "--secret", "db.password=env:TOKEN"}
	code, shown, talk := call(t, append(args, "--dry-run=client", "-o", "yaml", "--", "sh", "run.sh")...)
	if code != 0 {
		t.Fatal(talk)
	}
	var posted []map[string]any
	w.kube.React = func(verb, _ string, object map[string]any) error {
		if verb == "create" {
			posted = append(posted, copied(object))
		}
		return nil
	}
	if code, out, talk := call(t, append(args, "--", "sh", "run.sh")...); code != 0 {
		t.Fatalf("exit code %d: %s%s", code, out, talk)
	}
	want, got := map[string]any{}, map[string]any{}
	for _, o := range documentsOf(t, shown) {
		delete(o["metadata"].(map[string]any)["annotations"].(map[string]any), "plan/redacted")
		want[kindAndName(o)] = o
	}
	for _, o := range posted {
		for _, field := range []string{"uid", "creationTimestamp", "ownerReferences"} {
			delete(o["metadata"].(map[string]any), field)
		}
		if data, _ := o["data"].(map[string]any); o["kind"] == "Secret" && len(data) != 1 {
			t.Errorf("%s has %d keys", kindAndName(o), len(data))
		}
		delete(o, "data")
		got[kindAndName(o)] = o
	}
	if diff := cmp.Diff(want, got); diff != "" || len(want) != 4 {
		t.Errorf("%d objects; a run sends something else:\n%s", len(want), diff)
	}
}

func kindAndName(o map[string]any) string {
	return o["kind"].(string) + " " + o["metadata"].(map[string]any)["name"].(string)
}

// copied is an object as it is now.
func copied(object map[string]any) (out map[string]any) {
	text, err := json.Marshal(object)
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		panic(err) // it came as JSON
	}
	return out
}

// TestADotIsTheWorkingDirectory: what is packed is what lies where the command is given.
func TestADotIsTheWorkingDirectory(t *testing.T) {
	jobFolder(t)
	t.Chdir("report")
	for _, dot := range []string{".", "./", "../report"} {
		code, out, talk := call(t, "run", "job", dot, "--dry-run=client", "-o", "yaml", "--", "sh", "report.py")
		if code != 0 {
			t.Fatal(talk)
		}
		part, err := base64.StdEncoding.DecodeString(gjson.GetBytes(first(t, out), "binaryData.part-0000").String())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"k8s-startup.sh", "report.py"}, filesOf(t, part)); diff != "" {
			t.Errorf("%s packs something else: %s", dot, diff)
		}
	}
}

// filesOf are the names in an archive.
func filesOf(t *testing.T, packed []byte) (names []string) {
	t.Helper()
	unzipped, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	for archive := tar.NewReader(unzipped); ; {
		header, err := archive.Next()
		if err == io.EOF {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Typeflag == tar.TypeReg {
			names = append(names, strings.TrimPrefix(header.Name, "./"))
		}
	}
}

func first(t *testing.T, text string) []byte {
	t.Helper()
	data, err := json.Marshal(documentsOf(t, text)[0])
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestAnHourAndAHalfIsADuration, and what is none is told before anything is done.
func TestAnHourAndAHalfIsADuration(t *testing.T) {
	jobFolder(t)
	code, out, talk := call(t, "run", "job", "./report", "--timeout", "1h30m", "--dry-run=client", "-o", "yaml", "--", "./run")
	if code != 0 || !strings.Contains(out, "activeDeadlineSeconds: 5460\n") { // and a minute that the cluster waits longer
		t.Errorf("exit code %d: %s\n%s", code, talk, out)
	}
	for _, bad := range []string{"90", "1h 30m", "1.5h", "-1h", "30m1h"} {
		if code, _, talk := call(t, "run", "job", "./report", "--timeout="+bad, "--show-plan"); code != 2 || !strings.Contains(talk, "--timeout") {
			t.Errorf("%q: exit code %d: %s", bad, code, talk)
		}
	}
}

// anything is a value of an object, of some depth.
func anything(text *rapid.Generator[string], depth int) *rapid.Generator[any] {
	all := []*rapid.Generator[any]{
		text.AsAny(), rapid.Int64().AsAny(), rapid.Bool().AsAny(), rapid.Just[any](nil),
		rapid.SampledFrom([]float64{0.5, -1e-9, 1e21, 3, 1.7976931348623157e308}).AsAny(),
	}
	if depth > 0 {
		inner := anything(text, depth-1)
		all = append(all, rapid.SliceOfN(inner, 0, 3).AsAny(), rapid.MapOfN(text, inner, 0, 3).AsAny())
	}
	return rapid.OneOf(all...)
}

// Whatever stands in objects, their YAML says the same as their JSON, to the readers that kubectl has and to ours.
func TestManifestsSayWhatTheObjectsDo(t *testing.T) {
	text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[ \n\t#:'"&*!|>%@{}\[\],?-]{0,12}`), rapid.StringMatching(`([a-z -]{0,9}\n){1,4}[a-z ]{0,3}`),
		rapid.Just(strings.Repeat("long ", 300)), rapid.SampledFrom([]string{
			"yes", "no", "on", "off", "y", "n", "~", "null", "0x1F", "1e3", "0123", "1_000", "12:30:45", ".inf", "=", "<<", "---", "...",
			"\n", " a\n b\n", "a\n\n", "a\n---\nb", "\u2028", "\ufeff", "\U0001f600", "2001-01-01", "!!binary x", "\x00", "\x1b[31m", "\u202e", "<&>",
		}))
	rapid.Check(t, func(t *rapid.T) {
		object := map[string]any{"kind": "X", "a": anything(text, 3).Draw(t, "a"), text.Draw(t, "key"): anything(text, 3).Draw(t, "b")}
		data, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		var want any
		if err := json.Unmarshal(data, &want); err != nil {
			t.Fatal(err)
		}
		written, err := manifest(object)
		if err != nil {
			t.Fatal(err)
		}
		var ours any
		if err := yaml.Unmarshal(written, &ours); err != nil {
			t.Fatalf("we could not read it: %v\n%s", err, written)
		}
		twice := fmt.Sprintf("---\n%s---\n%s", written, written)
		decoder := utilyaml.NewYAMLOrJSONDecoder(strings.NewReader(twice), 4096)
		for range 2 {
			var got any
			if err := decoder.Decode(&got); err != nil {
				t.Fatalf("kubectl could not read it: %v\n%s", err, twice)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%s\n%s", diff, written)
			}
		}
		if bytes.ContainsAny(written, "\x00\x1b\x7f\u202e") {
			t.Fatalf("a terminal would obey it: %q", written)
		}
	})
}

// TestKindsThatMakeObjectsSayWhatCannotWait: what others render would not be shown.
func TestKindsThatMakeObjectsSayWhatCannotWait(t *testing.T) {
	for _, kind := range all.Kinds() {
		action := kind.New()
		objects, err := action.Render(steps.Scope{Plan: "p", Run: "r", Step: "s", Attempt: 1})
		if makes := len(objects) > 0 || err != nil; makes != (kind.Early != nil) {
			t.Errorf("%s: it makes objects: %t (%v); it tells what cannot wait for the run: %t", kind.Name, makes, err, kind.Early != nil)
		}
	}
}

func TestUnknownsAreFoundToTheirClosingBracket(t *testing.T) {
	for text, want := range map[string][]string{
		"":                                  nil,
		"plain":                             nil,
		"UNKNOWN(a)":                        {"UNKNOWN(a)"},
		"x UNKNOWN(f(a)) y UNKNOWN(b) z":    {"UNKNOWN(f(a))", "UNKNOWN(b)"},
		"--of=UNKNOWN(steps.a.outputs.n[0]": {"UNKNOWN(steps.a.outputs.n[0]"},
	} {
		if diff := cmp.Diff(want, marked(text)); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}
