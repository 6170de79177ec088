package backups

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"plan/internal/backup"
	"plan/internal/checks"
	"plan/internal/checks/verify"
	"plan/internal/objectstore"
	"plan/steps"
)

// look is a check of one artefact.
type look struct {
	store    objectstore.Store
	artefact backup.Artefact
	cluster  steps.Cluster
	folder   string
	named    bool // one key was asked for: that it is not there is certain
	limit    checks.Limit
	progress func(what string, done, total int64, unit string)
	outcome  *verify.Outcome

	entries []entry
	older   tally
	foreign tally
	asked   int64

	sound *backup.Verified // what is judged; nil if there is none
}

// entry is an object with the name of a backup.
type entry struct {
	key      backup.Key
	modified time.Time
	problem  *checks.Finding // nil: only reading tells
}

// tally counts objects that are no backups and keeps the first.
type tally struct {
	count int64
	first string
}

func (t *tally) add(key string) {
	if t.count++; t.first == "" || key < t.first {
		t.first = key
	}
}

// one judges the backup that was named.
func (l *look) one(ctx context.Context, key string) {
	parsed, err := backup.ParseKey(key)
	if err != nil {
		l.outcome.Add(checks.Broken(key, err))
		return
	}
	if parsed.Started.After(l.limit.Now.Add(checks.Skew)) {
		l.outcome.Add(l.limit.Judge(key, parsed.Started))
		return
	}
	info, err := l.store.Head(ctx, key)
	if err != nil {
		l.outcome.Add(l.broken(key, err))
		return
	}
	if problem := l.judgeMetadata(info); problem != nil {
		l.outcome.Add(*problem)
		return
	}
	l.read(ctx, key)
}

// broken is the finding for an object that could not be looked at. That one which was named is not there is certain; one that was listed
// a moment ago says nothing by being gone.
func (l *look) broken(key string, err error) checks.Finding {
	if !l.named || !errors.Is(err, objectstore.ErrNotFound) {
		return checks.Broken(key, err)
	}
	return checks.Finding{Name: checks.NoBackup, Verdict: checks.Fail, Object: key, Message: "it is not in the store",
		Cause: "it was deleted, or never stored there", Next: "see that store and key are right; look at what else is there"}
}

// newest lists the folder to its end and reads backups, the newest first, until one is sound. What is wrong with newer ones counts; of older ones
// it is listed.
func (l *look) newest(ctx context.Context) {
	if err := backup.Heads(ctx, l.store, l.folder, objectstore.ListOptions{Shallow: true}, l.want, l.head); err != nil {
		l.outcome.Add(checks.Broken(l.folder, err)) // a part of a listing says nothing
		return
	}
	slices.SortFunc(l.entries, func(a, b entry) int {
		return cmp.Or(b.key.Started.Compare(a.key.Started), b.modified.Compare(a.modified), strings.Compare(b.key.String(), a.key.String()))
	})
	blind := false // a newer one could not be read, so no older one is read
	for _, e := range l.entries {
		switch {
		case e.problem != nil:
			f := *e.problem
			if l.sound != nil {
				f.Verdict = checks.None
			}
			l.outcome.Add(f)
		case l.sound == nil && !blind:
			blind = !l.read(ctx, e.key.String())
		}
	}
	l.others()
}

// want chooses the objects whose metadata is asked for.
func (l *look) want(o objectstore.Object) bool {
	if l.asked++; l.asked%100 == 0 {
		l.progress("looking at backups", l.asked, 0, "objects")
	}
	key, err := backup.ParseKey(o.Key)
	switch {
	case strings.HasSuffix(o.Key, "/"): // a folder's marker is no object of anybody's
	case err != nil || key.Folder() != l.folder:
		if backup.IsOlder(o.Key) {
			l.older.add(o.Key)
		} else {
			l.foreign.add(o.Key)
		}
	case key.Artefact != l.artefact:
	case key.Started.After(l.limit.Now.Add(checks.Skew)):
		f := l.limit.Judge(o.Key, key.Started)
		l.entries = append(l.entries, entry{key, o.LastModified, &f})
	default:
		return true
	}
	return false
}

// head takes an object in by its metadata.
func (l *look) head(info objectstore.Info) error {
	key, err := backup.ParseKey(info.Key)
	if err != nil {
		return err // it was chosen by its name
	}
	l.entries = append(l.entries, entry{key, info.LastModified, l.judgeMetadata(info)})
	return nil
}

// judgeMetadata finds what is wrong without reading the body.
func (l *look) judgeMetadata(info objectstore.Info) *checks.Finding {
	if info.Size == 0 {
		return damaged(info.Key, "it has no bytes", "what made it broke off, or the store has lost it")
	}
	meta, err := backup.ParseMetadata(info.Metadata)
	switch {
	case errors.Is(err, backup.ErrNoMetadata):
		return noMetadata(info.Key, err)
	case err != nil:
		return damaged(info.Key, "its metadata is not readable", err.Error())
	case meta.ClusterUID != l.cluster.UID:
		return l.otherCluster(info.Key, meta)
	case meta.Size > 0 && meta.Size != info.Size:
		return damaged(info.Key, fmt.Sprintf("it has %d bytes, %d were uploaded", info.Size, meta.Size), "it was cut off or replaced after it was uploaded")
	}
	return nil
}

// read reads a backup to its end and judges it. False means that it could not be read, so that nothing is known of it.
func (l *look) read(ctx context.Context, key string) bool {
	l.progress("reading "+key, 0, 0, "bytes")
	verified, err := backup.Verify(ctx, l.store, key)
	switch {
	case errors.Is(err, backup.ErrNoMetadata):
		l.outcome.Add(*noMetadata(key, err))
	case errors.Is(err, backup.ErrDamaged):
		l.outcome.Add(*damaged(key, "it is not what was stored", err.Error()))
	case err != nil:
		l.outcome.Add(l.broken(key, err))
		return false
	case verified.Meta.ClusterUID != l.cluster.UID:
		l.outcome.Add(*l.otherCluster(key, verified.Meta))
	default:
		l.sound = &verified
		l.outcome.Add(l.judgeAge(verified))
	}
	return true
}
