package retention

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"plan/internal/backup"
	"plan/internal/objectstore"
)

// Skew is how far in the future a backup may be dated before it is taken for a mistake.
const Skew = 5 * time.Minute

// Options say which backups are meant and which of them stay.
type Options struct {
	Prefix     string // a missing final "/" is added
	Cluster    string // the cluster's name
	ClusterUID string
	OldUIDs    []string // of the same cluster before it was rebuilt
	Artefact   backup.Artefact

	Keep      Keep
	MaxDelete int           // with more victims nothing is deleted
	MinAge    time.Duration // nothing younger is deleted
	Now       time.Time

	// Own is the key that this run has just written; empty if it wrote none.
	Own string
	// Assume is a backup that is about to be written, counted as if it were there.
	Assume []Candidate

	// Progress may be nil. It is called by one goroutine at a time.
	Progress func(what string, done, total int64, unit string)

	// Verify reads a backup back and decodes it; nil is backup.Verify.
	Verify func(ctx context.Context, store objectstore.Store, key string) error
}

// Plan is what Execute would do.
type Plan struct {
	Keep    []Candidate // newest first
	Remove  []Candidate // oldest first
	Held    string      // why nothing is removed although the rules say so; empty if they are followed
	Ignored Ignored     // what neither counts nor goes

	options Options
}

// Ignored tells of objects in the cluster's folder that are no candidates.
type Ignored struct {
	Count    int64
	ByReason map[string]int64
	Examples []Example // the first few that were met
}

// Example is an ignored object.
type Example struct{ Key, Reason string }

const maxExamples = 20

func (i *Ignored) add(key, reason string) {
	if i.ByReason == nil {
		i.ByReason = map[string]int64{}
	}
	i.Count++
	i.ByReason[reason]++
	if len(i.Examples) < maxExamples {
		i.Examples = append(i.Examples, Example{key, reason})
	}
}

// Reasons lists the reasons with their numbers, sorted.
func (i Ignored) Reasons() []string {
	var list []string
	for _, reason := range slices.Sorted(maps.Keys(i.ByReason)) {
		list = append(list, fmt.Sprintf("%d × %s", i.ByReason[reason], reason))
	}
	return list
}

// TooManyError means that the rules would remove more than allowed, so nothing was deleted.
type TooManyError struct {
	Victims, Max int
	Folder       string
}

// Error says the number and the setting.
func (e *TooManyError) Error() string {
	return fmt.Sprintf("prune %s: the rules remove %d backups and maxDelete is %d, so nothing is deleted; if that is right, set maxDelete to %d",
		e.Folder, e.Victims, e.Max, e.Victims)
}

// Survey finds the candidates and decides, and writes nothing. Candidates lie directly under `<prefix><cluster>/`, have a
// backup's name and the artefact's, are not dated in the future, and their metadata has the cluster's name and UID. An incomplete
// listing or a candidate whose metadata cannot be asked for is an error, and so is a *TooManyError.
func Survey(ctx context.Context, store objectstore.Store, o Options) (Plan, error) {
	o, err := o.check()
	if err != nil {
		return Plan{}, fmt.Errorf("prune: %w", err)
	}
	found, ignored, err := find(ctx, store, o)
	if err != nil {
		return Plan{}, fmt.Errorf("prune %s: nothing is deleted: %w", o.folder(), err)
	}
	candidates := o.assume(found)
	d := Decide(o.Keep, candidates, o.Now, o.MinAge)
	plan := Plan{Keep: d.Keep, Remove: d.Remove, Ignored: ignored, options: o}
	switch {
	case len(d.Remove) == 0:
	case d.emptied():
		plan.Held = "the newest backup holds nothing and older ones do: nothing is deleted on its account"
		plan.Keep, plan.Remove = newestFirst(candidates), nil
	case len(d.Remove) > o.MaxDelete:
		return Plan{}, &TooManyError{Victims: len(d.Remove), Max: o.MaxDelete, Folder: o.folder()}
	}
	return plan, nil
}

func (o Options) folder() string { return backup.Key{Prefix: o.Prefix, Cluster: o.Cluster}.Folder() }

func (o Options) check() (Options, error) {
	prefix, err := backup.CleanPrefix(o.Prefix)
	if err != nil {
		return o, err
	}
	o.Prefix = prefix
	if _, err := backup.NewKey(prefix, o.Cluster, o.Artefact, o.Now, "00000000"); err != nil {
		return o, err
	}
	if o.ClusterUID == "" {
		return o, errors.New("the cluster's UID is not known, so its backups cannot be told from another's")
	}
	if o.Now.IsZero() {
		return o, errors.New("the time is not known")
	}
	if o.Progress == nil {
		o.Progress = func(string, int64, int64, string) {}
	}
	if o.Verify == nil {
		o.Verify = func(ctx context.Context, store objectstore.Store, key string) error {
			_, err := backup.Verify(ctx, store, key)
			return err
		}
	}
	return o, o.Keep.Validate()
}

// assume adds what is about to be written, unless it is there already.
func (o Options) assume(found []Candidate) []Candidate {
	for _, c := range o.Assume {
		if !slices.ContainsFunc(found, func(f Candidate) bool { return f.Key == c.Key }) {
			found = append(found, c)
		}
	}
	return found
}
