// Package secrets reads values that a plan takes from outside: environment, files, Kubernetes Secrets, Bitwarden Secrets
// Manager and the output of commands; and it hides them in whatever is printed.
package secrets

import (
	"strings"
	"time"

	"plan/internal/printable"
)

// Value is a field that is a literal or comes by `from:`.
type Value struct {
	Literal string
	From    *Source
}

// IsZero says whether the field was left out. An empty literal counts as left out.
func (v Value) IsZero() bool { return v.From == nil && v.Literal == "" }

// Secret is a field that comes by `from:` only; a literal is refused.
type Secret struct {
	From *Source
}

// IsZero says whether the field was left out.
func (s Secret) IsZero() bool { return s.From == nil }

// Value is the same field for whoever takes either.
func (s Secret) Value() Value { return Value{From: s.From} }

// Source is where a value comes from. Exactly one field is set. It is comparable: equal sources are read once.
type Source struct {
	Env        string
	File       string // relative to the plan file
	Kubernetes Kubernetes
	Bitwarden  Bitwarden
	Exec       Exec
}

// Exec is what a command prints. Its words are joined by Words, so that it is comparable.
type Exec struct {
	Command Words
	Timeout time.Duration
}

// DefaultTimeout is that of a command which names none.
const DefaultTimeout = 30 * time.Second

// Words are the name and arguments of a command with a NUL between them, which none of them can hold (execve(2)).
type Words string

// JoinWords makes Words of a name and its arguments.
func JoinWords(words ...string) Words { return Words(strings.Join(words, "\x00")) }

// Split gives name and arguments.
func (w Words) Split() []string { return strings.Split(string(w), "\x00") }

// Name is the command without its arguments, which may be nobody's business.
func (w Words) Name() string { return w.Split()[0] }

// Kubernetes is a key of a Secret. An empty namespace is the plan's.
type Kubernetes struct{ Namespace, Name, Key string }

// Bitwarden is a secret by id, or by project (UUID or name) and key.
type Bitwarden struct{ ID, Project, Key string }

// LoadTime says whether the source is read when the plan is loaded (environment and files). The others are read once per run,
// before its first step.
func (s Source) LoadTime() bool { return s.Env != "" || s.File != "" }

// String names the source for messages: "env S3_SECRET_KEY", "kubernetes ns/name key token". It never holds the value, and of a
// command only its name.
func (s Source) String() string {
	switch {
	case s.Env != "":
		return "env " + printable.String(s.Env)
	case s.File != "":
		return "file " + printable.String(s.File)
	case s.Kubernetes != (Kubernetes{}):
		name := s.Kubernetes.Name
		if s.Kubernetes.Namespace != "" {
			name = s.Kubernetes.Namespace + "/" + name
		}
		return "kubernetes " + printable.String(name) + " key " + printable.String(s.Kubernetes.Key)
	case s.Bitwarden.ID != "":
		return "bitwarden " + printable.String(s.Bitwarden.ID)
	case s.Bitwarden != (Bitwarden{}):
		return "bitwarden project " + printable.String(s.Bitwarden.Project) + " key " + printable.String(s.Bitwarden.Key)
	case s.Exec != (Exec{}):
		return "exec " + printable.String(s.Exec.Command.Name())
	}
	return "no source"
}

// String is the literal, or the name of the source.
func (v Value) String() string {
	if v.From != nil {
		return v.From.String()
	}
	return v.Literal
}
