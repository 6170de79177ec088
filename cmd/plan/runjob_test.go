package main

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"
)

// call runs the program in this process.
func call(t *testing.T, args ...string) (code int, out, talk string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(args, strings.NewReader(""), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

// jobFolder is a working directory with sources of each sort.
func jobFolder(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"report/report.py": "print(1)\n", "report/k8s-startup.sh": "true\n", "app/Dockerfile": "FROM scratch\n", "other.dockerfile": "FROM scratch\n",
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	t.Setenv("KUBECONFIG", filepath.Join(dir, "nowhere"))
}

// words are a command line; what stands in quotes is one word.
func words(line string) (list []string) {
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			list = append(list, part)
		} else {
			list = append(list, strings.Fields(part)...)
		}
	}
	return list
}

// olderLines are lines that people have in their scripts for the job runner that plan replaces, and the same in plan's own words. A variable
// before a line is set for it.
var olderLines = map[string]string{
	"./report -- python report.py":                                              "./report -- python report.py",
	"./report --base-image python:3.13 -- python report.py":                     "./report --image python:3.13 -- python report.py",
	"./report --num 4 -- python -c 'print(1, 2)'":                               "./report --parallelism 4 -- python -c 'print(1, 2)'",
	"./report --timeout 2h --job-name nightly -- ./run":                         "dir:report --timeout 2h --name nightly -- ./run",
	"./report --num 3 --retry 2 -- ./run --retry 5":                             "./report --parallelism 3 --backoff-limit 2 -- ./run --retry 5",
	"./report --rm --job-name nightly -d -- ./run":                              "./report --replace --name nightly --detach -- ./run",
	"./report --rm -- ./run":                                                    "./report --replace -- ./run",
	"./report --mem 2Gi-8Gi --cpu 500m-2 -f -- ./run":                           "./report --memory 2Gi-8Gi --cpu 500m-2 --follow -- ./run",
	"./report --secret-job loader -- ./run":                                     "./report --secrets-of loader -- ./run",
	"./report --namespace work -- ./run":                                        "./report -n work -- ./run",
	"K8R_NAMESPACE=work ./report -- ./run":                                      "./report -n work -- ./run",
	"K8R_NAMESPACE=other ./report --namespace work -- ./run":                    "./report -n work -- ./run",
	"./report --insecure -- ./run":                                              "./report --insecure-skip-tls-verify -- ./run",
	"nginx:1.27 --as-deployment --num 2":                                        "image:nginx:1.27 --workload deployment --parallelism 2",
	"registry.example.net/team/app@sha256:" + digits + " --num 2":               "registry.example.net/team/app@sha256:" + digits + " --parallelism 2",
	"https://github.com/team/tool --base-image golang:1.26 -- go test ./...":    "git:https://github.com/team/tool --image golang:1.26 -- go test ./...",
	"https://gitlab.com/group/sub/tool.git --num 2 -- ./run":                    "https://gitlab.com/group/sub/tool.git --parallelism 2 -- ./run",
	"git@git.example.net:team/tool.git -- ./run":                                "git:git@git.example.net:team/tool.git -- ./run",
	"ssh://git@git.example.net:2222/team/tool.git -- ./run":                     "git:ssh://git@git.example.net:2222/team/tool.git -- ./run",
	"K8R_REGISTRY=r.example.net K8R_PROJECT=team app/Dockerfile --num 2":        "app/Dockerfile --push r.example.net/team/app --parallelism 2",
	"K8R_REGISTRY=r.example.net K8R_PROJECT=team other.dockerfile --job-name x": "other.dockerfile --push r.example.net/team/x --name x",
	"K8R_REGISTRY=a K8R_PROJECT=b app/Dockerfile --push r.example.net/app":      "dockerfile:app/Dockerfile --push r.example.net/app",
}

const digits = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// TestOlderLinesMeanWhatTheyMeant compares the plans that the two spellings of a line come to.
func TestOlderLinesMeanWhatTheyMeant(t *testing.T) {
	for _, older := range slices.Sorted(maps.Keys(olderLines)) {
		t.Run(older, func(t *testing.T) {
			jobFolder(t)
			show := func(line string) string {
				list := words(line)
				for strings.Contains(list[0], "=") {
					name, value, _ := strings.Cut(list[0], "=")
					t.Setenv(name, value)
					list = list[1:]
				}
				code, out, talk := call(t, append([]string{"run", "job", "--show-plan"}, list...)...)
				if code != 0 {
					t.Fatalf("%s: exit code %d: %s", line, code, talk)
				}
				return out
			}
			want := show(olderLines[older])
			if diff := cmp.Diff(want, show(older)); diff != "" {
				t.Errorf("it is another plan than that of %s:\n%s", olderLines[older], diff)
			}
		})
	}
}

