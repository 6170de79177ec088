package backup

import "time"

// Index is the document's top-level "backup": what the list holds and where it came from. It has counts and no entry per
// object, because everything about an object is in the object: a summary beside it would take memory with every object and
// could contradict it. Objects derives one while reading.
type Index struct {
	FormatVersion     int              `json:"formatVersion"`
	Artefact          Artefact         `json:"artefact"`
	Cluster           Cluster          `json:"cluster"`
	KubernetesVersion string           `json:"kubernetesVersion"`
	Run               string           `json:"run"`
	CreatedAt         time.Time        `json:"createdAt"` // the run's start
	Objects           int64            `json:"objects"`
	Resources         []ResourceCount  `json:"resources"`
	Phases            map[string]int64 `json:"phases,omitempty"` // of the PersistentVolumes
}

// Cluster is where a backup comes from.
type Cluster struct {
	Name string `json:"name"`
	UID  string `json:"uid"` // of namespace kube-system
}

// ResourceCount is what one list brought.
type ResourceCount struct {
	Resource        string `json:"resource"` // persistentvolumes, volumes.longhorn.io
	APIVersion      string `json:"apiVersion"`
	Kind            string `json:"kind"`
	Count           int64  `json:"count"` // objects stored
	ResourceVersion string `json:"resourceVersion"`
}

// Count is the number of objects of a kind.
func (i Index) Count(kind string) int64 {
	var n int64
	for _, r := range i.Resources {
		if r.Kind == kind {
			n += r.Count
		}
	}
	return n
}

// Primary is the number of objects that the artefact is named after.
func (i Index) Primary() int64 {
	if i.Artefact == Nodes {
		return i.Count("Node")
	}
	return i.Count("PersistentVolume")
}

// Bound is the number of bound PersistentVolumes.
func (i Index) Bound() int64 { return i.Phases["Bound"] }
