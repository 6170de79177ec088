// Package backups checks that the newest backup of a cluster is in the store, sound, young enough, and could be restored.
package backups

import (
	"context"
	"errors"
	"fmt"
	"time"

	"plan/internal/backup"
	"plan/internal/checks"
	"plan/internal/checks/verify"
	"plan/internal/restore"
	"plan/steps"
)

// The findings that this check has besides the common ones.
const (
	Damaged      checks.Name = "DAMAGED"       // fail: bytes, counts or metadata do not fit together
	OtherCluster checks.Name = "OTHER_CLUSTER" // fail: made in a cluster with another UID
	NoMetadata   checks.Name = "NO_METADATA"   // unknown: nobody's metadata, so nothing to compare with
	Mismatched   checks.Name = "MISMATCHED"    // fail: a restore would refuse a volume and its claim
	Rejected     checks.Name = "REJECTED"      // fail: the API server would refuse an object
	Quota        checks.Name = "QUOTA"         // listed: only a quota is in the way
	OlderTool    checks.Name = "OLDER_TOOL"    // listed: a summary of the older tool
	Foreign      checks.Name = "NOT_A_BACKUP"  // listed: other objects in the folder
)

// Check is the with of verify-backup.
type Check struct {
	Store    string          `yaml:"store"`
	Artefact backup.Artefact `yaml:"artefact"` // empty is both, for verify-all; verify-backup requires it
	Prefix   *string         `yaml:"prefix"`   // nil is the prefix of the kind that makes the artefact
	Key      string          `yaml:"key"`      // empty is the newest
	MaxAge   steps.Dur       `yaml:"maxAge"`
	Rehearse bool            `yaml:"rehearse"`
}

// New is a check with the defaults.
func New() Check { return Check{MaxAge: steps.Dur(36 * time.Hour)} }

// Validate wants a usable prefix, and a key of the artefact. The key may be known only at run time.
func (c *Check) Validate() error {
	var problems []error
	if c.Prefix != nil {
		if _, err := backup.CleanPrefix(*c.Prefix); err != nil {
			problems = append(problems, fmt.Errorf("with.prefix: %w", err))
		}
	}
	if c.Key == "" {
		return errors.Join(problems...)
	}
	switch key, err := backup.ParseKey(c.Key); {
	case err != nil:
		problems = append(problems, fmt.Errorf("with.key: %w", err))
	case c.Artefact != "" && key.Artefact != c.Artefact:
		problems = append(problems, fmt.Errorf("with.key: it is of %s, not of %s", key.Artefact, c.Artefact))
	}
	return errors.Join(problems...)
}

// artefacts are those that are looked at.
func (c *Check) artefacts() []backup.Artefact {
	if key, err := backup.ParseKey(c.Key); err == nil {
		return []backup.Artefact{key.Artefact}
	}
	if c.Artefact != "" {
		return []backup.Artefact{c.Artefact}
	}
	return []backup.Artefact{backup.PVs, backup.Nodes}
}

// folder is where the cluster's backups of an artefact are.
func (c *Check) folder(artefact backup.Artefact, cluster string) string {
	if key, err := backup.ParseKey(c.Key); err == nil {
		return key.Folder()
	}
	prefix := map[backup.Artefact]string{backup.PVs: "pv-backups/", backup.Nodes: "nodes-backups/"}[artefact]
	if c.Prefix != nil {
		prefix = *c.Prefix
	}
	return backup.Folder(prefix, cluster)
}

// Needs is where the backups are.
func (c *Check) Needs(scope steps.Scope) steps.Needs {
	var needs steps.Needs
	for _, artefact := range c.artefacts() {
		needs.Places = append(needs.Places, steps.Place{Store: c.Store, Prefix: c.folder(artefact, scope.Cluster)})
	}
	return needs
}

// Permissions has what the cluster's UID takes: only backups with that UID are this cluster's. A dry run asks for the same rights as the
// creation that it rehearses.
func (c *Check) Permissions(steps.Scope) []steps.Permission {
	list := []steps.Permission{{Verb: "get", Resource: "namespaces", Name: "kube-system"}}
	if !c.Rehearse {
		return list
	}
	for _, artefact := range c.artefacts() {
		if artefact == backup.Nodes {
			list = append(list, steps.Permission{Verb: "create", Resource: "nodes"})
			continue
		}
		for _, r := range restore.Resources() {
			list = append(list, steps.Permission{Verb: "create", Group: r.Group, Resource: r.Resource, Optional: restore.Extra(r)})
		}
	}
	return list
}

// Check reads the newest sound backup, and every newer one that is not, to their ends.
func (c *Check) Check(ctx context.Context, env *steps.Env) (*verify.Outcome, error) {
	store, err := env.Store(c.Store)
	if err != nil {
		return nil, err
	}
	if env.Cluster.UID == "" {
		return nil, errors.New("the cluster's UID is not known, so its backups cannot be told from another's")
	}
	o := verify.NewOutcome()
	objects := int64(0)
	for _, artefact := range c.artefacts() {
		l := look{
			store: store, artefact: artefact, cluster: env.Cluster, folder: c.folder(artefact, env.Cluster.Name), named: c.Key != "",
			limit: checks.Limit{Now: env.Now(), MaxAge: c.MaxAge.Duration()}, progress: env.Progress, outcome: o,
		}
		if c.Key != "" {
			l.one(ctx, c.Key)
		} else {
			l.newest(ctx)
		}
		if l.sound == nil {
			continue
		}
		objects += l.sound.Index.Objects
		o.Outputs["key"], o.Outputs["objects"] = l.sound.Key.String(), objects
		if c.Rehearse {
			l.rehearse(ctx, env)
		}
	}
	return o, nil
}
