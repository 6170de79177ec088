package backup

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
)

// FormatVersion is the version of the format that this package writes and the only one it reads.
const FormatVersion = 1

// The user metadata of a stored backup.
const (
	metaFormat     = "plan-format"
	metaArtefact   = "plan-artefact"
	metaCluster    = "plan-cluster"
	metaClusterUID = "plan-cluster-uid"
	metaRun        = "plan-run"
	metaSHA256     = "plan-sha256"
	metaSize       = "plan-size"
	metaCount      = "plan-count"
	metaObjects    = "plan-objects"
)

// ErrNoMetadata means that an object has no metadata of ours: it is not a backup, or another program's.
var ErrNoMetadata = errors.New("no backup metadata")

// Meta is what a HEAD tells about a backup.
type Meta struct {
	Artefact   Artefact
	Cluster    string // its name
	ClusterUID string // of namespace kube-system
	Run        string
	SHA256     [32]byte // of the stored bytes
	Size       int64    // of the stored bytes; 0 is unknown
	Count      int64    // PersistentVolumes or nodes, as the artefact says
	Objects    int64    // objects of all kinds
}

// Map is the metadata as it is stored.
func (m Meta) Map() map[string]string {
	return map[string]string{
		metaFormat:     strconv.Itoa(FormatVersion),
		metaArtefact:   string(m.Artefact),
		metaCluster:    m.Cluster,
		metaClusterUID: m.ClusterUID,
		metaRun:        m.Run,
		metaSHA256:     hex.EncodeToString(m.SHA256[:]),
		metaSize:       strconv.FormatInt(m.Size, 10),
		metaCount:      strconv.FormatInt(m.Count, 10),
		metaObjects:    strconv.FormatInt(m.Objects, 10),
	}
}

// ParseMetadata reads what Map wrote. Without plan-format, or with another than this
// version's, it is ErrNoMetadata; with anything else missing or malformed it is ErrDamaged.
func ParseMetadata(stored map[string]string) (Meta, error) {
	format, ok := stored[metaFormat]
	if !ok {
		return Meta{}, ErrNoMetadata
	}
	if format != strconv.Itoa(FormatVersion) {
		return Meta{}, fmt.Errorf("%w of format %d, but of %q", ErrNoMetadata, FormatVersion, format)
	}
	m := Meta{
		Artefact:   Artefact(stored[metaArtefact]),
		Cluster:    stored[metaCluster],
		ClusterUID: stored[metaClusterUID],
		Run:        stored[metaRun],
	}
	if m.Artefact != PVs && m.Artefact != Nodes {
		return Meta{}, malformed(metaArtefact, stored)
	}
	if !isClusterName(m.Cluster) {
		return Meta{}, malformed(metaCluster, stored)
	}
	if m.ClusterUID == "" {
		return Meta{}, malformed(metaClusterUID, stored)
	}
	sum, err := hex.DecodeString(stored[metaSHA256])
	if err != nil || len(sum) != len(m.SHA256) {
		return Meta{}, malformed(metaSHA256, stored)
	}
	copy(m.SHA256[:], sum)
	if m.Size, err = strconv.ParseInt(stored[metaSize], 10, 64); err != nil || m.Size < 0 {
		return Meta{}, malformed(metaSize, stored)
	}
	if m.Count, err = strconv.ParseInt(stored[metaCount], 10, 64); err != nil || m.Count < 0 {
		return Meta{}, malformed(metaCount, stored)
	}
	if m.Objects, err = strconv.ParseInt(stored[metaObjects], 10, 64); err != nil || m.Objects < m.Count {
		return Meta{}, malformed(metaObjects, stored)
	}
	return m, nil
}

func malformed(key string, stored map[string]string) error {
	return fmt.Errorf("%w: metadata %s is %q", ErrDamaged, key, stored[key])
}
