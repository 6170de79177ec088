package longhorn

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"time"

	"plan/internal/kube"
)

// State is what the lists have brought. Make one with New.
type State struct {
	PVs     []PV
	Claims  map[Reference]Claim
	Volumes map[string]Volume
	Targets map[string]Target
	Jobs    []Job

	backupVolumes map[string][]BackupVolume // by volume
	backups       map[string][]Backup       // by volume
	settings      map[string]string
}

// New is an empty state.
func New() *State {
	return &State{
		Claims: map[Reference]Claim{}, Volumes: map[string]Volume{}, Targets: map[string]Target{},
		backupVolumes: map[string][]BackupVolume{}, backups: map[string][]Backup{}, settings: map[string]string{},
	}
}

// List is a resource that is part of a state, and what takes an object of it in.
type List struct {
	kube.Resource
	Take func(raw []byte) error
}

// Lists are all that a state is made of; Longhorn's own are in its namespace. They may be taken in at the same time, each by itself.
func (s *State) Lists(namespace string) []List {
	own := func(name string) kube.Resource {
		return kube.Resource{Group: Group, Version: Version, Resource: name, Namespace: namespace}
	}
	return []List{
		{kube.Resource{Version: "v1", Resource: "persistentvolumes"}, taker(func(o PV) { s.PVs = append(s.PVs, o) })},
		{kube.Resource{Version: "v1", Resource: "persistentvolumeclaims"},
			taker(func(o Claim) { s.Claims[Reference{o.Namespace, o.Name}] = o })},
		{own("volumes"), taker(func(o Volume) { s.Volumes[o.Name] = o })},
		{own("backupvolumes"), taker(s.addBackupVolume)},
		{own("backups"), taker(s.addBackup)},
		{own("backuptargets"), taker(func(o Target) { s.Targets[o.Name] = o })},
		{own("recurringjobs"), taker(func(o Job) { s.Jobs = append(s.Jobs, o) })},
		{own("settings"), taker(func(o Setting) { s.settings[o.Name] = o.Value })},
	}
}

// taker makes a function that decodes a T and hands it on.
func taker[T any, P interface {
	*T
	decode([]byte) error
}](take func(T)) func([]byte) error {
	return func(raw []byte) error {
		var object T
		err := P(&object).decode(raw)
		if err == nil {
			take(object)
		}
		return err
	}
}

// addBackupVolume leaves out what is being deleted: with it go the backups that it tells of.
func (s *State) addBackupVolume(b BackupVolume) {
	if !b.Terminating() {
		s.backupVolumes[b.Volume()] = append(s.backupVolumes[b.Volume()], b)
	}
}

func (s *State) addBackup(b Backup) {
	if !b.Terminating() && b.State != Deleting {
		s.backups[b.Volume()] = append(s.backups[b.Volume()], b)
	}
}

// WhileDetached tells whether recurring jobs attach detached volumes to back them up. It is off unless the setting says otherwise.
func (s *State) WhileDetached() bool {
	on, err := strconv.ParseBool(s.settings["allow-recurring-job-while-volume-detached"])
	return err == nil && on
}

// Strangers are the names of volumes that a backup target has and the cluster does not, sorted: of volumes deleted, or of other clusters
// that share the target.
func (s *State) Strangers() []string {
	var names []string
	for name := range s.backupVolumes {
		if _, ok := s.Volumes[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// TargetsOf are the names of the targets that know of backups of a volume, sorted.
func (s *State) TargetsOf(volume string) []string {
	names := map[string]bool{}
	for _, b := range s.backupVolumes[volume] {
		names[b.Target()] = true
	}
	for _, b := range s.backups[volume] {
		names[b.Target()] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// History is what is known of the backups of one volume at one target.
type History struct {
	Last   string        // when the snapshot of the newest complete backup was taken, as Longhorn writes it; "" without one
	Store  *BackupVolume // what Longhorn has read of the target; nil before it has, or without a backup
	Synced string        // when it was read last, "" if never
	Newest *Backup       // the newest backup, whatever came of it; nil if there is none
}

// At is the time of Last; zero when there is none, or it cannot be read.
func (h History) At() time.Time { return Time(h.Last) }

// History joins what the target is known to have with the backups that the cluster knows. Several objects for one volume and target
// count as one, of which the newest time counts. A complete backup that is newer than that counts too: Longhorn may fail to tell of the
// last backup of a volume with the v2 engine, and tells a little late of all others.
func (s *State) History(volume, target string) (h History) {
	for _, b := range s.backupVolumes[volume] {
		if b.Target() != target {
			continue
		}
		if h.Store == nil || newer(b.LastBackupAt, h.Last) {
			h.Store, h.Last = &b, b.LastBackupAt
		}
		if newer(b.LastSyncedAt, h.Synced) {
			h.Synced = b.LastSyncedAt
		}
	}
	for _, b := range s.backups[volume] {
		if b.Target() != target {
			continue
		}
		if b.State == Completed && newer(b.SnapshotCreatedAt, h.Last) {
			h.Last = b.SnapshotCreatedAt
		}
		if h.Newest == nil || cmp.Or(b.At().Compare(h.Newest.At()), cmp.Compare(b.Name, h.Newest.Name)) > 0 {
			h.Newest = &b
		}
	}
	return h
}

// newer compares times as texts: one that can be read is newer than one that cannot, and that is newer than none.
func newer(a, b string) bool {
	at, other := Time(a), Time(b)
	if c := at.Compare(other); c != 0 {
		return c > 0
	}
	return a != "" && b == ""
}
