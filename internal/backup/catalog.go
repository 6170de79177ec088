package backup

import (
	"cmp"
	"context"
	"errors"
	"path"
	"slices"
	"strings"
	"time"

	"plan/internal/objectstore"
)

// Entry is an object in a folder of backups.
type Entry struct {
	Key      string
	Size     int64
	Modified time.Time // when the store received it
	Sort     Sort
	Name     Key    // parsed; of a Sound or Unsound one
	Meta     Meta   // of a Sound one
	Problem  string // why it is not Sound
}

// Sort says what an object in a folder of backups is, as far as listing and metadata tell.
type Sort string

// The sorts.
const (
	Sound   Sort = "backup"  // name and metadata of a backup; whether its bytes are, only reading tells
	Unsound Sort = "damaged" // the name of a backup, without metadata that fits
	Older   Sort = "older"   // a summary of the older tool: it can be shown and compared, not restored
	Foreign Sort = "foreign" // something else
)

// Time is when the backup was made, as its name says, or when the store received it.
func (e Entry) Time() time.Time {
	if e.Name.Started.IsZero() {
		return e.Modified
	}
	return e.Name.Started
}

// Catalog lists the backups of all clusters under a prefix, newest first, with everything else that is there. It reads the listing and
// metadata, no bodies. An incomplete listing is an error.
func Catalog(ctx context.Context, store objectstore.Store, prefix string) ([]Entry, error) {
	prefix, err := CleanPrefix(prefix)
	if err != nil {
		return nil, err
	}
	var list []Entry
	want := func(o objectstore.Object) bool {
		e := Entry{Key: o.Key, Size: o.Size, Modified: o.LastModified}
		if e.Name, err = ParseKey(o.Key); err == nil && e.Name.Prefix == prefix {
			return true
		}
		e.Name, e.Sort, e.Problem = Key{}, Foreign, "not a backup's name"
		if IsOlder(o.Key) {
			e.Sort, e.Problem = Older, "a summary of the older tool: it can be shown and compared, and cannot be restored"
		}
		list = append(list, e)
		return false
	}
	err = Heads(ctx, store, prefix, objectstore.ListOptions{}, want, func(info objectstore.Info) error {
		list = append(list, entry(info))
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b Entry) int { return cmp.Or(b.Time().Compare(a.Time()), cmp.Compare(a.Key, b.Key)) })
	return list, nil
}

// entry is an object with the name of a backup.
func entry(info objectstore.Info) Entry {
	e := Entry{Key: info.Key, Size: info.Size, Modified: info.LastModified, Sort: Sound}
	e.Name, _ = ParseKey(info.Key) // it was chosen for that
	meta, err := ParseMetadata(info.Metadata)
	switch {
	case errors.Is(err, ErrNoMetadata):
		e.Sort, e.Problem = Unsound, "no backup's metadata"
	case err != nil:
		e.Sort, e.Problem = Unsound, "its metadata is not readable"
	case meta.Cluster != e.Name.Cluster || meta.Artefact != e.Name.Artefact:
		e.Sort, e.Problem = Unsound, "its metadata is of another backup"
	case meta.Size > 0 && meta.Size != info.Size:
		e.Sort, e.Problem = Unsound, "its size is not what was uploaded"
	default:
		e.Meta = meta
	}
	return e
}

// IsOlder tells whether a key is that of a summary of the older tool: plain JSON.
func IsOlder(key string) bool {
	base := path.Base(key)
	return strings.HasSuffix(base, ".json") && base != ".json"
}
