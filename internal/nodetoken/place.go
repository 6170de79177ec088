package nodetoken

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"plan/internal/bitwarden"
	"plan/internal/kube"
)

var (
	// ErrNone says that a place could be looked at and holds no token.
	ErrNone = errors.New("no token is kept there")
	// ErrNoFolder says that the folder of a file is missing, so that nothing can be said of the file.
	ErrNoFolder = errors.New("the folder is not there")
	// ErrSource says that a place is the file that the server itself has its token in: it is lost together with the server.
	ErrSource = errors.New("this is the server's own token file, and no copy of it")

	// errUnanswered marks a write that may have been executed.
	errUnanswered = errors.New("it may have been written")
	// errChanged marks a write that was refused because somebody else wrote at the same time.
	errChanged = errors.New("somebody else wrote at the same time")
)

// Place keeps tokens in slots: the slot "" has the current token, and an earlier one is in the slot of its hash. What it keeps is
// nobody else's to write, but somebody may: a write says what it replaces.
type Place interface {
	// Target names a slot for people.
	Target(slot string) string

	// Look reads a slot. Errors: ErrNone (the Kept is still what Put wants), ErrToken when something else is there, ErrSource, or what
	// kept it from looking.
	Look(ctx context.Context, slot string) (Kept, error)

	// Put writes a token over what Look found. Errors: errUnanswered when it may have been executed, errChanged when it was not because
	// the slot is not as it was.
	Put(ctx context.Context, slot string, token Token, over Kept) error

	// Late tells whether a write over what Look found may be executed after all when it got no answer, and a repeat then be a second one.
	Late(over Kept) bool
}

// Kept is what a slot holds.
type Kept struct {
	Token   Token
	Updated time.Time // zero if it is not known

	held any  // the place's own: what Put needs to know
	into bool // what the slot is a part of is there already
}

// To says where the token is kept: exactly one of the three.
type To struct {
	Bitwarden  *Bitwarden  `yaml:"bitwarden"`
	Kubernetes *Kubernetes `yaml:"kubernetes"`
	File       *File       `yaml:"file"`
}

// Bitwarden is a secret of Bitwarden Secrets Manager. Earlier tokens are secrets beside it, named <key>-<hash>.
type Bitwarden struct {
	Project string `yaml:"project"` // id or name
	Key     string `yaml:"key"`     // "" is k3s-node-token-<cluster>
}

// Kubernetes is a key of a Secret. Earlier tokens are keys beside it, named <key>-<hash>.
type Kubernetes struct {
	Namespace string `yaml:"namespace"` // "" is the plan's
	Name      string `yaml:"name"`
	Key       string `yaml:"key"` // "" is token
}

// File is a file. Earlier tokens are files beside it, named <path>-<hash>.
type File struct {
	Path string `yaml:"path"`
}

// Count is how many places are named. A plan that can run names one.
func (t To) Count() (n int) {
	for _, named := range []bool{t.Bitwarden != nil, t.Kubernetes != nil, t.File != nil} {
		if named {
			n++
		}
	}
	return n
}

// Options are what places work with.
type Options struct {
	Cluster   string // its name
	Namespace string // where a Secret is that names no other
	Dir       string // relative paths are relative to it
	Source    string // the server's own token file (not its folder), besides K3sFile and RKE2File; "" when no other is known
	Kube      *kube.Client
	Bitwarden func() (*bitwarden.Client, error)
	Hide      func(string)
}

// DefaultKey is the key of a Secret where none is named.
const DefaultKey = "token"

// In is the namespace of the Secret, where fallback is the plan's.
func (k Kubernetes) In(fallback string) string { return cmp.Or(k.Namespace, fallback) }

// Open makes a place ready. Nothing is sent.
func (t To) Open(o Options) (Place, error) {
	if n := t.Count(); n != 1 {
		return nil, fmt.Errorf("it names %d places: name exactly one of bitwarden, kubernetes and file", n)
	}
	switch {
	case t.Bitwarden != nil:
		return openBitwarden(*t.Bitwarden, o)
	case t.Kubernetes != nil:
		return openSecret(*t.Kubernetes, o)
	}
	if t.File.Path == "" {
		return nil, errors.New("file.path is empty")
	}
	return openFile(Absolute(o.Dir, t.File.Path), o)
}

// Absolute is a path of a plan whose folder is dir.
func Absolute(dir, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}

// slotName is the name of a slot where the current token has the name key.
func slotName(key, slot string) string {
	if slot == "" {
		return key
	}
	return key + "-" + slot
}
