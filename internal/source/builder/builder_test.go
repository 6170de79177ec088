package builder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	ggcr "github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// conversation is a build that goes well.
type conversation struct {
	tool     string
	rules    []rule
	insecure bool
	version  string
	want     []string
}

func conversations() map[string]conversation {
	built := func(on string) rule {
		return rule{On: on, Out: "step 1\n", Err: "step 2\n", Files: map[string]string{"--iidfile": id}}
	}
	pushed := func(on string) rule {
		return rule{On: on, Out: "pushed\n", Files: map[string]string{"--digestfile": digest + "\n"}}
	}
	flags := "--file DOCKERFILE --target=last --build-arg A --build-arg SECRET CONTEXT"
	return map[string]conversation{
		"docker": {Docker, append(engine(false), built("build"), rule{On: "tag"}, rule{On: "push"},
			rule{On: "image inspect", Out: `["elsewhere@` + id + `","` + repo + `@` + digest + `"]` + "\n"}), false, "20.10.24", []string{
			"docker --version", "docker version --format {{.Server.Version}}", "docker buildx version",
			"docker build --iidfile TMP/id " + flags, "docker tag " + id + " " + repo + ":plan-111111111111", "docker push " + repo + ":plan-111111111111",
			"docker image inspect --format {{json .RepoDigests}} " + id}},
		"buildx": {Docker, append(engine(true), rule{On: "buildx build", Files: map[string]string{"--metadata-file": `{"containerimage.digest":"` + digest + `"}`}}, rule{On: "image rm", Exit: 1}),
			false, "20.10.24 with buildx v0.30.1", []string{
				"docker --version", "docker version --format {{.Server.Version}}", "docker buildx version",
				"docker buildx build --metadata-file TMP/metadata.json --tag " + repo + ":plan-RANDOM --push " + flags, "docker image rm --no-prune " + repo + ":plan-RANDOM"}},
		"buildx, insecure": {Docker, append(engine(true), rule{On: "buildx build", Files: map[string]string{"--metadata-file": `{"containerimage.digest":"` + digest + `"}`}}, rule{On: "image rm"}),
			true, "20.10.24 with buildx v0.30.1", []string{
				"docker --version", "docker version --format {{.Server.Version}}", "docker buildx version",
				"docker buildx build --metadata-file TMP/metadata.json --output type=image,name=" + repo + ":plan-RANDOM,push=true,registry.insecure=true " + flags,
				"docker image rm --no-prune " + repo + ":plan-RANDOM"}},
		"podman": {Podman, []rule{{On: "info", Out: "4.3.1\n"}, built("build"), pushed("push")}, true, "4.3.1", []string{
			"podman info --format {{.Version.Version}}", "podman build --iidfile TMP/id " + flags,
			"podman push --digestfile TMP/digest --tls-verify=false " + id + " docker://" + repo + ":plan-111111111111"}},
		"podman by the name of docker": {Docker, []rule{{On: "--version", Out: "podman version 4.3.1\n"}, {On: "info", Out: "4.3.1\n"}, built("build"), pushed("push")}, false, "4.3.1", []string{
			"docker --version", "docker info --format {{.Version.Version}}", "docker build --iidfile TMP/id " + flags,
			"docker push --digestfile TMP/digest " + id + " docker://" + repo + ":plan-111111111111"}},
		"buildah": {Buildah, []rule{{On: "--version", Out: "buildah version 1.28.2 (image-spec 1.0.2-dev)\n"}, {On: "bud", Files: map[string]string{"--iidfile": id[7:]}}, pushed("push")}, false, "1.28.2", []string{
			"buildah --version", "buildah bud --iidfile TMP/id " + flags, "buildah push --digestfile TMP/digest " + id + " docker://" + repo + ":plan-111111111111"}},
	}
}

func TestEachBuilderIsCalledInItsOwnWords(t *testing.T) {
	for name, tc := range conversations() {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			m.has(tc.tool, tc.rules...)
			dockerfile, folder := source(t)
			o := Options{Dockerfile: dockerfile, Context: folder, Target: "last", Args: map[string]string{"SECRET": "hunter2", "A": "1 2"}, Push: repo, Insecure: tc.insecure}
			got, err := Build(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			kind := tc.tool
			if strings.HasPrefix(name, "podman") {
				kind = Podman
			}
			if diff := cmp.Diff(Result{Image: repo + "@" + digest, Builder: kind, Version: tc.version}, got); diff != "" {
				t.Errorf("result, -want +got:\n%s", diff)
			}
			calls := m.calls(dockerfile, "DOCKERFILE", folder, "CONTEXT")
			for i := range calls {
				calls[i] = randomTag.ReplaceAllString(calls[i], "plan-RANDOM")
			}
			want := slices.Clone(tc.want)
			for i := range want {
				want[i] = randomTag.ReplaceAllString(want[i], "plan-RANDOM")
			}
			if diff := cmp.Diff(want, calls); diff != "" {
				t.Errorf("calls, -want +got:\n%s", diff)
			}
			secretsAreForTheBuildAlone(t, m.raw())
		})
	}
}

