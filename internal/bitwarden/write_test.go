package bitwarden_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"plan/internal/bitwarden"
	"plan/internal/bitwarden/bwtest"
)

func TestFullReadIsThreeRequests(t *testing.T) {
	s := bwtest.New()
	p := s.AddProject("p")
	for _, k := range []string{"a", "b", "c"} {
		s.AddSecret(p, k, "value of "+k)
	}
	c := open(t, s, s.AddMachineAccount("a"))
	list, err := c.List(t.Context(), "p")
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]string, 0, len(list))
	for _, l := range list {
		ids = append(ids, strings.ToUpper(l.ID), l.ID) // the server refuses repeated ids
	}
	got, err := c.SecretsByID(t.Context(), ids)
	if err != nil || len(got) != 3 || len(s.Requests()) != 3 {
		t.Errorf("%d secrets, %v, %d requests", len(got), err, len(s.Requests()))
	}
	if got, err := c.SecretsByID(t.Context(), nil); err != nil || len(got) != 0 || len(s.Requests()) != 3 {
		t.Errorf("no ids: %v, %v", got, err)
	}
}

func TestMissingIDIsNamed(t *testing.T) {
	s, c, id, _ := one(t)
	const gone, worse = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"
	_, err := c.SecretsByID(t.Context(), []string{id, gone, worse})
	if !errors.Is(err, bitwarden.ErrNotFound) || !strings.Contains(err.Error(), gone) || !strings.Contains(err.Error(), worse) || strings.Contains(err.Error(), id) {
		t.Errorf("got %v", err)
	}
	before := len(s.Requests())
	if _, err = c.SecretsByID(t.Context(), []string{id, "not-an-id"}); err == nil || !strings.Contains(err.Error(), "not-an-id") || len(s.Requests()) != before {
		t.Errorf("got %v", err)
	}
	s.FailNext(bwtest.EmptyList().At(bwtest.GetByIDs))
	if _, err = c.SecretsByID(t.Context(), []string{id}); !errors.Is(err, bitwarden.ErrAnswer) {
		t.Errorf("a list without the secret: %v", err)
	}
}

func TestUpdate(t *testing.T) {
	s := bwtest.New()
	p, q := s.AddProject("p"), s.AddProject("q")
	id := s.AddSecret(p, "k", "old")
	c := open(t, s, s.AddMachineAccount("a"))
	for _, step := range []struct {
		name    string
		in      bitwarden.Secret
		project string
		puts    int
		version int
	}{
		{"same", bitwarden.Secret{ID: id, Key: "k", Value: "old"}, p, 0, 0},
		{"note only", bitwarden.Secret{ID: id, Key: " k ", Value: "old", Note: "n"}, p, 1, 0},
		{"value, project kept", bitwarden.Secret{ID: id, Key: "k", Value: "new", Note: "n"}, p, 2, 1},
		{"moved", bitwarden.Secret{ID: id, Key: "k", Value: "new", Note: "n", ProjectID: q}, q, 3, 1},
	} {
		got, err := c.Update(t.Context(), step.in)
		if err != nil || got.ProjectID != step.project || got.Value != step.in.Value || got.Note != step.in.Note {
			t.Errorf("%s: %v in %s, %v", step.name, got, got.ProjectID, err)
		}
		if n := s.Count(bwtest.UpdateSecret); n != step.puts || s.Versions(id) != step.version {
			t.Errorf("%s: %d updates sent, %d versions", step.name, n, s.Versions(id))
		}
	}
}

