package bitwarden_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"plan/internal/bitwarden"
	"plan/internal/bitwarden/bwtest"
)

func withState(t *testing.T) (string, func(*bitwarden.Config)) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "state")
	return file, func(cfg *bitwarden.Config) { cfg.StateFile = file }
}

func TestStateFileSavesLogins(t *testing.T) {
	file, use := withState(t)
	synctest.Test(t, func(t *testing.T) {
		s, c, id, token := one(t, use)
		read(t, c, id)
		read(t, open(t, s, token, use), id)
		logins(t, s, 1, "two clients, one state file")

		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
		if err := bitwarden.CheckEncString(string(raw)); err != nil || strings.Contains(string(raw), "eyJ") {
			t.Errorf("the file is not one encrypted string: %v", err)
		}

		s.ForgetSessions()
		read(t, open(t, s, token, use), id)
		logins(t, s, 2, "a session the server forgot is renewed")
		read(t, open(t, s, token, use), id)
		logins(t, s, 2, "and kept")

		time.Sleep(58 * time.Minute)
		read(t, open(t, s, token, use), id)
		logins(t, s, 3, "nearly over")

		s.Revoke(token)
		if _, err := open(t, s, token, use).Secret(t.Context(), id); err == nil {
			t.Error("a revoked token reads with its old session")
		}
		if left, err := filepath.Glob(filepath.Join(filepath.Dir(file), ".*")); err != nil || len(left) != 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	})
}

func TestUnusableStateFileMeansLogin(t *testing.T) {
	file, use := withState(t)
	s, _, id, token := one(t)
	for name, content := range map[string]string{
		"empty":       "",
		"garbage":     "x",
		"foreign key": bitwarden.NewKey().Encrypt(`{"version":1}`),
		"long":        strings.Repeat("x", 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
			s.ResetCounts()
			read(t, open(t, s, token, use), id)
			read(t, open(t, s, token, use), id)
			logins(t, s, 1, "the file is replaced")
			if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("mode %v, %v", info.Mode(), err)
			}
		})
	}
	t.Run("another version", func(t *testing.T) {
		_, seed64, _ := strings.Cut(token, ":")
		seed, err := base64.StdEncoding.DecodeString(seed64)
		if err != nil {
			t.Fatal(err)
		}
		key := bitwarden.TokenKey([16]byte(seed))
		read(t, open(t, s, token, use), id)
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := key.Decrypt(string(raw))
		if err != nil {
			t.Fatal(err)
		}
		for content, want := range map[string]int{plain: 0, strings.Replace(plain, `"version":1`, `"version":2`, 1): 1} {
			if err := os.WriteFile(file, []byte(key.Encrypt(content)), 0o600); err != nil {
				t.Fatal(err)
			}
			s.ResetCounts()
			read(t, open(t, s, token, use), id)
			logins(t, s, want, "state file")
		}
	})
	t.Run("two tokens evict each other", func(t *testing.T) {
		other := s.AddMachineAccount("other")
		read(t, open(t, s, token, use), id)
		s.ResetCounts()
		read(t, open(t, s, other, use), id)
		read(t, open(t, s, token, use), id)
		logins(t, s, 2, "neither opens the other's session")
	})
	t.Run("no such folder", func(t *testing.T) {
		read(t, open(t, s, token, func(cfg *bitwarden.Config) { cfg.StateFile = filepath.Join(file, "x", "y") }), id)
	})
}

func TestSeededServersAgree(t *testing.T) {
	build := func() (*bwtest.Server, string, string) {
		s := bwtest.NewSeeded("seed")
		p := s.AddProject("p")
		return s, s.AddSecret(p, "k", bwtest.Canary), s.AddMachineAccount("a")
	}
	_, id, token := build()
	again, id2, token2 := build()
	if id != id2 || token != token2 {
		t.Fatal("ids or tokens differ")
	}
	read(t, open(t, again, token), id)
	if _, other, _ := func() (*bwtest.Server, string, string) {
		s := bwtest.NewSeeded("another")
		return s, s.AddSecret(s.AddProject("p"), "k", ""), ""
	}(); other == id {
		t.Error("another seed, the same id")
	}
}
