package retention

import (
	"context"
	"errors"
	"slices"

	"plan/internal/backup"
	"plan/internal/objectstore"
)

// find lists the folder and asks for each candidate's metadata. Any failure ends it.
func find(ctx context.Context, store objectstore.Store, o Options) ([]Candidate, Ignored, error) {
	f := finder{options: o}
	err := backup.Heads(ctx, store, o.folder(), objectstore.ListOptions{Shallow: true}, f.want, f.head)
	if err != nil {
		return nil, Ignored{}, err
	}
	return f.found, f.ignored, nil
}

type finder struct {
	options Options
	found   []Candidate
	ignored Ignored
	asked   int64
}

func (f *finder) want(object objectstore.Object) bool {
	key, err := backup.ParseKey(object.Key)
	switch {
	case err != nil || key.Folder() != f.options.folder():
		f.ignore(object.Key, "not a backup's name")
		return false
	case key.Artefact != f.options.Artefact:
		return false
	case key.Started.After(f.options.Now.Add(Skew)):
		f.ignore(object.Key, "dated in the future")
		return false
	}
	return true
}

func (f *finder) head(info objectstore.Info) error {
	meta, reason := f.options.owned(info.Metadata)
	if reason == "" && meta.Size > 0 && info.Size != meta.Size {
		reason = "its size is not what was uploaded: damaged"
	}
	if reason != "" {
		f.ignore(info.Key, reason)
		return nil
	}
	key, err := backup.ParseKey(info.Key)
	if err != nil {
		return err // it was chosen by its name
	}
	f.found = append(f.found, Candidate{
		Key: info.Key, Time: key.Started, Modified: info.LastModified, Own: info.Key == f.options.Own, Count: meta.Count,
	})
	f.progress()
	return nil
}

// owned reads metadata, or tells why the object is not this cluster's backup.
func (o Options) owned(stored map[string]string) (meta backup.Meta, reason string) {
	meta, err := backup.ParseMetadata(stored)
	switch {
	case errors.Is(err, backup.ErrNoMetadata):
		return meta, "no backup's metadata"
	case err != nil:
		return meta, "metadata is not readable"
	case meta.Artefact != o.Artefact:
		return meta, "metadata names another artefact"
	case meta.Cluster != o.Cluster:
		return meta, "metadata names another cluster"
	case meta.ClusterUID != o.ClusterUID && !slices.Contains(o.OldUIDs, meta.ClusterUID):
		return meta, "made in another cluster of that name"
	}
	return meta, ""
}

func (f *finder) ignore(key, reason string) {
	f.ignored.add(key, reason)
	f.progress()
}

func (f *finder) progress() {
	f.asked++
	f.options.Progress("looking at backups", f.asked, 0, "objects")
}
