package longhorn

import "plan/internal/checks"

// The findings that this check has besides the common ones.
const (
	noJob         checks.Name = "NO_BACKUP_JOB"         // fail: no fresh backup, and nothing would make one
	lastFailed    checks.Name = "LAST_BACKUP_FAILED"    // fail: the newest backup came to nothing
	stuck         checks.Name = "STUCK"                 // fail: the newest backup has been running for longer than the limit
	notConfigured checks.Name = "TARGET_NOT_CONFIGURED" // fail: there is no place that backups could go to
	volumeMissing checks.Name = "VOLUME_MISSING"        // fail: Longhorn has no such volume

	unavailable checks.Name = "TARGET_UNAVAILABLE" // unknown: Longhorn cannot reach the place where the backups are
	frozen      checks.Name = "STATUS_FROZEN"      // unknown: Longhorn has not read that place for long
	noVolume    checks.Name = "NO_LONGHORN_VOLUME" // unknown: nothing to judge

	notLonghorn checks.Name = "NOT_LONGHORN"  // listed: a PersistentVolume of another provider
	notBound    checks.Name = "NOT_BOUND"     // listed: a PersistentVolume that no claim uses
	orphan      checks.Name = "ORPHAN"        // listed: a volume without PersistentVolume, backups without a volume
	excluded    checks.Name = "EXCLUDED"      // listed: left out by annotation, include or exclude
	terminating checks.Name = "TERMINATING"   // listed: it is being deleted
	standby     checks.Name = "STANDBY"       // listed: it follows another cluster's backups
	brokenClaim checks.Name = "BROKEN_CLAIM"  // listed: PersistentVolume and claim do not name each other
	shared      checks.Name = "SHARED_VOLUME" // listed: several PersistentVolumes are one volume
)

// Findings are all that this check can find and failOn may make fail. What an error kept from being looked at stays unknown, so that
// NOT_ALLOWED, NOT_INSTALLED, UNREACHABLE and UNFINISHED are not among them.
func Findings() []checks.Name {
	return []checks.Name{
		checks.OK, checks.Stale, checks.NoBackup, noJob, lastFailed, stuck, notConfigured, checks.FutureDated, volumeMissing,
		unavailable, frozen, noVolume, checks.Unreadable,
		notLonghorn, notBound, orphan, excluded, terminating, standby, brokenClaim, shared,
	}
}
