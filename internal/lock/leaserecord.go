package lock

import (
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// What marks a Lease as one of plan, and says whose it is.
const (
	managedBy        = "app.kubernetes.io/managed-by"
	managedByUs      = "plan"
	runLabel         = "plan/run"
	holderAnnotation = "plan/holder"
	microTime        = "2006-01-02T15:04:05.000000Z07:00" // as metav1.MicroTime
)

// Marks are the labels and annotations of a Lease of plan that nobody holds.
func Marks() (labels, annotations map[string]string) {
	return map[string]string{managedBy: managedByUs}, map[string]string{holderAnnotation: ""}
}

// record is a Lease as it is stored; what others added to its metadata stays.
type record struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Metadata   map[string]any `json:"metadata"`
	Spec       spec           `json:"spec"`
}

// spec is what a Lease says. The times are those of the holder's clock: they are for people, and nothing is concluded from them.
type spec struct {
	HolderIdentity       string `json:"holderIdentity"`
	LeaseDurationSeconds int    `json:"leaseDurationSeconds,omitempty"`
	AcquireTime          string `json:"acquireTime,omitempty"`
	RenewTime            string `json:"renewTime,omitempty"`
	LeaseTransitions     int    `json:"leaseTransitions"`
}

// annotated is the annotation with the holder. It counts only together with the identity that it was written for.
type annotated struct {
	Identity string `json:"identity"`
	Holder
}

func decodeRecord(data []byte) (*record, error) {
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("read lease: %w", err)
	}
	if r.version() == "" {
		return nil, fmt.Errorf("read lease: it has no resourceVersion")
	}
	delete(r.Metadata, "managedFields")
	return &r, nil
}

func (r *record) version() string {
	v, _ := r.Metadata["resourceVersion"].(string)
	return v
}

// texts is a map of texts in the metadata, made if it is missing.
func (r *record) texts(name string) map[string]any {
	m, ok := r.Metadata[name].(map[string]any)
	if !ok {
		m = map[string]any{}
		r.Metadata[name] = m
	}
	return m
}

// ours tells whether plan made the Lease.
func (r *record) ours() bool {
	return r.texts("labels")[managedBy] == managedByUs && r.texts("annotations")[holderAnnotation] != nil
}

// holder is who has the Lease, and whether that is certain.
func (r *record) holder() (Holder, bool) {
	var a annotated
	text, _ := r.texts("annotations")[holderAnnotation].(string)
	if json.Unmarshal([]byte(text), &a) != nil || a.Identity != r.Spec.HolderIdentity {
		return Holder{Run: r.Spec.HolderIdentity}, false
	}
	return a.Holder, true
}

func (r *record) since() time.Time {
	t, err := time.Parse(time.RFC3339Nano, r.Spec.AcquireTime)
	if err != nil {
		return time.Time{}
	}
	return t
}

// give makes somebody the holder.
func (r *record) give(identity string, h Holder, t Times) {
	text, _ := json.Marshal(annotated{identity, h}) // strings and a number
	r.texts("labels")[managedBy] = managedByUs
	r.texts("labels")[runLabel] = h.Run
	r.texts("annotations")[holderAnnotation] = string(text)
	now := time.Now().UTC().Format(microTime)
	if r.Spec.AcquireTime != "" {
		r.Spec.LeaseTransitions++
	}
	r.Spec.HolderIdentity, r.Spec.AcquireTime, r.Spec.RenewTime = identity, now, now
	r.Spec.LeaseDurationSeconds = max(1, int(math.Ceil(t.Duration.Seconds())))
}
