// Package nodetoken checks that a server's token is kept: that it is there, is the one the server has, and opens the newest snapshot.
package nodetoken

import (
	"context"
	"errors"
	"fmt"
	"time"

	"plan/internal/backup"
	"plan/internal/bitwarden"
	"plan/internal/checks"
	"plan/internal/checks/verify"
	"plan/internal/nodetoken"
	"plan/steps"
)

// The findings that this check has besides the common ones.
const (
	noToken     checks.Name = "NO_TOKEN"     // fail: the place could be looked at, and holds none
	notAToken   checks.Name = "NOT_A_TOKEN"  // fail: something is there that opens no snapshot
	noCopy      checks.Name = "NO_COPY"      // fail: the place is the server's own token file
	ambiguous   checks.Name = "AMBIGUOUS"    // unknown: two have the name, and which counts is not known
	differs     checks.Name = "DIFFERS"      // fail: the server's file has another token
	doesNotOpen checks.Name = "WRONG_TOKEN"  // fail: no token that is kept is the newest snapshot's
	noHash      checks.Name = "NO_METADATA"  // unknown: the snapshot does not say which token it needs
	noFile      checks.Name = "NO_FILE"      // unknown: path names a file that is not there
	notCompared checks.Name = "NOT_COMPARED" // listed: there is nothing to compare with
)

// Check is the step's with.
type Check struct {
	In     nodetoken.To `yaml:"in"`
	Path   string       `yaml:"path"` // "" is the server's own file, if this is a server
	Store  string       `yaml:"store"`
	Prefix string       `yaml:"prefix"` // "": no snapshot is looked at
}

// New is a check with the defaults.
func New() Check { return Check{} }

// Outputs are what the check has besides findings.
func Outputs() []steps.Output {
	return []steps.Output{
		{Name: "tokenHash", Type: steps.String, Doc: "the hash of the token that is kept; empty when none could be read"},
		{Name: "updated", Type: steps.String, Doc: "when what holds it last changed (RFC 3339); empty when that is not known"},
	}
}

// Validate wants no more than one place, and a usable prefix.
func (c *Check) Validate() error {
	var problems []error
	if n := c.In.Count(); n > 1 {
		problems = append(problems, fmt.Errorf("with.in: it names %d places: name exactly one of bitwarden, kubernetes and file", n))
	}
	if _, err := backup.CleanPrefix(c.Prefix); err != nil {
		problems = append(problems, fmt.Errorf("with.prefix: %w", err))
	}
	return errors.Join(problems...)
}

// Needs is a session of Bitwarden when the token is kept there, and the snapshots' folder when there is a prefix.
func (c *Check) Needs(steps.Scope) steps.Needs {
	needs := steps.Needs{Bitwarden: c.In.Bitwarden != nil}
	if folder, err := backup.CleanPrefix(c.Prefix); err == nil && folder != "" {
		needs.Places = []steps.Place{{Store: c.Store, Prefix: folder}}
	}
	return needs
}

// Permissions is to read the one Secret, when the token is kept in one.
func (c *Check) Permissions(scope steps.Scope) []steps.Permission {
	k := c.In.Kubernetes
	if k == nil {
		return nil
	}
	return []steps.Permission{{Verb: "get", Resource: "secrets", Namespace: k.In(scope.Namespace), Name: k.Name}}
}

// Check reads the kept token and compares it. A check that names no place has nothing to look at.
func (c *Check) Check(ctx context.Context, env *steps.Env) (*verify.Outcome, error) {
	if c.In.Count() == 0 {
		return verify.NotHere("node token", "no place is named where it is kept", "in names none of bitwarden, kubernetes and file",
			"keep the token with backup-node-token, and name the same place here"), nil
	}
	file := c.Path
	if file != "" {
		file = nodetoken.Absolute(env.Dir, file)
	}
	server := readOwn(file, env.Hide)
	place, err := c.In.Open(nodetoken.Options{
		Cluster: env.Cluster.Name, Namespace: env.Scope.Namespace, Dir: env.Dir, Source: server.file,
		Kube: env.Kube, Bitwarden: env.Bitwarden, Hide: env.Hide,
	})
	if err != nil {
		return nil, fmt.Errorf("with.in: %w", err)
	}
	o := verify.NewOutcome()
	o.Outputs["tokenHash"], o.Outputs["updated"] = "", ""
	kept, err := place.Look(ctx, "")
	if err != nil {
		o.Add(notKept(place.Target(""), err))
		return o, nil
	}
	o.Outputs["tokenHash"] = kept.Token.Hash()
	message := "it is kept, hash " + kept.Token.Hash()
	if !kept.Updated.IsZero() {
		o.Outputs["updated"] = kept.Updated.UTC().Format(time.RFC3339)
		message += ", last changed " + kept.Updated.UTC().Format(time.RFC3339)
	}
	o.Add(checks.Finding{Name: checks.OK, Verdict: checks.Pass, Object: place.Target(""), Message: message})
	o.Add(server.compare(kept.Token))
	snapshot, err := c.compareSnapshot(ctx, env, place, kept.Token)
	o.Add(snapshot)
	return o, err
}

// notKept is the finding for a place that gave no token.
func notKept(target string, err error) checks.Finding {
	f := checks.Finding{Object: target, Cause: err.Error()}
	e := (*bitwarden.AmbiguousError)(nil)
	switch {
	case errors.Is(err, nodetoken.ErrNone):
		f.Name, f.Verdict, f.Message = noToken, checks.Fail, "no token is kept there"
		f.Next = "run backup-node-token on a server node, or correct the place; without the token no snapshot can be restored"
	case errors.Is(err, nodetoken.ErrToken):
		f.Name, f.Verdict, f.Message = notAToken, checks.Fail, "what is kept there opens no snapshot"
		f.Next = "move it away if it is needed, then run backup-node-token on a server node"
	case errors.Is(err, nodetoken.ErrSource):
		f.Name, f.Verdict, f.Message = noCopy, checks.Fail, "no copy is kept there: it is the server's own token file"
		f.Next = "name a place that survives the server, and run backup-node-token with it"
	case errors.As(err, &e):
		f.Name, f.Verdict, f.Message = ambiguous, checks.Unknown, "which of them counts is not known"
		f.Next = "keep the right one of these ids, and rename or delete the others"
	case errors.Is(err, nodetoken.ErrNoFolder):
		f.Name, f.Verdict, f.Message = checks.NoStore, checks.Unknown, "the folder itself is not there"
		f.Next = "mount it, or correct the path"
	case errors.Is(err, bitwarden.ErrNotFound):
		f.Name, f.Verdict, f.Message = checks.NotAllowed, checks.Unknown, "it is unknown, or this machine account may not read it"
		f.Next = "correct the project, or give the machine account access to it: Bitwarden answers 404 to both alike"
	default:
		return checks.Broken(target, err)
	}
	return f
}