func TestFieldLimits(t *testing.T) {
	s := bwtest.New()
	p := s.AddProject("p")
	token := s.AddMachineAccount("a")
	for name, c := range map[string]struct {
		secret bitwarden.Secret
		want   string
	}{
		"all at the limit":   {bitwarden.Secret{Key: strings.Repeat("k", 500), Value: strings.Repeat("v", 25000), Note: strings.Repeat("n", 7000)}, ""},
		"bytes at the limit": {bitwarden.Secret{Key: strings.Repeat("ü", 343), Value: strings.Repeat("€", 8730), Note: strings.Repeat("ü", 3719)}, ""},
		"long key":           {bitwarden.Secret{Key: strings.Repeat("k", 501), Value: "v"}, "key has 501 characters"},
		"wide key":           {bitwarden.Secret{Key: strings.Repeat("ü", 344), Value: "v"}, "key has 688 bytes"},
		"empty key":          {bitwarden.Secret{Key: " \t", Value: "v"}, "key is empty"},
		"empty value":        {bitwarden.Secret{Key: "k"}, "value is empty"},
		"long value":         {bitwarden.Secret{Key: "k", Value: strings.Repeat("v", 25001)}, "value has 25001 characters"},
		"wide value":         {bitwarden.Secret{Key: "k", Value: strings.Repeat("€", 8731)}, "value has 26193 bytes, 26191"},
		"long note":          {bitwarden.Secret{Key: "k", Value: "v", Note: strings.Repeat("n", 7001)}, "note has 7001 characters"},
		"not UTF-8":          {bitwarden.Secret{Key: "k", Value: "\xff"}, "value is not UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			s.ResetCounts()
			c.secret.ProjectID = p
			_, err := open(t, s, token).Create(t.Context(), c.secret)
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, bitwarden.ErrLimit) || !strings.Contains(err.Error(), c.want) || len(s.Requests()) != 0 {
				t.Errorf("got %v after %d requests, want %q", err, len(s.Requests()), c.want)
			}
		})
	}
	_, err := open(t, s, token).Create(t.Context(), bitwarden.Secret{Key: "k", Value: "v"})
	if err == nil || !strings.Contains(err.Error(), "project id") {
		t.Errorf("no project: %v", err)
	}
}

// TestWhatMayHaveBeenExecutedSaysSo: a caller must look before it sends a create again, and needs not after a refusal.
func TestWhatMayHaveBeenExecutedSaysSo(t *testing.T) {
	cases := map[string]struct {
		fault bwtest.Fault
		may   bool
	}{
		"no answer":         {bwtest.Cut().At(bwtest.CreateSecret), true},
		"half an answer":    {bwtest.Truncate().At(bwtest.CreateSecret), true},
		"500":               {bwtest.Status(500).At(bwtest.CreateSecret), true},
		"a page":            {bwtest.HTML().At(bwtest.CreateSecret), true},
		"not JSON":          {bwtest.Raw(200, "ok").At(bwtest.CreateSecret), true},
		"tampered answer":   {bwtest.Tampered().At(bwtest.CreateSecret), true},
		"refused":           {bwtest.Status(404).At(bwtest.CreateSecret), false},
		"invalid":           {bwtest.Status(400).At(bwtest.CreateSecret), false},
		"session refused":   {bwtest.Unauthorized().At(bwtest.CreateSecret).For(-1), false},
		"too many for long": {bwtest.TooMany("3600").At(bwtest.CreateSecret), false},
		"no login":          {bwtest.Status(500).At(bwtest.Login), false},
		"login refused":     {bwtest.Refused(), false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := bwtest.New()
				p := s.AddProject("p")
				token := s.AddMachineAccount("a")
				c := open(t, s, token)
				s.FailNext(tc.fault)
				_, err := c.Create(t.Context(), bitwarden.Secret{Key: "k", Value: bwtest.Canary, ProjectID: p})
				if err == nil || errors.Is(err, bitwarden.ErrUnanswered) != tc.may {
					t.Errorf("%v", err)
				}
				if l := bwtest.Leaks(err.Error(), token); len(l) > 0 {
					t.Errorf("leaks %q", l)
				}
			})
		})
	}
	s := bwtest.New()
	c, err := bitwarden.New(bitwarden.Config{ServerURL: "https://127.0.0.1:1"}, s.AddMachineAccount("a"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Create(t.Context(), bitwarden.Secret{Key: "k", Value: "v", ProjectID: s.AddProject("p")}); errors.Is(err, bitwarden.ErrUnanswered) {
		t.Errorf("a connection that was never made: %v", err)
	}
}