var randomTag = regexp.MustCompile(`plan-[0-9a-f]{12}`)

func secretsAreForTheBuildAlone(t *testing.T, calls []call) {
	t.Helper()
	for _, c := range calls {
		if strings.Contains(strings.Join(c.Args, "\n"), "hunter2") {
			t.Errorf("a value is on the command line: %q", c.Args)
		}
		builds := slices.Contains(c.Args, "--build-arg")
		if slices.Contains(c.Env, "SECRET=hunter2") != builds || slices.Contains(c.Env, "A=1 2") != builds {
			t.Errorf("%q: the values are in its environment: %v", c.Args, !builds)
		}
		if at := slices.Index(c.Args, "--file"); builds && (at < 0 || !filepath.IsAbs(c.Args[at+1]) || !filepath.IsAbs(c.Args[len(c.Args)-1])) {
			t.Errorf("not absolute: %q", c.Args)
		}
	}
}

func TestTheFirstBuilderThatAnswersIsTaken(t *testing.T) {
	noDaemon := []rule{{On: "--version", Out: "Docker version 28"}, {On: "version", Out: "\n", Err: "Cannot connect to the Docker daemon at unix:///var/run/docker.sock.\nIs the docker daemon running?\n", Exit: 1}}
	podman := []rule{{On: "info", Out: "4.3.1\n"}, {On: "build", Files: map[string]string{"--iidfile": id}}, {On: "push", Files: map[string]string{"--digestfile": digest}}}
	install := "install docker, podman or buildah, or start its engine, or build and push the image yourself and name it as image"
	for name, tc := range map[string]struct {
		machine map[string][]rule
		wanted  string
		builder string
		err     []string
	}{
		"nothing":                    {nil, "", "", []string{"no builder for a Dockerfile: docker is not installed, podman is not installed, buildah is not installed; " + install}},
		"a docker without engine":    {map[string][]rule{Docker: noDaemon}, Auto, "", []string{"docker does not answer (Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?), podman is not installed"}},
		"podman instead of docker":   {map[string][]rule{Docker: noDaemon, Podman: podman}, Auto, Podman, nil},
		"docker and no other":        {map[string][]rule{Docker: noDaemon, Podman: podman}, Docker, "", []string{"docker does not answer (Cannot connect", install}},
		"podman, which is not there": {map[string][]rule{Docker: engine(false)}, Podman, "", []string{"no builder for a Dockerfile: podman is not installed; "}},
		"a docker that says nothing": {map[string][]rule{Docker: {{On: "--version"}, {On: "version", Out: "<no value>\n"}}}, "", "", []string{"docker does not answer (no version)"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			for tool, rules := range tc.machine {
				m.has(tool, rules...)
			}
			dockerfile, _ := source(t)
			got, err := Build(t.Context(), Options{Dockerfile: dockerfile, Push: repo, Builder: tc.wanted})
			if got.Builder != tc.builder || (err == nil) != (tc.err == nil) || (err != nil) != errors.Is(err, ErrNoBuilder) {
				t.Errorf("got %+v, %v", got, err)
			}
			for _, want := range tc.err {
				if !strings.Contains(fmt.Sprint(err), want) {
					t.Errorf("got %v\nwant %s", err, want)
				}
			}
		})
	}
}

func TestTheContextIsTheDockerfilesFolderUnlessNamed(t *testing.T) {
	dockerfile, _ := source(t)
	t.Chdir(filepath.Dir(dockerfile))
	j, err := Options{Dockerfile: "--Docker file", Push: repo}.check()
	if err != nil || j.dockerfile != dockerfile || j.context != filepath.Dir(dockerfile) {
		t.Errorf("got %+v, %v", j, err)
	}
}

