package runjob_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plan/internal/secrets"
	"plan/steps"
	"plan/steps/runjob"
)

func TestNeedsNameImagesAndWhatTheWorkIsMadeOf(t *testing.T) {
	const alpine, helper, git = "docker.io/library/alpine:3.22", "docker.io/library/busybox:1.37", "docker.io/alpine/git:2.49.1"
	const commit = "0123456789012345678901234567890123456789"
	source := func(kind string, fields map[string]any) map[string]any {
		return map[string]any{"source": map[string]any{kind: fields}, "command": []any{"true"}}
	}
	for name, tc := range map[string]struct {
		with    map[string]any
		images  []steps.Image
		pushes  []steps.Image
		sources []string // in brackets: only pods come to it
		reason  string
	}{
		"image":     {map[string]any{"image": "example.com/a:1"}, []steps.Image{{Name: "example.com/a:1"}}, nil, nil, "it has everything"},
		"directory": {with(nil), []steps.Image{{Name: alpine}, {Name: helper}}, nil, []string{"directory report"}, "a helper unpacks it"},
		"no image":  {source("directory", map[string]any{"path": "report"}), []steps.Image{{Name: alpine}, {Name: helper}}, nil, []string{"directory report"}, "the default"},
		"layer": {source("directory", map[string]any{"path": "report", "transport": "image", "push": "example.com/team/a"}),
			[]steps.Image{{Name: alpine, Here: true}}, []steps.Image{{Name: "example.com/team/a", Here: true}}, []string{"directory report"}, "plan reads the base and pushes"},
		"layer if large": {source("directory", map[string]any{"path": "report", "push": "example.com/team/a"}),
			[]steps.Image{{Name: alpine}, {Name: helper}}, []steps.Image{{Name: "example.com/team/a", Here: true}}, []string{"directory report"}, "it may come to that"},
		"repository": {source("git", map[string]any{"url": "https://example.com/a.git"}), []steps.Image{{Name: alpine}, {Name: helper}}, nil,
			[]string{"git https://example.com/a.git HEAD"}, "it is carried like a directory"},
		"fetched by pods": {source("git", map[string]any{"url": "https://example.com/a.git", "ref": "main", "fetch": "pod"}), []steps.Image{{Name: alpine}, {Name: git}}, nil,
			[]string{"git https://example.com/a.git main"}, "the ref is resolved here"},
		"commit, fetched by pods": {source("git", map[string]any{"url": "https://example.com/a.git", "ref": commit, "fetch": "pod"}), []steps.Image{{Name: alpine}, {Name: git}}, nil,
			[]string{"(git https://example.com/a.git " + commit + ")"}, "nobody asks from here"},
		"dockerfile": {map[string]any{"source": map[string]any{"dockerfile": map[string]any{"path": "app/Dockerfile", "push": "example.com/team/a"}}},
			nil, []steps.Image{{Name: "example.com/team/a"}}, []string{"dockerfile app/Dockerfile"}, "the builder pushes"},
		"sidecar": {map[string]any{"image": "example.com/a:1", "podTemplate": map[string]any{"spec": map[string]any{
			"initContainers": []any{map[string]any{"name": "b", "image": "example.com/b:1"}}, "containers": []any{map[string]any{"name": "main"}}}}},
			[]steps.Image{{Name: "example.com/a:1"}, {Name: "example.com/b:1"}}, nil, nil, "it runs as well"},
	} {
		t.Run(name, func(t *testing.T) {
			needs := action(t, tc.with).Needs(steps.Scope{Dir: t.TempDir()})
			var sources []string
			for _, s := range needs.Sources {
				name := s.Name
				if s.Look == nil {
					name = "(" + name + ")"
				}
				sources = append(sources, name)
			}
			for what, diff := range map[string]string{
				"images": cmp.Diff(tc.images, needs.Images), "pushes": cmp.Diff(tc.pushes, needs.Pushes), "sources": cmp.Diff(tc.sources, sources),
			} {
				if diff != "" {
					t.Errorf("%s: %s:\n%s", tc.reason, what, diff)
				}
			}
		})
	}
}

// TestAddressesThatOnlyARunKnowsAreNotShown: before the run nobody has looked at them, and they may hold a password.
func TestAddressesThatOnlyARunKnowsAreNotShown(t *testing.T) {
	a := runjob.Kind().New()
	with := map[string]any{"source": map[string]any{"git": map[string]any{"url": "https://me:canary@example.com/UNKNOWN(steps.a.outputs.b)"}}}
	if err := steps.Decode(with, a); err != nil {
		t.Fatal(err)
	}
	needs := a.Needs(steps.Scope{})
	if len(needs.Sources) != 1 || needs.Sources[0].Name != "git UNKNOWN(steps.a.outputs.b)" || needs.Sources[0].Look != nil {
		t.Errorf("%+v", needs.Sources)
	}
}

// TestLookingAtADirectoryPacksIt and tells what is in it and what is left out.
func TestLookingAtADirectoryPacksIt(t *testing.T) {
	w := world(t)
	needs := action(t, with(nil)).Needs(w.Env.Scope)
	found, err := needs.Sources[0].Look(t.Context(), nobodysValue)
	if err != nil || !strings.Contains(found, "source of 2 files, ") || !strings.Contains(found, "left out: .env") {
		t.Errorf("%q, %v", found, err)
	}
	needs = action(t, with(map[string]any{"source": map[string]any{"directory": map[string]any{"path": "none"}}})).Needs(w.Env.Scope)
	if found, err := needs.Sources[0].Look(t.Context(), nobodysValue); err == nil {
		t.Errorf("what is not there is found: %q", found)
	}
}

func nobodysValue(secrets.Value) (string, error) { return "", nil }
