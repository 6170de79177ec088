// Package verifyall runs every check that applies and gives one answer: would I get my cluster back?
package verifyall

import (
	"context"
	_ "embed"
	"errors"
	"strings"

	"plan/internal/backup"
	"plan/internal/checks/backups"
	"plan/internal/checks/etcd"
	"plan/internal/checks/longhorn"
	"plan/internal/checks/nodetoken"
	"plan/internal/checks/verify"
	lists "plan/internal/longhorn"
	"plan/steps"
)

//go:embed schema.json
var schema []byte

//go:embed README.md
var doc string

// Kind describes the kind. Its schema is made of those of the four kinds (`make generate`).
func Kind() steps.Kind {
	return steps.Kind{
		Name:   "verify-all",
		Check:  true,
		Schema: schema,
		Doc:    doc,
		Outputs: []steps.Output{
			{Name: "checks", Type: steps.List, Doc: "check, verdict, reason, outputs and findings of each check; the verdict is none where it does not apply"},
		},
		New: func() steps.Action {
			return &Action{NodeToken: NodeToken{Check: nodetoken.New()}, Etcd: Etcd{Check: etcd.New()}, Longhorn: Longhorn{Check: longhorn.New()}, Backups: Backups{Check: backups.New()}}
		},
	}
}

// Action is the step's with. A part that is left out is checked if it applies.
type Action struct {
	verify.Reads
	NodeToken NodeToken `yaml:"nodeToken"`
	Etcd      Etcd      `yaml:"etcd"`
	Longhorn  Longhorn  `yaml:"longhorn"`
	Backups   Backups   `yaml:"backups"`
}

// NodeToken is verify-node-token. Where no place is named it does not apply.
type NodeToken struct {
	Off             bool `yaml:"off"`
	nodetoken.Check `yaml:",inline"`
}

// Etcd is verify-etcd.
type Etcd struct {
	Off        bool `yaml:"off"`
	etcd.Check `yaml:",inline"`
}

// Longhorn is verify-longhorn.
type Longhorn struct {
	Off            bool `yaml:"off"`
	longhorn.Check `yaml:",inline"`
}

// Backups is verify-backup, for both artefacts where neither one nor a key is named.
type Backups struct {
	Off           bool `yaml:"off"`
	backups.Check `yaml:",inline"`
}

// named is a check that is on.
type named struct {
	name string
	verify.Check
	absent func(*verify.Outcome) *verify.Outcome // may make of an outcome that the check does not apply; nil leaves it
}

// checks are those that are on, in the order in which they are told.
func (a *Action) checks() []named {
	var list []named
	if !a.NodeToken.Off {
		list = append(list, named{"nodeToken", ifConfigured{&a.NodeToken.Check}, nil})
	}
	if !a.Etcd.Off {
		list = append(list, named{"etcd", &a.Etcd.Check, nil})
	}
	if !a.Longhorn.Off {
		list = append(list, named{"longhorn", &a.Longhorn.Check, nil})
	}
	return append(list, a.Backups.checks()...)
}

// checks are those of the artefact that is named, by itself or by a key, or else of both. Only where the plan says nothing at all of backups
// need there be none: who names a prefix or an age has some.
func (b *Backups) checks() (list []named) {
	key, err := backup.ParseKey(b.Key)
	switch {
	case b.Off:
		return nil
	case b.Artefact != "":
		return []named{{"backups " + string(b.Artefact), &b.Check, nil}}
	case b.Key != "" && err != nil:
		return []named{{"backups", &b.Check, nil}} // which is refused
	case b.Key != "":
		return []named{{"backups " + string(key.Artefact), &b.Check, nil}}
	}
	var absent func(*verify.Outcome) *verify.Outcome
	if b.Check == backups.New() {
		absent = noneYet
	}
	for _, artefact := range []backup.Artefact{backup.PVs, backup.Nodes} {
		one := b.Check
		one.Artefact = artefact
		list = append(list, named{"backups " + string(artefact), &one, absent})
	}
	return list
}

// Validate wants what each check wants.
func (a *Action) Validate() error {
	var problems []error
	for _, c := range a.checks() {
		if err := c.Validate(); err != nil {
			section, _, _ := strings.Cut(c.name, " ")
			problems = append(problems, errors.New(strings.ReplaceAll(err.Error(), "with.", "with."+section+".")))
		}
	}
	return errors.Join(problems...)
}

// Needs are those of all checks.
func (a *Action) Needs(scope steps.Scope) (needs steps.Needs) {
	for _, c := range a.checks() {
		one := c.Needs(scope)
		needs.Places = append(needs.Places, one.Places...)
		needs.Bitwarden = needs.Bitwarden || one.Bitwarden
	}
	return needs
}

// Permissions are those of all checks, each once.
func (a *Action) Permissions(scope steps.Scope) (list []steps.Permission) {
	seen := map[steps.Permission]bool{}
	for _, c := range a.checks() {
		for _, p := range c.Permissions(scope) {
			p.Optional = p.Optional || p.Group == lists.Group // where Longhorn is not installed its check does not apply
			if !seen[p] {
				seen[p] = true
				list = append(list, p)
			}
		}
	}
	return list
}

// Run makes all checks at once.
func (a *Action) Run(ctx context.Context, env *steps.Env) (steps.Result, error) {
	return run(ctx, env, a.checks())
}
