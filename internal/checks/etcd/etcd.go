// Package etcd checks that k3s or RKE2 keeps making snapshots of the cluster's etcd in a store, and that the newest can be restored: as deep
// as it is told to look.
package etcd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"plan/internal/backup"
	"plan/internal/checks"
	"plan/internal/checks/verify"
	"plan/internal/etcdsnapshot"
	"plan/internal/nodetoken"
	"plan/internal/objectstore"
	"plan/steps"
)

// How deep to look. Each does what the ones before it do.
const (
	depthAge       = "age"       // listing and metadata
	depthStructure = "structure" // a few kilobytes of the snapshot
	depthChecksum  = "checksum"  // all of it
	depthOpen      = "open"      // its database and what it takes to restore
)

// What a node without a fresh snapshot of its own means.
const (
	perNodeOff  = "off"
	perNodeWarn = "warn"
	perNodeFail = "fail"
)

// The findings besides the common ones.
const (
	Empty         checks.Name = "EMPTY"              // fail: the newest snapshot has no bytes; listed: an older one has none
	OtherCluster  checks.Name = "OTHER_CLUSTER"      // fail: another cluster's
	Damaged       checks.Name = "DAMAGED"            // fail: not the bytes that etcd wrote
	TokenMismatch checks.Name = "TOKEN_MISMATCH"     // fail: made with another token than the one given, or not opened by it
	NoBootstrap   checks.Name = "NO_BOOTSTRAP"       // fail: without the data that a restore needs
	LastFailed    checks.Name = "LAST_BACKUP_FAILED" // fail: k3s recorded a failure, and nothing was made since; listed: something was
	TooLarge      checks.Name = "TOO_LARGE"          // unknown: more than etcd supports, so that it is not unpacked
	NoMetadata    checks.Name = "NO_METADATA"        // unknown: nothing to compare with
	NoScheduled   checks.Name = "NO_SCHEDULED"       // unknown: only snapshots made by hand
	NodeBehind    checks.Name = "NODE_BEHIND"        // listed, or fail: a server without a fresh snapshot of its own
	OnDemand      checks.Name = "ON_DEMAND"          // listed: newer snapshots, made by hand
	TimeDisagrees checks.Name = "TIME_DISAGREES"     // listed: name and store give different times
	Shrunk        checks.Name = "SHRUNK"             // listed: much smaller than those before
	LeftOut       checks.Name = "LEFT_OUT"           // listed: objects that are no snapshots
	NoRecord      checks.Name = "NO_RECORD"          // listed: k3s keeps no records of snapshots here, or has none
)

// Check is what verify-etcd is told.
type Check struct {
	Store   string       `yaml:"store"`
	Prefix  string       `yaml:"prefix"`
	MaxAge  steps.Dur    `yaml:"maxAge"`
	Depth   string       `yaml:"depth"`
	Sample  int          `yaml:"sample"`
	PerNode string       `yaml:"perNode"`
	Token   steps.Secret `yaml:"token"`
}

// New is a check with the defaults.
func New() Check {
	return Check{Prefix: "k3s-etcd-snapshots/", MaxAge: steps.Dur(24 * time.Hour), Depth: depthAge, Sample: 1, PerNode: perNodeWarn}
}

// Validate wants a usable prefix, and words and numbers that mean something.
func (c *Check) Validate() error {
	var errs []error
	if _, err := backup.CleanPrefix(c.Prefix); err != nil {
		errs = append(errs, fmt.Errorf("with.prefix: %w", err))
	}
	switch c.Depth {
	case depthAge, depthStructure, depthChecksum, depthOpen:
	default:
		errs = append(errs, fmt.Errorf("with.depth: %q is none of age, structure, checksum, open", c.Depth))
	}
	switch c.PerNode {
	case perNodeOff, perNodeWarn, perNodeFail:
	default:
		errs = append(errs, fmt.Errorf("with.perNode: %q is none of off, warn, fail", c.PerNode))
	}
	if c.Sample < 1 {
		errs = append(errs, fmt.Errorf("with.sample: %d is less than 1", c.Sample))
	}
	return errors.Join(errs...)
}

