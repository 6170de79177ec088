package bitwarden_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"plan/internal/bitwarden"
	"plan/internal/bitwarden/bwtest"
)

func TestIDs(t *testing.T) {
	s := bwtest.New()
	p, q := s.AddProject("prod"), s.AddProject("test")
	empty, t1, t2 := s.AddProject("empty"), s.AddProject("twin"), s.AddProject("twin")
	id := s.AddSecret(p, "key", "prod value")
	other := s.AddSecret(q, "key", "test value")
	d1, d2 := s.AddSecret(q, "double", "1"), s.AddSecret(q, "double", "2")
	s.AddSecret(t1, "k", "v")
	s.AddSecret(t2, "k", "v")
	c := open(t, s, s.AddMachineAccount("a"))
	for name, tc := range map[string]struct {
		project, key, want string
		err                error
		ids                []string
	}{
		"by project name":    {project: "prod", key: "key", want: id},
		"by project id":      {project: strings.ToUpper(q), key: "key", want: other},
		"two in a project":   {project: q, key: "double", ids: []string{d1, d2}},
		"two in all":         {key: "key", ids: []string{id, other}},
		"two projects":       {project: "twin", key: "k", ids: []string{t1, t2}},
		"no such key":        {project: "prod", key: "Key", err: bitwarden.ErrNotFound},
		"no such project":    {project: "nope", key: "key", err: bitwarden.ErrNotFound},
		"no such project id": {project: id, key: "key", err: bitwarden.ErrNotFound},
		"empty project":      {project: "empty", key: "key", err: bitwarden.ErrNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			k := bitwarden.ProjectKey{Project: tc.project, Key: tc.key}
			ids, err := c.IDs(t.Context(), []bitwarden.ProjectKey{k})
			got := ids[k]
			a := (*bitwarden.AmbiguousError)(nil)
			if e := (*bitwarden.KeyError)(nil); tc.want == "" && (!errors.As(err, &e) || e.ProjectKey != k) {
				t.Errorf("the error is not about the key: %v", err)
			}
			switch {
			case tc.want != "" && (err != nil || got != tc.want):
				t.Errorf("got %v, %v", got, err)
			case tc.err != nil && !errors.Is(err, tc.err):
				t.Errorf("got %v", err)
			case tc.ids != nil:
				slices.Sort(tc.ids)
				if !errors.As(err, &a) || !slices.Equal(a.IDs, tc.ids) || !strings.Contains(err.Error(), tc.ids[1]) {
					t.Errorf("got %v, want the ids %v", err, tc.ids)
				}
			}
		})
	}
	for _, project := range []string{empty, "empty"} {
		if list, err := c.List(t.Context(), project); err != nil || len(list) != 0 {
			t.Errorf("empty project %s: %v, %v", project, list, err)
		}
	}
}

// TestIDsOfManyKeysTakeOneList counts what is sent for several keys at once.
func TestIDsOfManyKeysTakeOneList(t *testing.T) {
	s := bwtest.New()
	prod, test := s.AddProject("prod"), s.AddProject("test")
	hollow := s.AddProject("hollow")
	a, b, c := s.AddSecret(prod, "a", "1"), s.AddSecret(prod, "b", "2"), s.AddSecret(test, "c", "3")
	s.AddSecret(s.AddProject("twin"), "k", "v")
	s.AddSecret(s.AddProject("twin"), "k", "v")
	client := open(t, s, s.AddMachineAccount("m"))
	type key = bitwarden.ProjectKey
	for name, tc := range map[string]struct {
		want    map[key]string // "" is an error about the key
		request map[bwtest.Endpoint]int
	}{
		"one project by name": {map[key]string{{"prod", "a"}: a, {"prod", "b"}: b}, map[bwtest.Endpoint]int{bwtest.ListSecrets: 1}},
		"one project by id":   {map[key]string{{prod, "a"}: a, {prod, "b"}: b}, map[bwtest.Endpoint]int{bwtest.ListProject: 1}},
		"two projects":        {map[key]string{{"prod", "a"}: a, {test, "c"}: c}, map[bwtest.Endpoint]int{bwtest.ListSecrets: 1}},
		"two by id":           {map[key]string{{prod, "a"}: a, {strings.ToUpper(test), "c"}: c}, map[bwtest.Endpoint]int{bwtest.ListSecrets: 1}},
		"a key is missing":    {map[key]string{{"prod", "a"}: a, {"prod", "c"}: ""}, map[bwtest.Endpoint]int{bwtest.ListSecrets: 1}},
		"all are missing":     {map[key]string{{prod, "x"}: "", {prod, "y"}: ""}, map[bwtest.Endpoint]int{bwtest.ListProject: 1}},
		"a project is missing": {map[key]string{{"prod", "a"}: a, {"nope", "a"}: "", {"twin", "k"}: "", {hollow, "a"}: ""},
			map[bwtest.Endpoint]int{bwtest.ListSecrets: 1, bwtest.ListProjects: 1}},
		"the only project is missing": {map[key]string{{a, "a"}: "", {a, "b"}: ""}, map[bwtest.Endpoint]int{bwtest.ListProject: 1}},
		"nothing":                     {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s.ResetCounts()
			got, err := client.IDs(t.Context(), slices.Collect(maps.Keys(tc.want)))
			for k, id := range tc.want {
				if id == "" && !slices.ContainsFunc(parts(err), func(e *bitwarden.KeyError) bool { return e.ProjectKey == k }) || err == nil && got[k] != id {
					t.Errorf("%s: %q, want %q; error %v", k, got[k], id, err)
				}
			}
			for _, e := range parts(err) {
				if tc.want[e.ProjectKey] != "" {
					t.Errorf("%s is there: %v", e.ProjectKey, e)
				}
			}
			counts := map[bwtest.Endpoint]int{}
			for _, r := range s.Requests() {
				counts[r.Endpoint]++
			}
			delete(counts, bwtest.Login)
			if !maps.Equal(counts, tc.request) {
				t.Errorf("requests %v, want %v", counts, tc.request)
			}
		})
	}
}

// parts are the errors of single keys in one of IDs.
func parts(err error) (out []*bitwarden.KeyError) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			out = append(out, e.(*bitwarden.KeyError))
		}
	}
	return out
}

// A list that is refused is no word about a single key.
func TestIDsWithoutAList(t *testing.T) {
	s := bwtest.New()
	client := open(t, s, s.AddMachineAccount("m"))
	s.FailNext(bwtest.Status(503).At(bwtest.ListSecrets).For(-1))
	_, err := client.IDs(t.Context(), []bitwarden.ProjectKey{{Project: "p", Key: "a"}, {Project: "p", Key: "b"}})
	if e := (*bitwarden.KeyError)(nil); err == nil || errors.As(err, &e) || strings.Count(err.Error(), "503") != 1 {
		t.Errorf("error %v", err)
	}
}
