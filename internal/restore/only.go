package restore

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"plan/internal/backup"
	"plan/internal/objects"
)

// Pattern chooses objects: `name`, `kind/name` or `kind/namespace/name`, each part a glob (path.Match). Kinds are words of kubectl, such
// as persistentvolumeclaim or pvc; `kind/name` means any namespace.
type Pattern struct {
	text                  string
	kinds                 []string // nil is any
	namespace, name       string
	namespaced, kindGiven bool
}

// ParsePattern reads a pattern.
func ParsePattern(text string) (Pattern, error) {
	fail := func(why string) (Pattern, error) { return Pattern{}, fmt.Errorf("pattern %q: %s", text, why) }
	parts := strings.Split(text, "/")
	if _, err := path.Match(text, ""); err != nil {
		return fail("a bracket or backslash is not closed")
	}
	if slices.Contains(parts, "") {
		return fail("a part is empty; write name, kind/name or kind/namespace/name")
	}
	p := Pattern{text: text, name: parts[len(parts)-1]}
	switch len(parts) {
	case 1:
		return p, nil
	case 3:
		p.namespaced, p.namespace = true, parts[1]
	case 2:
	default:
		return fail("too many parts; write name, kind/name or kind/namespace/name")
	}
	p.kindGiven = true
	var words []string
	for _, k := range append(slices.Clone(kinds), nodes) {
		own := append([]string{strings.ToLower(k.name), k.resource}, k.words...)
		words = append(words, own[0])
		if slices.ContainsFunc(own, func(word string) bool { ok, _ := path.Match(strings.ToLower(parts[0]), word); return ok }) {
			p.kinds = append(p.kinds, k.name)
		}
	}
	if len(p.kinds) == 0 {
		return fail(fmt.Sprintf("no kind is called %q; there are %s", parts[0], strings.Join(words, ", ")))
	}
	return p, nil
}

// Matches tells whether an object is chosen.
func (p Pattern) Matches(id objects.ID) bool {
	glob := func(pattern, s string) bool { ok, _ := path.Match(pattern, s); return ok }
	return (!p.kindGiven || slices.Contains(p.kinds, id.Kind)) && (!p.namespaced || glob(p.namespace, id.Namespace)) && glob(p.name, id.Name)
}

// choose gives the objects that a pattern chooses, all without patterns, and the namespaces of the claims among them. A pattern that
// chooses nothing is a mistake.
func choose(all []Object, only []string) ([]Object, []error) {
	if len(only) == 0 {
		return all, nil
	}
	var problems []error
	chosen := map[objects.ID]bool{}
	claimed := map[string]bool{}
	for _, text := range only {
		p, err := ParsePattern(text)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		hits := 0
		for _, o := range all {
			if p.Matches(o.ID) {
				hits++
				chosen[o.ID] = true
				claimed[o.ID.Namespace] = true
			}
		}
		if hits == 0 {
			problems = append(problems, fmt.Errorf("pattern %q chooses nothing in this backup", text))
		}
	}
	var list []Object
	for _, o := range all {
		if chosen[o.ID] || o.ID.Kind == namespaceKind && claimed[o.ID.Name] {
			list = append(list, o)
		}
	}
	return list, problems
}

// withoutReleased leaves out the volumes whose claims were gone when they were backed up, unless only names them in full: they would come
// back Available and kept for a claim of that name, and a new one, of a StatefulSet for example, would get the old data.
func (s *survey) withoutReleased(chosen []Object, b Backup) []Object {
	claimed := map[objects.ID]bool{}
	for _, o := range b.Objects {
		if o.ID.Kind == claimKind {
			claimed[volumeID(o.Want)] = true
		}
	}
	named := func(id objects.ID) bool {
		return slices.ContainsFunc(s.plan.options.Only, func(text string) bool {
			p, err := ParsePattern(text)
			return err == nil && p.name == id.Name && p.Matches(id)
		})
	}
	var list []Object
	var left []string
	for _, o := range chosen {
		switch {
		case !o.released() || claimed[o.ID]:
			list = append(list, o)
		case named(o.ID):
			list = append(list, o)
			s.warn("%s had lost its claim when it was backed up: it comes back kept for any claim that is called %s", o.ID, claimOf(o.Want))
		default:
			left = append(left, fmt.Sprintf("not restored: %s, which was %s in the backup and whose claim %s was gone: name it in only to have it back, kept for any claim of that name",
				o.ID, o.phase, claimOf(o.Want)))
		}
	}
	s.plan.Warnings = append(s.plan.Warnings, bounded(left, "volumes whose claims were gone")...)
	return list
}

// CheckChoice finds what is wrong with what a step wants restored: the key of a backup of an artefact (empty where only the run knows it)
// and patterns.
func CheckChoice(key string, want backup.Artefact, only []string) (problems []error) {
	if parsed, err := backup.ParseKey(key); key != "" {
		switch {
		case err != nil:
			problems = append(problems, fmt.Errorf("with.key: %w", err))
		case parsed.Artefact != want:
			problems = append(problems, fmt.Errorf("with.key: it is of %s: use restore-%s", parsed.Artefact, parsed.Artefact))
		}
	}
	for i, pattern := range only {
		if _, err := ParsePattern(pattern); err != nil {
			problems = append(problems, fmt.Errorf("with.only[%d]: %w", i, err))
		}
	}
	return problems
}

// Folder is the folder that a backup is in; empty where only the run knows the key.
func Folder(key string) string {
	parsed, err := backup.ParseKey(key)
	if err != nil {
		return ""
	}
	return parsed.Folder()
}
