// Package longhorn is what a cluster knows of its Longhorn volumes and their backups. It decodes and joins what lists have brought and
// asks nobody.
//
// The version is v1beta2 and no other: the older one needs a conversion webhook for half of the resources. Of every object only what
// says something about backups is decoded; what a version of Longhorn does not have, or has as null or "", is the zero value. The facts
// are those of longhorn-manager 1.3 to 1.12.
package longhorn

import (
	"strings"
	"time"
)

const (
	// Group is that of all of Longhorn's resources.
	Group = "longhorn.io"
	// Version is the one of them that is asked for; Longhorn has it since 1.3.
	Version = "v1beta2"
	// Default is the name of the backup target and of the group of recurring jobs that count where none is named.
	Default = "default"

	// Skip is the annotation of a claim or a PersistentVolume whose volume is not to be verified; its value is SkipValue.
	Skip      = "plan/verify"
	SkipValue = "skip"
)

// What Longhorn and the provisioner of a PersistentVolume write on objects.
const (
	jobLabel    = "recurring-job.longhorn.io/"       // and the job, of a volume
	groupLabel  = "recurring-job-group.longhorn.io/" // and the group, of a volume
	enabled     = "enabled"                          // the value of both
	volumeLabel = "backup-volume"                    // of a backup
	targetLabel = "backup-target"                    // of a backup
	provisioner = "pv.kubernetes.io/provisioned-by"
)

// Time reads a time as objects have it (RFC 3339); zero if there is none or it cannot be read.
func Time(text string) time.Time {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}
	}
	return at
}

// FirstLine is the first line of a text that is not blank.
func FirstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(line)
}
