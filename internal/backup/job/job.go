// Package job makes a backup from beginning to end: list, compress, upload, read back, prune. The kinds of step that make backups
// say what is listed; all else is here.
package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/dustin/go-humanize/english"

	"plan/internal/backup"
	"plan/internal/kube"
	"plan/internal/objectstore"
	"plan/internal/retention"
	"plan/internal/spool"
	"plan/steps"
)

// Job is one backup to be made. Two jobs with equal Run, Started, Hash and cluster are the same backup.
type Job struct {
	Artefact backup.Artefact
	Prefix   string
	Keep     *retention.Keep // nil: nothing is deleted
	Max      int             // most backups to delete
	MinAge   time.Duration   // nothing younger is deleted

	Cluster backup.Cluster
	Run     string
	Started time.Time
	// Hash gives the 8 hex digits of the key; n above 0 is for when what lies under the keys before is not this backup.
	Hash func(n int) string

	Kube  *kube.Client
	Store objectstore.Store
	Now   time.Time
	Temp  string // folder for a temporary file; empty is the system's

	Log      func(format string, args ...any)
	Progress func(what string, done, total int64, unit string)

	// Primary is the resource that the artefact is named after.
	Primary kube.Resource
	// Collect lists everything that the backup holds.
	Collect func(ctx context.Context, list List) error
}

// List puts a resource into the backup; a nil reduce stores every item whole.
type List func(ctx context.Context, r kube.Resource, reduce backup.Reduce) error

// Preview is what Make would do.
type Preview struct {
	Key    string // what would be written; empty if this run's backup is there already
	Count  int64  // of the primary resource: what would be in it
	Remove []retention.Candidate
	Held   string // why nothing is removed although the rules say so
}

// Planned is what is known of a backup before it is made.
type Planned struct {
	Count int64 `json:"count"` // as in Preview
}

// Planned is what is known of the backup that would be written, as JSON.
func (p Preview) Planned() json.RawMessage {
	return fmt.Appendf(nil, `{"count":%d}`, p.Count)
}

// Report is what Make did.
type Report struct {
	backup.Stored
	Pruned []string // keys, oldest first
	Held   string
}

// Changes names the key that would be written and the backups that would be deleted. what is one of what is in the backup: "node".
func (j Job) Changes(ctx context.Context, what string) (changes []steps.Change, err error) {
	preview, err := j.Preview(ctx)
	if preview.Held != "" {
		j.Log("%s", preview.Held)
	}
	if preview.Key != "" {
		changes = append(changes, steps.Change{
			Op: steps.Create, Target: j.Place(preview.Key), Detail: "backup of " + english.Plural(int(preview.Count), what, ""), After: preview.Planned(),
		})
	}
	for _, c := range preview.Remove {
		changes = append(changes, steps.Change{Op: steps.Delete, Target: j.Place(c.Key), Detail: "of " + c.Time.Format("2006-01-02 15:04:05Z")})
	}
	return changes, err
}

// Preview reads and writes nothing. The backup that would be written counts for the rules as if it were there. After an error the backup is
// made all the same if there is a key: only pruning fails.
func (j Job) Preview(ctx context.Context) (Preview, error) {
	if err := j.check(); err != nil {
		return Preview{}, err
	}
	key, there, err := backup.Find(ctx, j.Store, j.key, j.index(""))
	if err != nil {
		return Preview{}, err
	}
	var p Preview
	var assume []retention.Candidate
	if !there {
		if p.Count, err = j.Kube.Count(ctx, j.Primary); err != nil {
			return Preview{}, err
		}
		p.Key = key.String()
		assume = []retention.Candidate{{Key: p.Key, Time: key.Started, Own: true, Count: p.Count}}
	}
	if j.Keep == nil {
		return p, nil
	}
	plan, err := retention.Survey(ctx, j.Store, j.options(key.String(), assume))
	if err == nil {
		err = retention.Check(ctx, j.Store, plan)
	}
	if err != nil {
		return p, fmt.Errorf("the backup is stored all the same, but %w", err)
	}
	p.Remove, p.Held = plan.Remove, plan.Held
	return p, nil
}

