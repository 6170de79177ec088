package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"plan/internal/bundle/bundletest"
)

// lay writes files into a folder.
func lay(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestGeneratedBundles makes bundles of plans of all kinds and judges them as an API server would. PLAN_BUNDLES is their number, 300 when it is
// not set: half of them the same each time, half from a seed that is printed.
func TestGeneratedBundles(t *testing.T) {
	t.Parallel()
	n, seed := uint64(300), rand.Uint64()
	for name, to := range map[string]*uint64{"PLAN_BUNDLES": &n, "PLAN_BUNDLES_SEED": &seed} {
		if v := os.Getenv(name); v != "" {
			var err error
			if *to, err = strconv.ParseUint(v, 10, 64); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
	fmt.Printf("bundles: PLAN_BUNDLES_SEED=%d\n", seed)
	for i := range n {
		from := uint64(1)
		if i%2 == 1 {
			from = seed
		}
		c := bundletest.Generate(rand.New(rand.NewPCG(from, i)))
		dir := filepath.Join(t.TempDir(), "a", "b", "c")
		lay(t, dir, c.Files)
		lay(t, dir, map[string]string{"plan.yaml": string(c.Plan)})
		args := append([]string{"cronjob", filepath.Join(dir, "plan.yaml"), "-o", "json"}, c.Flags...)
		var out, talk, again bytes.Buffer
		if code := run(args, strings.NewReader(""), &out, &talk); code != 0 {
			t.Fatalf("%q of seed %d, number %d: exit code %d\n%s%s\nof the plan\n%s", args, from, i, code, out.String(), talk.String(), c.Plan)
		}
		if err := bundletest.Check(out.Bytes(), c.Host); err != nil {
			t.Fatalf("%q of seed %d, number %d: %v\nof the plan\n%s", args, from, i, err, c.Plan)
		}
		if i%10 == 0 && (run(args, strings.NewReader(""), &again, &talk) != 0 || !bytes.Equal(out.Bytes(), again.Bytes())) {
			t.Fatalf("%q of seed %d, number %d gives two bundles", args, from, i)
		}
	}
}

// withDirectories is a plan in a folder, which packs that folder, one in it, one beside it, and one that its matrix names.
const withDirectories = `apiVersion: plan/v1
kind: Plan
metadata: {name: directories}
spec:
  steps:
    - {id: here, uses: run-job, with: {source: {directory: {path: ., exclude: [big]}}, command: [a]}}
    - {id: below, uses: run-job, with: {source: {directory: {path: ./jobs/report/}}, command: [a]}}
    - {id: beside, uses: run-job, with: {source: {directory: {path: ../tool, include: [.env.production]}}, command: [a]}}
    - {id: each, uses: run-job, matrix: {job: [a, b]}, with: {source: {directory: {path: "jobs/${{ matrix.job }}"}}, command: [a]}}
`

// TestAPodRunsWhatItWouldRunHere: what its init container makes of the bundle gives the same manifests, packed sources and all.
func TestAPodRunsWhatItWouldRunHere(t *testing.T) {
	dir := t.TempDir()
	plan := filepath.Join(dir, "plans", "nightly.yaml")
	lay(t, dir, map[string]string{
		"plans/nightly.yaml": withDirectories, "plans/big": "left out", "plans/.gitignore": "*.log\n!keep.log\n", "plans/x.log": "no", "plans/keep.log": "yes",
		"plans/jobs/report/k8s-startup.sh": "true\n", "plans/jobs/report/.planignore": "tmp\n", "plans/jobs/report/tmp/x": "no", "plans/jobs/report/bin/tool": "#!/bin/sh\n",
		"plans/jobs/a/x": strings.Repeat("a", 1000), "plans/jobs/b/x": "b", "tool/.env.production": "brought in", "tool/.env": "left out", "tool/run.sh": "true\n",
	})
	folder := filepath.Join(dir, "plans", "jobs", "report")
	for _, err := range []error{
		os.Chmod(filepath.Join(folder, "bin", "tool"), 0o755), os.Symlink("bin/tool", filepath.Join(folder, "link")), os.MkdirAll(filepath.Join(folder, "empty"), 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	bundle := manifestsOf(t, "cronjob", plan, "--schedule", "@daily", "--image", "plan:1", "-n", "backups")
	pod := bundle.clock.Spec.JobTemplate.Spec.Template.Spec
	parts, work := filepath.Join(dir, "parts"), filepath.Join(dir, "work")
	for _, m := range bundle.maps {
		lay(t, parts, m.Data)
		for name, data := range m.BinaryData {
			lay(t, parts, map[string]string{name: string(data)})
		}
	}
	if err := os.Mkdir(work, 0o755); err != nil {
		t.Fatal(err)
	}
	here := map[string]string{"/parts": parts, "/work": work}
	init := slices.Clone(pod.InitContainers[0].Args)
	for i, arg := range init {
		if here[arg] != "" {
			init[i] = here[arg]
		}
	}
	var out, talk bytes.Buffer
	if code := run(init, strings.NewReader(""), &out, &talk); code != 0 {
		t.Fatalf("%q: exit code %d: %s", init, code, talk.String())
	}
	inPod := filepath.Join(work, strings.TrimPrefix(pod.Containers[0].Args[1], "/work"))
	want := rendering(t, plan)
	if got := rendering(t, inPod); got != want || !strings.Contains(want, "k8s-startup.sh") {
		t.Errorf("a pod would make\n%s\nand here it is\n%s", got, want)
	}
}

// rendering is what the plan would make.
func rendering(t *testing.T, plan string) string {
	t.Helper()
	var out, talk bytes.Buffer
	if code := run([]string{"apply", plan, "--dry-run=client", "-o", "yaml", "-n", "backups"}, strings.NewReader(""), &out, &talk); code != 0 {
		t.Fatalf("render %s: exit code %d: %s", plan, code, talk.String())
	}
	return out.String()
}

// manifests are those of a bundle that tests look at.
type manifests struct {
	maps  []*corev1.ConfigMap
	clock *batchv1.CronJob
}

func manifestsOf(t *testing.T, args ...string) (m manifests) {
	t.Helper()
	var out, talk bytes.Buffer
	if code := run(append(args, "-o", "json"), strings.NewReader(""), &out, &talk); code != 0 {
		t.Fatalf("%q: exit code %d: %s", args, code, talk.String())
	}
	var list bundletest.List
	if err := json.Unmarshal(out.Bytes(), &list); err != nil {
		t.Fatal(err)
	}
	for _, item := range list.Items {
		var o corev1.ConfigMap
		if err := json.Unmarshal(item, &o.TypeMeta); err != nil {
			t.Fatal(err)
		}
		var err error
		switch o.Kind {
		case "ConfigMap":
			err = json.Unmarshal(item, &o)
			m.maps = append(m.maps, &o)
		case "CronJob":
			m.clock = &batchv1.CronJob{}
			err = json.Unmarshal(item, m.clock)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// TestWhatEverybodyMaySee lists the fields that take a value from outside which is no secret: --env may give it, and it then stands in a manifest.
func TestWhatEverybodyMaySee(t *testing.T) {
	lang, err := newLanguage()
	if err != nil {
		t.Fatal(err)
	}
	definitions := []string{"cluster", "store", "step"}
	for name := range lang.kinds {
		definitions = append(definitions, "kind."+name)
	}
	b := &bundling{session: &session{loaded: &loaded{lang: lang}}}
	var got []string
	for _, definition := range definitions {
		for _, p := range lang.Properties(definition) {
			if b.public(definition, p.Name()) {
				got = append(got, definition+" "+p.Name())
			}
		}
	}
	slices.Sort(got)
	want := []string{
		"kind.run-job source.git.credentials.knownHosts", "kind.run-job source.git.credentials.username", "store s3.bucket", "store s3.endpoint", "store s3.region",
	}
	if !slices.Equal(got, want) {
		t.Errorf("public are %q", got)
	}
}
