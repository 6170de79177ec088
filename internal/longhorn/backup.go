package longhorn

import (
	"cmp"
	"slices"
	"time"
)

// BackupVolume is what a backup target has of one volume, as it was when Longhorn last read it.
type BackupVolume struct {
	Meta
	VolumeName   string            // since 1.8
	TargetName   string            // since 1.8
	LastBackupAt string            // when the snapshot of the newest complete backup was taken; "" without one
	LastSyncedAt string            // "" before the target was read
	DataStored   string            // bytes
	Messages     map[string]string // what kept Longhorn from reading the target
}

// Volume is the name of the volume. Before 1.8 it was the object's own; since then the object has a name made up of several things, and
// an upgrade leaves old objects their names: so the name is never taken apart.
func (b BackupVolume) Volume() string { return cmp.Or(b.VolumeName, b.Name) }

// Target is the name of the backup target.
func (b BackupVolume) Target() string { return cmp.Or(b.TargetName, Default) }

// Message is the first line of what kept Longhorn from reading the target; empty if nothing did.
func (b BackupVolume) Message() string {
	text := b.Messages["error"]
	for _, key := range sortedKeys(b.Messages) {
		text = cmp.Or(text, b.Messages[key])
	}
	return FirstLine(text)
}

func (b *BackupVolume) decode(raw []byte) error {
	return decode(raw, &b.Meta, func(key string, value part) {
		switch key {
		case "spec":
			value.each(func(key string, value part) {
				switch key {
				case "volumeName":
					b.VolumeName = value.text()
				case "backupTargetName":
					b.TargetName = value.text()
				}
			})
		case "status":
			value.each(func(key string, value part) {
				switch key {
				case "lastBackupAt":
					b.LastBackupAt = value.text()
				case "lastSyncedAt":
					b.LastSyncedAt = value.text()
				case "dataStored":
					b.DataStored = value.text()
				case "messages":
					b.Messages = value.words(func(string) bool { return true })
				}
			})
		}
	})
}

// The states of a backup. The last four are final.
const (
	Pending    = "Pending"
	InProgress = "InProgress"
	Completed  = "Completed"
	Failed     = "Error"
	Uncertain  = "Unknown"
	Deleting   = "Deleting"
)

// Backup is one backup of a volume.
type Backup struct {
	Meta
	State             string
	Error             string
	VolumeName        string // "" until it is complete
	TargetName        string // since 1.8
	SnapshotCreatedAt string
}

// Volume is the name of the volume: the label's, which is there from the beginning.
func (b Backup) Volume() string { return cmp.Or(b.Labels[volumeLabel], b.VolumeName) }

// Target is the name of the backup target.
func (b Backup) Target() string { return cmp.Or(b.TargetName, b.Labels[targetLabel], Default) }

// At is the time of the data in it: that of its snapshot; until that is known, that of the object.
func (b Backup) At() time.Time {
	if at := Time(b.SnapshotCreatedAt); !at.IsZero() {
		return at
	}
	return Time(b.Created)
}

// Bad tells whether the backup has come to nothing.
func (b Backup) Bad() bool { return b.State == Failed || b.State == Uncertain }

// Running tells whether the backup has come to no end yet.
func (b Backup) Running() bool { return slices.Contains([]string{"", Pending, InProgress}, b.State) }

func (b *Backup) decode(raw []byte) error {
	return decode(raw, &b.Meta, func(key string, value part) {
		if key != "status" {
			return
		}
		value.each(func(key string, value part) {
			switch key {
			case "state":
				b.State = value.text()
			case "error":
				b.Error = value.text()
			case "volumeName":
				b.VolumeName = value.text()
			case "backupTargetName":
				b.TargetName = value.text()
			case "snapshotCreatedAt":
				b.SnapshotCreatedAt = value.text()
			}
		})
	})
}
