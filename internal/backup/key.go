package backup

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Artefact is what a backup is of; the word stands in its key.
type Artefact string

// The artefacts.
const (
	PVs   Artefact = "pvs"
	Nodes Artefact = "nodes"
)

// keyTime is how the run's start stands in a key, in UTC.
const keyTime = "20060102-150405"

var (
	clusterName = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$`) // and no longer than maxClusterName: counts are slow to compile
	fileName    = regexp.MustCompile(`^(pvs|nodes)-([0-9]{8}-[0-9]{6})-([0-9a-f]{8})\.json\.gz$`)
)

const maxClusterName = 63

func isClusterName(s string) bool { return len(s) <= maxClusterName && clusterName.MatchString(s) }

// Key is the name of a backup, a pure function of the run, so that a repeated attempt meets what it has already written.
type Key struct {
	Prefix   string // empty, or ends with "/"
	Cluster  string
	Artefact Artefact
	Started  time.Time // the run's start: UTC, whole seconds
	Hash     string    // 8 hex digits of run, step and instance
}

// NewKey makes a valid key or says what is wrong with its parts. A prefix without a final "/" gets one; the time is cut to whole
// seconds and put in UTC.
func NewKey(prefix, cluster string, artefact Artefact, started time.Time, hash string) (Key, error) {
	prefix, err := CleanPrefix(prefix)
	if err != nil {
		return Key{}, err
	}
	k := Key{prefix, cluster, artefact, started.UTC().Truncate(time.Second), hash}
	if _, err := ParseKey(k.String()); err != nil {
		return Key{}, err
	}
	return k, nil
}

// String is `<prefix><cluster>/<pvs|nodes>-<yyyymmdd-hhmmss>-<8 hex>.json.gz`.
func (k Key) String() string {
	return k.Folder() + string(k.Artefact) + "-" + k.Started.Format(keyTime) + "-" + k.Hash + ".json.gz"
}

// Folder is `<prefix><cluster>/`: all backups of one cluster, and of no other.
func (k Key) Folder() string { return k.Prefix + k.Cluster + "/" }

// ParseKey is the exact inverse of String: it accepts what NewKey makes and nothing else.
func ParseKey(s string) (Key, error) {
	fail := func(why string) (Key, error) { return Key{}, fmt.Errorf("parse backup key %q: %s", s, why) }
	slash := strings.LastIndexByte(s, '/')
	if slash < 0 {
		return fail("no cluster folder")
	}
	folder, file := s[:slash], s[slash+1:]
	prefix, cluster := "", folder
	if i := strings.LastIndexByte(folder, '/'); i >= 0 {
		prefix, cluster = folder[:i+1], folder[i+1:]
	}
	if clean, err := CleanPrefix(prefix); err != nil || clean != prefix {
		return fail("not a clean prefix")
	}
	if !isClusterName(cluster) {
		return fail("not a cluster's name: " + cluster)
	}
	m := fileName.FindStringSubmatch(file)
	if m == nil {
		return fail("not the name of a backup")
	}
	started, err := time.Parse(keyTime, m[2])
	if err != nil {
		return fail("not a time")
	}
	return Key{prefix, cluster, Artefact(m[1]), started, m[3]}, nil
}

// CleanPrefix gives a prefix its final "/" (an empty one stays empty) and refuses what could leave the store or vanish in a
// listing: a leading "/", empty segments, "." and "..", control characters, what is not UTF-8, more than 512 bytes.
func CleanPrefix(prefix string) (string, error) {
	if prefix == "" {
		return "", nil
	}
	if !utf8.ValidString(prefix) || strings.ContainsFunc(prefix, func(r rune) bool { return !unicode.IsPrint(r) || r == '\\' }) {
		return "", fmt.Errorf("prefix %q has characters that do not print, or a backslash", prefix)
	}
	if len(prefix) > 512 {
		return "", fmt.Errorf("prefix of %d bytes is longer than 512", len(prefix))
	}
	for segment := range strings.SplitSeq(strings.TrimSuffix(prefix, "/"), "/") {
		if segment == "" || segment == "." || segment == ".." {
			return "", fmt.Errorf("prefix %q has an empty, \".\" or \"..\" segment", prefix)
		}
	}
	return strings.TrimSuffix(prefix, "/") + "/", nil
}

// Folder is where all backups of a cluster are, what a listing is asked for: `<prefix><cluster>/`. It is empty for a prefix that
// CleanPrefix refuses.
func Folder(prefix, cluster string) string {
	clean, err := CleanPrefix(prefix)
	if err != nil {
		return ""
	}
	return Key{Prefix: clean, Cluster: cluster}.Folder()
}