// Make stores the backup and reads it back, then prunes if there are rules. When pruning fails, the report is of the backup that is
// stored all the same, and the error says so.
func (j Job) Make(ctx context.Context) (Report, error) {
	if err := j.check(); err != nil {
		return Report{}, err
	}
	stored, err := j.store(ctx)
	if err != nil {
		return Report{}, err
	}
	report := Report{Stored: stored}
	if j.Keep == nil {
		return report, nil
	}
	pruned, err := retention.Prune(ctx, j.Store, j.options(stored.Key.String(), nil))
	report.Pruned, report.Held = pruned.Deleted, pruned.Held
	if err != nil {
		return report, fmt.Errorf("the backup is stored and verified, but %w", err)
	}
	return report, nil
}

// store collects and uploads.
func (j Job) store(ctx context.Context) (backup.Stored, error) {
	version, err := j.Kube.Version(ctx)
	if err != nil {
		return backup.Stored{}, err
	}
	buffer := spool.New(j.Temp)
	defer buffer.Close()
	w, err := backup.NewWriter(buffer, j.index(version))
	if err != nil {
		return backup.Stored{}, err
	}
	if err := j.Collect(ctx, j.list(w)); err != nil {
		return backup.Stored{}, err
	}
	index, err := w.Close()
	if err != nil {
		return backup.Stored{}, err
	}
	j.Progress("uploading", 0, buffer.Size(), "bytes")
	stored, err := backup.Upload(ctx, j.Store, j.key, backup.Content{Spool: buffer, Index: index}, j.Log)
	if err != nil {
		return backup.Stored{}, err
	}
	j.Progress("uploading", stored.Size, stored.Size, "bytes")
	return stored, nil
}

func (j Job) list(w *backup.Writer) List {
	return func(ctx context.Context, r kube.Resource, reduce backup.Reduce) error {
		return w.List(ctx, j.Kube, r, reduce, func(done, total int64) {
			j.Progress("listing "+r.String(), done, total, "objects")
		})
	}
}

// check finds, before anything is done, what would only turn up at the end.
func (j Job) check() error {
	if j.Cluster.Name == "" {
		return errors.New("the cluster has no name; set spec.cluster.name, it is part of every backup's key")
	}
	if j.Cluster.UID == "" {
		return errors.New("the cluster's UID is not known")
	}
	if j.Keep != nil {
		if err := j.Keep.Validate(); err != nil {
			return err
		}
	}
	_, err := j.key(0)
	return err
}

func (j Job) key(n int) (backup.Key, error) {
	return backup.NewKey(j.Prefix, j.Cluster.Name, j.Artefact, j.Started, j.Hash(n))
}

func (j Job) index(version string) backup.Index {
	return backup.Index{
		Artefact: j.Artefact, Cluster: j.Cluster, KubernetesVersion: version, Run: j.Run, CreatedAt: j.Started.UTC().Truncate(time.Second),
	}
}

func (j Job) options(own string, assume []retention.Candidate) retention.Options {
	return retention.Options{
		Prefix: j.Prefix, Cluster: j.Cluster.Name, ClusterUID: j.Cluster.UID, Artefact: j.Artefact,
		Keep: *j.Keep, MaxDelete: j.Max, MinAge: j.MinAge, Now: j.Now, Own: own, Assume: assume, Progress: j.Progress,
	}
}

// Numbered makes the Hash of a Job from a hash of n hex digits over the run's step and whatever more tells keys apart.
func Numbered(hash func(digits int, more ...any) string) func(n int) string {
	return func(n int) string {
		if n == 0 {
			return hash(8)
		}
		return hash(8, n)
	}
}

// Place is where a key is, as far as the store says.
func (j Job) Place(key string) string {
	if s, ok := j.Store.(fmt.Stringer); ok {
		return s.String() + " " + key
	}
	return key
}

// List is Pruned as an output.
func (r Report) List() []any {
	list := make([]any, len(r.Pruned))
	for i, key := range r.Pruned {
		list[i] = key
	}
	return list
}

// Tail is what a person should know beside the backup itself; empty if that is all.
func (r Report) Tail() string {
	var s string
	if r.Adopted {
		s += ", stored by an earlier attempt"
	}
	if n := len(r.Pruned); n > 0 {
		s += ", " + english.Plural(n, "old backup", "") + " deleted"
	}
	if r.Held != "" {
		s += "; " + r.Held
	}
	return s
}
