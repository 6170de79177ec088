package steps

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"
)

// Scope is all that names, keys and labels derive from. Two equal scopes give equal names, and no two attempts of one run share one.
type Scope struct {
	Plan     string
	Run      string    // the run's id
	Started  time.Time // the run's start, whole seconds, UTC
	Step     string
	Instance string // canonical JSON of the matrix values; empty without a matrix
	Attempt  int    // from 1
	Cluster  string // spec.cluster.name

	Namespace string // where objects go when with: names no other

	Timeout time.Duration // of this attempt, after which its context ends; no part of any name
	Dir     string        // what relative paths are relative to: the plan file's folder; no part of any name

	Runnable bool // rendered for kubectl apply: as what runs by itself; no part of any name
}

// Hash is the first n hex digits (at most 64) of SHA-256 over run, step, instance and whatever else must tell names apart. The parts are
// joined as a JSON list, so that no two lists of parts give the same bytes.
func (s Scope) Hash(n int, more ...any) string {
	data, err := json.Marshal(append([]any{s.Run, s.Step, s.Instance}, more...))
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])[:n]
}

// ObjectName names a Kubernetes object of this attempt: `<plan ≤ 20>-<step ≤ 20>-<10 hex>`, at most 52 characters, because the pods
// of an Indexed Job need the rest of the 63.
func (s Scope) ObjectName() string {
	return cut(s.Plan, 20) + "-" + cut(s.Step, 20) + "-" + s.Hash(10, s.Attempt)
}

func cut(s string, n int) string {
	return strings.TrimRight(s[:min(n, len(s))], "-")
}
