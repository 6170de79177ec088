//go:build linux

package rigs

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"plan/internal/bitwarden"
)

// state is what a run has come to, by where that is seen; times, addresses and folders are left out.
type state map[string]string

var (
	keyTimes  = regexp.MustCompile(`\b[0-9]{8}-[0-9]{6}\b`)
	times     = regexp.MustCompile(`[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9:]+)`)
	addresses = regexp.MustCompile(`127\.0\.0\.1:[0-9]+`)
	versions  = regexp.MustCompile(`"resourceVersion": ?"[0-9]+"`)
	uids      = regexp.MustCompile(`00000000-0000-4000-8000-[0-9]{12}`)
	hashes    = regexp.MustCompile(`\b[0-9a-f]{64}\b`) // of bodies with times in them
)

func normal(s string) string {
	s = keyTimes.ReplaceAllString(s, "TIME")
	s = times.ReplaceAllString(s, "TIME")
	s = versions.ReplaceAllString(s, "VERSION")
	s = uids.ReplaceAllString(s, "UID")
	s = hashes.ReplaceAllString(s, "HASH")
	return addresses.ReplaceAllString(s, "ADDRESS")
}

// state collects what is there after a run whose last process printed its document.
func (w *world) state(t testing.TB, last result) state {
	t.Helper()
	s := state{"exit": fmt.Sprint(last.code)}
	w.outcomes(s, last)
	for key, o := range w.s3.Objects() {
		s["bucket "+normal(key)] = describe(o.Body, o.Metadata)
	}
	w.folders(t, s)
	for path, object := range w.kube.Objects() {
		if strings.Contains(path, "/configmaps/") {
			continue // the run's own
		}
		s["kubernetes "+path] = bare(object)
	}
	w.vault(t, s)
	for path, body := range w.hook.bodies() {
		s["hook "+path] = said(path, body)
	}
	return s
}

// said is what a call of the hook told. How the run stood meanwhile is chance where steps run side by side; at its end it is not.
func said(path, body string) string {
	if path == "/end" {
		return normal(body)
	}
	var b struct{ Message string }
	if err := json.Unmarshal([]byte(body), &b); err != nil {
		return err.Error()
	}
	return normal(b.Message)
}

// outcomes takes the steps' outcomes and verdicts from the document.
func (w *world) outcomes(s state, last result) {
	var document struct {
		Outcome string
		Steps   []struct {
			ID               string
			Matrix           json.RawMessage
			Outcome, Verdict string
		}
	}
	if err := json.Unmarshal([]byte(last.stdout), &document); err != nil {
		s["document"] = "none: " + err.Error()
		return
	}
	s["outcome"] = document.Outcome
	for _, step := range document.Steps {
		s["step "+step.ID+string(bytes.Join(bytes.Fields(step.Matrix), nil))] = step.Outcome + " " + step.Verdict
	}
}

// describe is an object of a store: what it is by its metadata, and whether its bytes are those.
func describe(body []byte, metadata map[string]string) string {
	sum := sha256.Sum256(body)
	sound := "nobody's"
	if want := metadata["plan-sha256"]; want != "" {
		sound = "damaged"
		if want == hex.EncodeToString(sum[:]) {
			sound = "sound"
		}
	}
	content := body
	if r, err := gzip.NewReader(bytes.NewReader(body)); err == nil {
		if content, err = io.ReadAll(r); err != nil {
			sound = "cut"
		}
	}
	return fmt.Sprintf("%s, run %s, %s of %s, content %x", sound, metadata["plan-run"], metadata["plan-count"], metadata["plan-objects"], sha256.Sum256([]byte(normal(string(content)))))
}

// folders takes what is kept in files: a store, and copies of the token.
func (w *world) folders(t testing.TB, s state) {
	t.Helper()
	for _, folder := range []string{"backups", "held", "server"} {
		root := filepath.Join(w.dir, folder)
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			name, _ := filepath.Rel(w.dir, path)
			if strings.Contains(name, "/.") && folder == "backups" || strings.Contains(name, ".plan-") {
				return nil // the store's own, and what a killed writer leaves for its successor to sweep
			}
			data, err := os.ReadFile(path)
			text := string(data)
			if folder == "backups" {
				text = describe(data, nil)
			}
			s["file "+normal(name)] = text
			return err
		})
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
}

// bare is an object without what the server gives to it, and a Lease without its history.
func bare(object string) string {
	var o map[string]any
	if err := json.Unmarshal([]byte(object), &o); err != nil {
		return err.Error()
	}
	meta, _ := o["metadata"].(map[string]any)
	for _, field := range []string{"uid", "resourceVersion", "creationTimestamp"} {
		delete(meta, field)
	}
	spec, _ := o["spec"].(map[string]any)
	if ref, ok := spec["claimRef"].(map[string]any); ok {
		delete(ref, "uid")
	}
	if o["kind"] == "Lease" {
		holder, _ := spec["holderIdentity"].(string)
		return fmt.Sprintf("a Lease, held by %q", holder)
	}
	text, err := json.Marshal(o)
	if err != nil {
		return err.Error()
	}
	return normal(string(text))
}

// vault takes what Bitwarden holds. Two secrets of one key are told apart.
func (w *world) vault(t testing.TB, s state) {
	t.Helper()
	client, err := bitwarden.New(bitwarden.Config{ServerURL: "https://vault.test.invalid", HTTP: w.bw.Client()}, w.token)
	if err != nil {
		t.Fatal(err)
	}
	list, err := client.List(t.Context(), w.project)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range list {
		value, _ := w.bw.Value(secret.ID)
		name := "bitwarden " + secret.Key
		if _, twice := s[name]; twice {
			value = "there twice"
		}
		s[name] = normal(value)
	}
}

// differences are the lines in which two states are not alike.
func differences(want, got state) (lines []string) {
	for _, line := range sorted(want) {
		key, _, _ := strings.Cut(line, ": ")
		if value, there := got[key]; !there {
			lines = append(lines, fmt.Sprintf("%s: want %q, and it is missing", key, want[key]))
		} else if value != want[key] {
			lines = append(lines, fmt.Sprintf("%s: want %q, got %q", key, want[key], got[key]))
		}
	}
	for _, line := range sorted(got) {
		key, _, _ := strings.Cut(line, ": ")
		if _, known := want[key]; !known {
			lines = append(lines, fmt.Sprintf("%s: %q is too much", key, got[key]))
		}
	}
	return lines
}
