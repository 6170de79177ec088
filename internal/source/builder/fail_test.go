package builder

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"plan/internal/errclass"
)

func TestFailuresShowWhatTheBuilderSaid(t *testing.T) {
	var long strings.Builder
	for i := range 30 {
		fmt.Fprintf(&long, "line %d\n", i)
	}
	built := rule{On: "build", Files: map[string]string{"--iidfile": id}}
	for name, tc := range map[string]struct {
		rules  []rule
		step   string
		want   []string
		denied bool
	}{
		"build": {[]rule{{On: "build", Out: long.String(), Err: "The command '/bin/sh -c false' returned a non-zero code: 1\x1b[2J\n", Exit: 7}}, stepBuild,
			[]string{"build /", ": docker ended with exit status 7; the last it said:\n  line 11\n", "\n  line 29\n", `code: 1\x1b[2J`}, false},
		"build in silence": {[]rule{{On: "build", Exit: 1}}, stepBuild, []string{"docker ended with exit status 1 and said nothing"}, false},
		"push denied": {[]rule{built, {On: "tag"}, {On: "push", Err: "a5b1eeb2ae9e: Retrying in 1 second\ndenied: requested access to the resource is denied\n", Exit: 1}}, stepPush,
			[]string{"push to " + repo + `: denied: log in as somebody who may push there with "docker login registry.example.net"; docker said:` + "\n  denied: requested access"}, true},
		"push without a login":    {[]rule{built, {On: "tag"}, {On: "push", Err: "no basic auth credentials\n", Exit: 1}}, stepPush, []string{"docker login registry.example.net"}, true},
		"push without TLS":        {[]rule{built, {On: "tag"}, {On: "push", Err: "http: server gave HTTP response to HTTPS client\n", Exit: 1}}, stepPush, []string{"insecure-registries in /etc/docker/daemon.json"}, false},
		"push to an unknown CA":   {[]rule{built, {On: "tag"}, {On: "push", Err: "x509: certificate signed by unknown authority\n", Exit: 1}}, stepPush, []string{"/etc/docker/certs.d/registry.example.net"}, false},
		"push for another reason": {[]rule{built, {On: "tag"}, {On: "push", Err: "disk full\n", Exit: 1}}, stepPush, []string{"push to " + repo + ": docker ended with exit status 1; the last it said:\n  disk full"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			m.has(Docker, append(engine(false), tc.rules...)...)
			dockerfile, _ := source(t)
			_, err := Build(t.Context(), Options{Dockerfile: dockerfile, Push: repo})
			e, ok := errors.AsType[*Error](err)
			if !ok || e.Step != tc.step || len(e.Lines) > 20 || e.Code < 1 {
				t.Fatalf("got %#v, %v", e, err)
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %v\nwant %s", err, want)
				}
			}
			if strings.Contains(err.Error(), "line 10\n") || strings.Contains(err.Error(), "Retrying") || strings.Contains(err.Error(), "\x1b") {
				t.Errorf("got %q", err)
			}
			if got := errclass.Classify(err); (got.Kind == errclass.Denied) != tc.denied {
				t.Errorf("%v is %+v", err, got)
			}
		})
	}
}

func TestAPushOfBuildxIsToldFromItsBuild(t *testing.T) {
	for name, tc := range map[string]struct {
		said   string
		step   string
		denied bool
	}{
		"by the engine": {"#9 pushing registry.example.net/team/app:plan-7ae78a336173 with docker\n#9 ERROR: denied\n------\n" +
			" > pushing registry.example.net/team/app:plan-7ae78a336173 with docker:\n------\nERROR: failed to build: denied", stepPush, true},
		"by the engine, to nobody": {"#7 0.2 permission denied\n#9 ERROR: x\n------\n > pushing registry.example.net/team/app:plan-7ae78a336173 with docker:\n------\n" +
			"ERROR: failed to build: dial tcp 127.0.0.1:1: connect: connection refused", stepPush, false},
		"by a container": {"ERROR: failed to solve: failed to push registry.example.net/team/app:plan-1: push access denied, repository does not exist or may require " +
			"authorization: server message: insufficient_scope: authorization failed", stepPush, true},
		"a base": {"ERROR: failed to solve: nobody/secret: pull access denied, repository does not exist or may require authorization", stepBuild, false},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			m.has(Docker, append(engine(true), rule{On: "buildx build", Err: tc.said + "\n", Exit: 1}, rule{On: "image rm"})...)
			dockerfile, _ := source(t)
			_, err := Build(t.Context(), Options{Dockerfile: dockerfile, Push: repo})
			if e, ok := errors.AsType[*Error](err); !ok || e.Step != tc.step || e.denied != tc.denied {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestNothingRunsWhereTheOptionsAreWrong(t *testing.T) {
	dockerfile, folder := source(t)
	ok := Options{Dockerfile: dockerfile, Context: folder, Push: repo}
	with := func(change func(*Options)) Options { o := ok; change(&o); return o }
	arg := func(name, value string) Options {
		return with(func(o *Options) { o.Args = map[string]string{name: value} })
	}
	for name, tc := range map[string]struct {
		o    Options
		want string
	}{
		"no Dockerfile":           {with(func(o *Options) { o.Dockerfile = "" }), "no Dockerfile is named"},
		"a missing Dockerfile":    {with(func(o *Options) { o.Dockerfile = folder + "/none" }), "none: no such file"},
		"a folder as Dockerfile":  {with(func(o *Options) { o.Dockerfile = folder }), "not a file"},
		"a missing context":       {with(func(o *Options) { o.Context = folder + "/none" }), "none: no such file"},
		"a file as context":       {with(func(o *Options) { o.Context = dockerfile }), "not a folder"},
		"nowhere to push":         {with(func(o *Options) { o.Push = "" }), "repository reference"},
		"no registry":             {with(func(o *Options) { o.Push = "team/app" }), "names no registry"},
		"a tag":                   {with(func(o *Options) { o.Push += ":1" }), "has a tag"},
		"another builder":         {with(func(o *Options) { o.Builder = "kaniko" }), `builder "kaniko": want auto, docker, podman, buildah`},
		"a flag as stage":         {with(func(o *Options) { o.Target = "--help" }), "not a name"},
		"blanks in the stage":     {with(func(o *Options) { o.Target = "a b" }), "not a name"},
		"an argument with =":      {arg("A=B", "x"), `"A=B"`},
		"an argument like a flag": {arg("-A", "x"), `"-A"`},
		"an argument like 1A":     {arg("1A", "x"), `"1A"`},
		"an argument of nothing":  {arg("", "x"), `""`},
		"an argument of docker":   {arg("DOCKER_HOST", "x"), "DOCKER_HOST: the builder itself reads"},
		"an argument of ld.so":    {arg("LD_PRELOAD", "x"), "LD_PRELOAD: the builder itself reads"},
		"PATH":                    {arg("PATH", "x"), "PATH: the builder itself reads"},
		"a zero byte":             {arg("A", "x\x00hunter2"), "A: its value has a zero byte"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			m.has(Docker)
			_, err := Build(t.Context(), tc.o)
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if calls := m.calls(); calls != nil {
				t.Errorf("something ran: %q", calls)
			}
		})
	}
	for _, name := range []string{"DOCKER_VERSION", "HTTP_PROXY", "BUILDKIT_INLINE_CACHE", "_a1"} {
		if err := checkArg(name, ""); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
