package etcdsnapshot

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"plan/internal/objectstore"
)

// Snapshot is an object of a folder that is named as a snapshot.
type Snapshot struct {
	Key          string
	Name         string    // the last part of the key
	Time         time.Time // of the name: when the snapshot was begun
	Size         int64     // bytes, as stored
	LastModified time.Time // when the store received it, or a copy of it; zero if the store does not say
	Zip          bool
}

// Parsed is the name taken apart.
func (s Snapshot) Parsed() Name {
	n, _ := ParseName(s.Name) // only what parses becomes a Snapshot
	return n
}

// Listing is what a complete listing of a folder has shown. It holds every snapshot, a few hundred bytes each.
type Listing struct {
	Snapshots []Snapshot // named as snapshots, not empty, directly in the folder; newest first

	Empty    Empties // named as snapshots, without a byte
	Sidecars Others  // below .metadata/: what k3s keeps beside a snapshot
	Nested   Others  // in other folders below this one
	Foreign  Others  // other names, directly in the folder
}

// Usable divides the snapshots into those up to a time, which is now but for what clocks differ, and those dated later: they may have been
// made at any time, so that none of them is the newest. Each keeps the order.
func (l Listing) Usable(latest time.Time) (usable, future []Snapshot) {
	for _, s := range l.Snapshots {
		if s.Time.After(latest) {
			future = append(future, s)
		} else {
			usable = append(usable, s)
		}
	}
	return usable, future
}

// Others are objects that are no snapshots.
type Others struct {
	Count    int64
	Examples []string // the first keys
}

// Empties are snapshots without a byte, as a snapshot that failed may leave.
type Empties struct {
	Others
	Newest Snapshot // by the name's time
}

// examples is how many keys are kept of what does not count.
const examples = 3

func (o *Others) add(key string) {
	if o.Count++; len(o.Examples) < examples {
		o.Examples = append(o.Examples, key)
	}
}

// List lists everything under folder, which is empty or ends with "/". It gives a complete listing or an error: half a listing says
// nothing. The error is that of store.List, or ctx's. progress is told of every thousandth object; it may be nil.
func List(ctx context.Context, store objectstore.Store, folder string, progress Progress) (Listing, error) {
	var l Listing
	listed := int64(0)
	for o, err := range store.List(ctx, folder, objectstore.ListOptions{}) {
		if err != nil {
			return Listing{}, err
		}
		if listed++; listed%1000 == 0 {
			progress.tell("listing "+folder, listed, 0, "objects")
		}
		l.look(folder, o)
	}
	if err := ctx.Err(); err != nil {
		return Listing{}, err
	}
	slices.SortFunc(l.Snapshots, newestFirst)
	return l, nil
}

func newestFirst(a, b Snapshot) int {
	return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(b.Key, a.Key))
}

// look sorts one object in.
func (l *Listing) look(folder string, o objectstore.Object) {
	name, below := strings.CutPrefix(o.Key, folder)
	if !below || name == "" || strings.HasSuffix(name, "/") {
		return // a folder's marker is no object of anybody's
	}
	parsed, ok := ParseName(name)
	switch {
	case strings.HasPrefix(name, ".metadata/"):
		l.Sidecars.add(o.Key)
	case strings.Contains(name, "/"):
		l.Nested.add(o.Key)
	case !ok:
		l.Foreign.add(o.Key)
	default:
		l.take(Snapshot{Key: o.Key, Name: name, Time: parsed.Time, Size: o.Size, LastModified: o.LastModified, Zip: parsed.Zip})
	}
}

func (l *Listing) take(s Snapshot) {
	if s.Size > 0 {
		l.Snapshots = append(l.Snapshots, s)
		return
	}
	l.Empty.add(s.Key)
	if l.Empty.Newest.Key == "" || s.Time.After(l.Empty.Newest.Time) {
		l.Empty.Newest = s
	}
}