func TestTheEndOfTheContextEndsTheWholeGroup(t *testing.T) {
	for name, rules := range map[string][]rule{
		"while it builds":   append(engine(false), rule{On: "build", Hang: true}),
		"while it is asked": {{On: "--version", Hang: true}},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			m.has(Docker, rules...)
			dockerfile, _ := source(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if name == "while it is asked" {
				go func() {
					for range time.Tick(10 * time.Millisecond) {
						if _, err := os.Stat(filepath.Join(m.dir, "lock")); err == nil {
							cancel()
							return
						}
					}
				}()
			}
			_, err := Build(ctx, Options{Dockerfile: dockerfile, Push: repo, Log: func(string) { cancel() }})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			f, err := os.Open(filepath.Join(m.dir, "lock"))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil { // waits for the child's end
				t.Error(err)
			}
		})
	}
}

func TestOutputIsCutIntoLines(t *testing.T) {
	for name, tc := range map[string]struct {
		in   string
		want []string
	}{
		"lines":                   {"a\nb\n", []string{"a", "b"}},
		"without an end":          {"a\nb", []string{"a", "b"}},
		"of Windows":              {"a\r\nb\r\r\n", []string{"a", "b"}},
		"empty ones":              {"\n\na\n\n", []string{"a"}},
		"progress on one line":    {"1%\r50%\r100%\nb\n", []string{"100%", "b"}},
		"too long":                {strings.Repeat("x", 5000) + "\nb\n", []string{strings.Repeat("x", 4096), "b"}},
		"too long, overwritten":   {strings.Repeat("x", 5000) + "\rb\n", []string{"b"}},
		"control characters stay": {"\x1b[1ma\x00\n", []string{"\x1b[1ma\x00"}},
	} {
		t.Run(name, func(t *testing.T) {
			for size := 1; size <= len(tc.in) && size < 5; size++ {
				var got []string
				l := &lines{log: func(s string) { got = append(got, s) }}
				for part := range slices.Chunk([]byte(tc.in), size) {
					if n, err := l.Write(part); n != len(part) || err != nil {
						t.Fatal(n, err)
					}
				}
				l.end()
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("in pieces of %d, -want +got:\n%s", size, diff)
				}
			}
		})
	}
}

func TestTheDigestIsThatOfTheRepositoryPushedTo(t *testing.T) {
	for push, known := range map[string]string{
		repo:                      `["` + repo + "@" + digest + `"]`,
		"docker.io/team/app":      `["team/app@` + digest + `","other/app@` + id + `"]`,
		"docker.io/library/app":   `["app@` + digest + `"]`,
		"localhost:5000/team/app": `["localhost:5000/team/app@` + digest + `"]`,
	} {
		j, err := Options{Dockerfile: os.Args[0], Push: push}.check()
		if err != nil {
			t.Fatal(err)
		}
		if got := j.digestAmong(known); got != digest {
			t.Errorf("%s of %s: %q", push, known, got)
		}
		for _, unclear := range []string{"", "null", "[]", `["elsewhere/app@` + digest + `"]`, strings.Replace(known, "]", `,"`+strings.TrimPrefix(push, "docker.io/")+"@"+id+`"]`, 1)} {
			if got := j.digestAmong(unclear); got != "" {
				t.Errorf("%s of %s: %q", push, unclear, got)
			}
		}
	}
}

func TestTheRegistryIsAskedWhereTheBuilderDoesNotTellTheDigest(t *testing.T) {
	server := httptest.NewServer(ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	t.Setenv("HOME", t.TempDir())
	push := server.Listener.Addr().String() + "/team/app"
	ref, err := name.ParseReference(push + ":plan-111111111111")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Push(ref, empty.Image); err != nil {
		t.Fatal(err)
	}
	want, err := empty.Image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	built := map[string]string{"--iidfile": id}
	for name, rules := range map[string][]rule{
		Docker:  append(engine(false), rule{On: "build", Files: built}, rule{On: "tag"}, rule{On: "push"}, rule{On: "image inspect", Out: "[]\n"}),
		Podman:  {{On: "info", Out: "4.3.1\n"}, {On: "build", Files: built}, {On: "push", Files: map[string]string{"--digestfile": "?"}}},
		Buildah: {{On: "--version", Out: "buildah version 1.28.2 (x)\n"}, {On: "bud", Files: built}, {On: "push"}},
	} {
		m := newMachine(t)
		m.has(name, rules...)
		dockerfile, _ := source(t)
		got, err := Build(t.Context(), Options{Dockerfile: dockerfile, Push: push, Builder: name})
		if err != nil || got.Image != push+"@"+want.String() {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	o := Options{Dockerfile: "x", Args: map[string]string{"A": "hunter2"}}
	if text := fmt.Sprintf("%v %+v %#v", o, o, &o); strings.Contains(text, "hunter2") {
		t.Error(text)
	}
}