// Needs is what the check lists.
func (c *Check) Needs(steps.Scope) steps.Needs {
	folder, _ := backup.CleanPrefix(c.Prefix) // Validate has refused a bad one
	return steps.Needs{Places: []steps.Place{{Store: c.Store, Prefix: folder}}}
}

// Permissions is what tells whose the snapshots are, which nodes make them, and what k3s says of them.
func (c *Check) Permissions(steps.Scope) []steps.Permission {
	return []steps.Permission{
		{Verb: "get", Resource: "namespaces", Name: "kube-system"},
		{Verb: "list", Resource: "nodes"},
		{Verb: "list", Group: "k3s.cattle.io", Version: "v1", Resource: "etcdsnapshotfiles", Optional: true},
	}
}

// look is one run of the check.
type look struct {
	*Check
	env    *steps.Env
	store  objectstore.Store
	folder string
	now    time.Time
	limit  checks.Limit
	token  nodetoken.Token // zero: none was given, or none that can be used

	servers servers
	listing etcdsnapshot.Listing
	listed  bool                    // listing is complete
	usable  []etcdsnapshot.Snapshot // of the listing, without those of the future; newest first
	meta    map[string]etcdsnapshot.Meta
	records records

	fresh *checks.Finding // of age; added at the end, when nothing else is wrong with its object
	found []checks.Finding
}

// Check lists the folder, judges what is there, and looks into the newest snapshots. What keeps it from one thing does not keep it from
// the others.
func (c *Check) Check(ctx context.Context, env *steps.Env) (*verify.Outcome, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	folder, err := backup.CleanPrefix(c.Prefix)
	if err != nil {
		return nil, fmt.Errorf("with.prefix: %w", err)
	}
	store, err := env.Store(c.Store)
	if err != nil {
		return nil, err
	}
	now := env.Now()
	l := &look{Check: c, env: env, store: store, folder: folder, now: now, limit: checks.Limit{Now: now, MaxAge: c.MaxAge.Duration()}, meta: map[string]etcdsnapshot.Meta{}}
	if absent := l.findServers(ctx); absent != nil {
		return absent, nil
	}
	l.readToken()
	l.readRecords(ctx)
	l.list(ctx)
	l.judgeRecords()
	if len(l.usable) > 0 {
		l.judgeNodes(ctx)
		l.lookInto(ctx)
	}
	return l.outcome(), nil
}

// add takes findings in.
func (l *look) add(findings ...checks.Finding) { l.found = append(l.found, findings...) }

// readToken takes the token that was given. One that is no token is as good as none, and is said.
func (l *look) readToken() {
	if l.Token.IsZero() {
		return
	}
	raw, err := l.env.Secret(l.Token.Value())
	if err == nil {
		l.token, err = nodetoken.Parse(raw)
	}
	if err != nil {
		f := checks.Broken("with.token", err)
		f.Next = "name the secret that holds the server token, as in /var/lib/rancher/k3s/server/token"
		l.add(f)
		return
	}
	l.env.Hide(l.token.Password())
}

// list lists the folder. Half a listing is none.
func (l *look) list(ctx context.Context) {
	listing, err := etcdsnapshot.List(ctx, l.store, l.folder, l.env.Progress)
	if err != nil {
		l.add(checks.Broken(l.where(), err))
		return
	}
	l.listing, l.listed = listing, true
	l.judgeListing()
}

// where names the folder.
func (l *look) where() string {
	if l.folder == "" {
		return "the store"
	}
	return l.folder
}

// outcome puts together what was found. The finding that a snapshot is fresh counts only when nothing else is wrong with that snapshot.
func (l *look) outcome() *verify.Outcome {
	o := verify.NewOutcome()
	if f := l.fresh; f != nil {
		sound := true
		for _, other := range l.found {
			sound = sound && (other.Object != f.Object || other.Verdict == checks.None)
		}
		if sound || f.Verdict != checks.Pass {
			o.Add(*f)
		}
	}
	o.Add(l.found...)
	if l.listed {
		o.Outputs["snapshots"] = int64(len(l.usable))
	}
	if len(l.usable) > 0 {
		newest := l.usable[0]
		o.Outputs["newest"], o.Outputs["age"] = newest.Key, checks.Age(l.now, newest.Time).Truncate(time.Second)
	}
	return o
}