func TestOlderPreviewIsTheManifestsAsYAML(t *testing.T) {
	jobFolder(t)
	_, want, _ := call(t, "run", "job", "./report", "--dry-run=client", "-o", "yaml", "--", "./run")
	code, got, _ := call(t, "run", "job", "./report", "--show-yaml", "--", "./run")
	if diff := cmp.Diff(want, got); diff != "" || code != 0 || !strings.Contains(got, "\nkind: Job\n") {
		t.Errorf("exit code %d: %s", code, diff)
	}
}

func TestTwoSpellingsOfAFlagWithTwoValuesAreRefused(t *testing.T) {
	jobFolder(t)
	for line, says := range map[string]string{
		"--num 2 --parallelism 3":        "--num is another name of --parallelism",
		"--base-image a --image b":       "--base-image is another name of --image",
		"--job-name a --name b":          "--job-name is another name of --name",
		"--retry 1 --backoff-limit 0":    "--retry is another name of --backoff-limit",
		"--mem 1Gi --memory 2Gi":         "--mem is another name of --memory",
		"--secret-job a --secrets-of b":  "--secret-job is another name of --secrets-of",
		"--rm --replace=false --name x":  "--rm is another name of --replace",
		"--as-deployment --workload job": "--as-deployment is another name of --workload",
		"--show-yaml --dry-run=server":   "--show-yaml is --dry-run=client -o yaml",
		"--show-yaml -o json":            "--show-yaml is --dry-run=client -o yaml",
	} {
		code, out, talk := call(t, append([]string{"run", "job", "./report", "--show-plan"}, strings.Fields(line)...)...)
		if code != 2 || !strings.Contains(out+talk, says) {
			t.Errorf("%s: exit code %d, %s%s", line, code, out, talk)
		}
	}
	if code, _, talk := call(t, "run", "job", "./report", "--num", "2", "--parallelism", "2", "--show-plan"); code != 0 {
		t.Errorf("two spellings with one value: exit code %d: %s", code, talk)
	}
}

// Every field of the kind has a flag, or it is known why not.
func TestEveryFieldOfAJobIsAFlagOrSaysWhyNot(t *testing.T) {
	kind, _ := kindNamed(jobKind)
	seen := map[string]bool{}
	for _, f := range jobFields(kind) {
		if seen[f.flag] || commonFlags()[f.flag] {
			t.Errorf("the flag --%s is there twice", f.flag)
		}
		seen[f.flag] = true
		if f.help == "" {
			t.Errorf("--%s has no help", f.flag)
		}
		if strings.HasPrefix(f.flag, "source-") {
			t.Errorf("--%s: give it a short name in jobFlagNames", f.flag)
		}
	}
	known := map[string]bool{}
	for _, f := range kindFields(kind) {
		known[strings.Join(f.path, ".")] = true
	}
	for path := range jobFlagNames {
		if !known[path] {
			t.Errorf("jobFlagNames has %s, which is no field", path)
		}
	}
	if n := len(gjson.GetBytes(kind.Schema, "properties").Map()); n < 30 {
		t.Errorf("only %d fields found", n)
	}
}

func TestWordsBehindTheDashesAreTheCommands(t *testing.T) {
	for _, c := range []struct{ line, own, command string }{
		{"run job ./x -- a -- b", "run job ./x", "a -- b"},
		{"run run-job ./x --", "run run-job ./x", ""},
		{"run job ./x", "run job ./x", "none"},
		{"run list-pvs -- a", "run list-pvs -- a", "none"},
		{"explain -- a", "explain -- a", "none"},
	} {
		own, command := splitCommand(strings.Fields(c.line))
		got := "none"
		if command != nil {
			got = strings.Join(command, " ")
		}
		if strings.Join(own, " ") != c.own || got != c.command {
			t.Errorf("%s: %q and %q", c.line, own, command)
		}
	}
}
