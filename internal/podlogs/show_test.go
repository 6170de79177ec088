package podlogs_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"plan/internal/kube/kubetest"
	"plan/internal/podlogs"
)

func TestPrefixesTellContainersApart(t *testing.T) {
	const one, two, first = `"containers":[{"name":"main"}]`, `"containers":[{"name":"main"},{"name":"side"}]`, `"initContainers":[{"name":"unpack"}],`
	for name, tc := range map[string]struct{ pod, spec, container, want string }{
		"a pod of a Job":             {"nightly-x7k2p", one, "main", "[x7k2p] hi"},
		"of an indexed Job":          {"nightly-3-x7k2p", one, "main", "[3-x7k2p] hi"},
		"of a Deployment":            {"nightly-7d4b9c6f5-x7k2p", one, "main", "[7d4b9c6f5-x7k2p] hi"},
		"of something else":          {"weekly-x7k2p", one, "main", "[weekly-x7k2p] hi"},
		"of the workload's own name": {"nightly", one, "main", "[nightly] hi"},
		"behind an init container":   {"nightly-x7k2p", first + one, "main", "[x7k2p] hi"},
		"an init container":          {"nightly-x7k2p", first + one, "unpack", "[x7k2p unpack] hi"},
		"one of several":             {"nightly-x7k2p", two, "side", "[x7k2p side] hi"},
		"a name that no server has":  {"nightly-x\\u001b[2J] [y", one, "main", `[plan: log of nightly-x\x1b[2J] [y/main has a gap from its beginning: the pod is gone]`},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			s := kubetest.New(t)
			synctest.Test(t, func(t *testing.T) {
				s.Drop()
				kind := "container"
				if tc.container == "unpack" {
					kind = "initContainer"
				}
				state := podlogs.StateOf([]byte(`{"metadata":{"name":"`+tc.pod+`","uid":"u"},"spec":{`+tc.spec+`},"status":{"`+kind+`Statuses":[{"name":"`+tc.container+`","state":{"running":{}},"containerID":"a"}]}}`), false)
				log := s.Log("jobs", state.Name, tc.container)
				log.Start()
				log.Write(at(0), "hi")
				f := podlogs.Follow(t.Context(), client(t, s), "jobs", podlogs.Options{Workload: "nightly", Line: func(l podlogs.Line) { got = append(got, l.String()) }})
				f.Pod(state)
				synctest.Wait()
				if err := f.Wait(t.Context()); err != nil {
					t.Error(err)
				}
			})
			if diff := cmp.Diff([]string{tc.want}, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestALineCannotBeMoreThanALine: no terminal is steered, no other line is forged, and no CI system finds a command, wherever it looks.
func TestALineCannotBeMoreThanALine(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"GitHub":             {"::error::owned", "[a] ::error::owned"},
		"GitHub, version 1":  {"##[add-path]/tmp", `[a] #\x23[add-path]/tmp`},
		"Azure":              {"##vso[task.complete]", `[a] #\x23vso[task.complete]`},
		"a prefix":           {"[b] not mine", "[a] [b] not mine"},
		"a notice":           {"[plan: all is well]", "[a] [plan: all is well]"},
		"a carriage return":  {"1%\r[b] not mine", `[a] 1%\r[b] not mine`},
		"a line of Windows":  {"hello\r", "[a] hello"},
		"a screen":           {"\x1b[2J\x1b[H$ ", `[a] \x1b[2J\x1b[H$ `},
		"nothing":            {"", "[a]"},
		"columns":            {"a\tb", "[a] a\tb"},
		"what is not UTF-8":  {"a\xff\x00b", `[a] a\xff\x00b`},
		"from right to left": {"\u202egnp.exe", `[a] \u202egnp.exe`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := (podlogs.Line{Prefix: "[a]", Text: tc.text}).String(); got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
	notice := podlogs.Line{Prefix: "[a]", Notice: "it says: x\n::error::\x1b[2J"}.String()
	if want := `[plan: it says: x\n::error::\x1b[2J]`; notice != want {
		t.Errorf("notice %s, want %s", notice, want)
	}
}

// FuzzLine: a line is one line behind its prefix, whatever is in it.
func FuzzLine(f *testing.F) {
	for _, s := range []string{"", "one", "::error::x", "  ::set-output name=a::b", "##[error]x", "##vso[x]", "\r", "a\rb\r", "[b] x", "\x1b]0;x\a", "a\nb"} {
		f.Add(s, 0)
	}
	f.Add("cut", 17)
	f.Fuzz(func(t *testing.T, text string, cut int) {
		got := podlogs.Line{Prefix: "[a]", Text: text, Cut: cut}.String()
		if rest, ok := strings.CutPrefix(got, "[a]"); !ok || rest != "" && rest[0] != ' ' {
			t.Fatalf("%q", got)
		}
		if strings.ContainsAny(got, "\n\r\x1b\x00") || strings.Contains(got, "##[") || strings.Contains(got, "##vso[") {
			t.Fatalf("%q", got)
		}
	})
}
