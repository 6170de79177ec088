package secrets

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A sealed text has, in the place of each value that came from outside, a note of where it came from: {{plan.value 1f0c…}}. It can be kept
// where values may not be, and opened by a process that has read the same values.
var note = regexp.MustCompile(`\{\{plan\.value [0-9a-f]{24}\}\}`)

// noteOf names a source: 24 hex digits of its SHA-256. A source has no secrets in it, but for the arguments of commands, which the hash hides.
func noteOf(s Source) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", []any{s.Env, s.File, s.Kubernetes.Namespace, s.Kubernetes.Name, s.Kubernetes.Key,
		s.Bitwarden.ID, s.Bitwarden.Project, s.Bitwarden.Key, string(s.Exec.Command)}))
	return "{{plan.value " + hex.EncodeToString(sum[:12]) + "}}"
}

// Seal replaces the values that were read by notes. It is false where the text would still show something of a value, such as one in
// another form, or has what looks like a note: it then cannot be kept.
func (r *Resolver) Seal(text string) (string, bool) {
	if note.MatchString(text) {
		return "", false
	}
	r.mu.Lock()
	type pair struct{ value, note string }
	var pairs []pair
	for s, value := range r.values {
		if len(value) >= minMasked && strings.Contains(text, value) {
			pairs = append(pairs, pair{value, noteOf(s)})
		}
	}
	r.mu.Unlock()
	// The longest first: a value may be part of another.
	slices.SortFunc(pairs, func(a, b pair) int { return len(b.value) - len(a.value) })
	for _, p := range pairs {
		text = strings.ReplaceAll(text, p.value, p.note)
	}
	return text, r.o.Masker.Mask(text) == text
}

// Unseal replaces notes by the values. It is false where one is not known.
func (r *Resolver) Unseal(text string) (string, bool) {
	if !strings.Contains(text, "{{plan.value ") {
		return text, true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	known := map[string]string{}
	for s, value := range r.values {
		known[noteOf(s)] = value
	}
	ok := true
	text = note.ReplaceAllStringFunc(text, func(n string) string {
		value, there := known[n]
		ok = ok && there
		return value
	})
	return text, ok
}
